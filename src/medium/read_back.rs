//! Reading from the medium itself: with direct I/O where the file system has it, else with the cache told to forget.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags, fadvise};

/// What direct I/O asks memory and offsets to be multiples of, at most.
const ALIGNED: usize = 4096;

/// A file that is read past the cache.
#[derive(Debug)]
pub(super) struct MediumReader {
    file: File,
    direct: bool,
    buffer: Vec<u8>,
}

impl MediumReader {
    /// Opens a file whose bytes are on the disk, to be read in pieces of up to `piece` bytes, a multiple of 4096.
    pub(super) fn open(path: &Path, piece: usize) -> io::Result<Self> {
        let plain = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = |flags: OFlags| OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
        let (file, direct) = match open(plain | OFlags::DIRECT) {
            Ok(file) => (file, true),
            Err(_) => (open(plain)?, false),
        };
        Ok(MediumReader { file, direct, buffer: vec![0; piece + ALIGNED] })
    }

    /// Whether direct I/O is used.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Reads `size` bytes at `offset`, both as [`MediumReader::open`] says; fewer where the file ends.
    pub(super) fn read(&mut self, offset: u64, size: usize) -> io::Result<&[u8]> {
        let start = self.buffer.as_ptr().align_offset(ALIGNED);
        if self.direct {
            match read_all(&self.file, &mut self.buffer[start..start + size], offset) {
                // Some file systems open so and do not read so.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    rustix::fs::fcntl_setfl(&self.file, OFlags::empty())?;
                    self.direct = false;
                }
                other => return other.map(|count| &self.buffer[start..start + count]),
            }
        }
        // No more than is read now: what another reads meanwhile is in the cache again.
        fadvise(&self.file, offset, std::num::NonZero::new(size as u64), Advice::DontNeed)?;
        let count = read_all(&self.file, &mut self.buffer[start..start + size], offset)?;
        Ok(&self.buffer[start..start + count])
    }
}

/// Fills `buffer` as far as the file goes.
fn read_all(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Behind the end of a file direct I/O may not be aligned any more.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && filled % ALIGNED != 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
