//! One file onto a medium, whole and proved, or not under its name.
//!
//! ```text
//! NAME, .NAME.transfer ─▶ compare with the source, past the cache ─▶ write what differs ─▶ sync as it goes
//!                                                                      │
//!                 NAME ◀─ rename, sync the folder ◀─ read back from the medium, from the end to the beginning
//! ```
//!
//! Killed or unplugged anywhere, `.NAME.transfer` has what was written, and the next run writes only what is not right.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::fdatasync;

use super::read_back::MediumReader;
use crate::digest::{Descriptor, Digest, HashingWriter};
use crate::error::{Error, IoContext, Result};
use crate::own_file;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::small_file;
use crate::staged_file::sync_folder_of;

/// How many bytes are compared and written at a time.
const PIECE: u64 = 1 << 20;
/// After how many bytes written the medium has to have them: progress is what is on it, not what is in memory.
const SYNCED: u64 = 32 << 20;

/// What is copied.
pub trait CopySource: Debug {
    /// Its path, or that of the file which it is a part of.
    fn path(&self) -> &Path;

    /// Its length in bytes now.
    ///
    /// # Errors
    /// The system will not say.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// It ends before, or cannot be read.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// A file as it lies there.
#[derive(Debug)]
struct WholeFile {
    path: PathBuf,
    file: File,
}

impl CopySource for WholeFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> io::Result<u64> {
        // Who exchanges the file meanwhile has changed it.
        fs::metadata(&self.path).map(|there| there.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// A copy that is being made.
#[derive(Debug)]
pub struct MediumCopy<'a> {
    source: Box<dyn CopySource + 'a>,
    target: PathBuf,
    temporary: PathBuf,
    pieces: Vec<Digest>,
    /// What the source has, and the copy must have.
    pub descriptor: Descriptor,
    /// How many bytes were written; what was right already was not.
    pub written: u64,
}

/// A copy that was read back and has its name.
#[derive(Debug, Clone, Copy)]
pub struct Proved {
    /// Whether it was read with direct I/O; else the cache was told to forget it.
    pub direct: bool,
}

impl MediumCopy<'static> {
    /// Writes the file `source` to where it will be called `target`, as far as that does not have it yet.
    ///
    /// # Errors
    /// As [`MediumCopy::write_from`].
    pub fn write(source: &Path, target: &Path, progress: &dyn Progress) -> Result<Self> {
        let file = small_file::open(source).doing("open", source)?;
        Self::write_from(Box::new(WholeFile { path: source.to_owned(), file }), target, progress)
    }
}

impl<'a> MediumCopy<'a> {
    /// Writes `source` to where it will be called `target`, as far as that does not have it yet.
    ///
    /// # Errors
    /// The source cannot be read, something other than a file is in the way, or the medium fails or is full.
    pub fn write_from(source: Box<dyn CopySource + 'a>, target: &Path, progress: &dyn Progress) -> Result<Self> {
        let length = source.length().doing("look at", source.path())?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!(".{name}.transfer"));
        // What is there under the final name may be nearly right. It has that name no more until it is.
        if !temporary.exists()
            && fs::symlink_metadata(target).is_ok_and(|there| there.is_file() && there.len() == length)
        {
            fs::rename(target, &temporary).doing("rename", target)?;
        }
        let to = own_file::open_or_create_on_medium(&temporary).doing("write", &temporary)?;
        let had = to.metadata().doing("look at", &temporary)?.len().min(length);
        to.set_len(had).doing("write", &temporary)?;
        to.sync_all().doing("write", &temporary)?;
        let mut reader = MediumReader::open(&temporary, PIECE as usize).doing("read", &temporary)?;
        let meter = progress.start(&name, Some(length));
        let (mut pieces, mut written, mut unsynced) = (Vec::new(), 0, 0);
        let mut whole = HashingWriter::new(io::sink());
        let mut piece = vec![0; PIECE as usize];
        for offset in (0..length).step_by(PIECE as usize) {
            let bytes = &mut piece[..PIECE.min(length - offset) as usize];
            source.read_exact_at(bytes, offset).doing("read", source.path())?;
            io::Write::write_all(&mut whole, bytes).doing("read", source.path())?;
            pieces.push(Digest::of(bytes));
            let is_there = offset < had && reader.read(offset, PIECE as usize).is_ok_and(|there| there == bytes);
            if !is_there {
                to.write_all_at(bytes, offset).doing("write", &temporary)?;
                written += bytes.len() as u64;
            }
            unsynced += bytes.len() as u64;
            if unsynced >= SYNCED {
                fdatasync(&to).map_err(io::Error::from).doing("write", &temporary)?;
                meter.add(unsynced);
                unsynced = 0;
            }
        }
        to.sync_all().doing("write", &temporary)?;
        meter.add(unsynced);
        meter.done("written");
        let (_, descriptor) = whole.finish();
        let target = target.to_owned();
        Ok(MediumCopy { source, target, temporary, pieces, descriptor, written })
    }

    /// Reads the copy back from the medium, in another order than it was written, and gives it its name.
    ///
    /// # Errors
    /// The medium does not have what was written to it, or cannot be read: then nothing has the name.
    pub fn prove(&self, progress: &dyn Progress) -> Result<Proved> {
        let mut reader = MediumReader::open(&self.temporary, PIECE as usize).doing("read", &self.temporary)?;
        let name = self.target.file_name().unwrap_or_default().to_string_lossy();
        let meter = progress.start(&name, Some(self.descriptor.size));
        let mut wrong = Vec::new();
        // From the end: what a medium of false capacity overwrote lies at the beginning, and what it lost at the end.
        for (number, expected) in self.pieces.iter().enumerate().rev() {
            let offset = number as u64 * PIECE;
            let right = reader.read(offset, PIECE as usize).is_ok_and(|bytes| Digest::of(bytes) == *expected);
            if !right {
                wrong.push(offset);
            }
            meter.add(PIECE.min(self.descriptor.size - offset));
        }
        if let (Some(first), Some(last)) = (wrong.last(), wrong.first()) {
            meter.done("damaged");
            return Err(Error::integrity("the medium does not have what was written to it")
                .fact("path", self.target.display())
                .fact("wrong", format_args!("{} of {} pieces of 1 MiB", wrong.len(), self.pieces.len()))
                .fact("first", format_args!("at byte {first}"))
                .fact("last", format_args!("at byte {last}"))
                .hint(format_args!(
                    "run the same command again, which writes only what is wrong; if it fails again, use another medium: \
                     this one is worn out or smaller than it says ({} is left there)",
                    shell_word(&self.temporary)
                )));
        }
        meter.done("read back");
        let length = self.source.length().doing("look at", self.source.path())?;
        if length != self.descriptor.size {
            return Err(Error::failed("the file changed while it was copied")
                .fact("path", self.source.path().display())
                .hint("run the same command again once nobody writes to it"));
        }
        fs::rename(&self.temporary, &self.target).doing("rename", &self.temporary)?;
        sync_folder_of(&self.target)?;
        Ok(Proved { direct: reader.is_direct() })
    }
}
