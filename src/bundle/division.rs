//! Dividing a bundle into a file and volumes, at the boundaries of its frames: nothing is unpacked.

use std::io;
use std::ops::Range;

use super::read::Bundle;
use super::volume_table::{HEAD, MOST_VOLUMES, Volume, VolumeTable};
use crate::digest::{Descriptor, Digest, VerifyingReader};
use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;

/// How a bundle is divided. Its volumes are numbered from 0.
#[derive(Debug)]
pub struct Division<'a> {
    bundle: &'a Bundle,
    /// Where each volume lies in the bundle in one file.
    volumes: Vec<Range<u64>>,
    /// The length of the file that the volumes belong to.
    main: u64,
}

impl<'a> Division<'a> {
    /// The most volumes that a bundle has.
    pub const MOST: usize = MOST_VOLUMES;

    /// Divides `bundle` into files of at most `longest` bytes.
    ///
    /// # Errors
    /// Files so small cannot have it, or it would need too many of them.
    pub fn new(bundle: &'a Bundle, longest: u64) -> Result<Self> {
        let index = bundle.index();
        let mut volumes: Vec<Range<u64>> = Vec::new();
        for frame in &index.frames {
            let end = frame.offset + frame.size;
            match volumes.last_mut().filter(|last| end - last.start <= longest) {
                Some(last) => last.end = end,
                None => volumes.push(frame.offset..end),
            }
        }
        let largest = index.frames.iter().map(|frame| frame.size).max().unwrap_or(0);
        let mut division = Division { bundle, volumes, main: 0 };
        let header_and_index = index.header_size + bundle.trailer.index_size;
        // Digests are all of one length, whatever they are.
        let unknown = vec![Volume { size: longest, digest: Digest::of(b""), head: Digest::of(b"") }; MOST_VOLUMES];
        let with_most = header_and_index + VolumeTable::new(bundle.trailer, unknown).to_bytes(0)?.len() as u64;
        let too_many = division.volumes.len() > MOST_VOLUMES;
        if largest > longest || with_most > longest || too_many {
            let least = (index.payload_size().div_ceil(MOST_VOLUMES as u64) + largest).max(with_most);
            let path = bundle.path();
            return Err(Error::usage("the bundle does not fit into volumes so small")
                .fact("path", path.display())
                .fact("volume size", format_args!("{longest} bytes"))
                .fact("largest frame", format_args!("{largest} bytes"))
                .fact("launcher, runtime and index", format_args!("{with_most} bytes"))
                .fact("most volumes", MOST_VOLUMES)
                .hint(format_args!("take larger ones: --volume-size {least}, for {}", shell_word(path))));
        }
        let unknown =
            vec![Volume { size: longest, digest: Digest::of(b""), head: Digest::of(b"") }; division.volumes.len()];
        division.main = header_and_index + VolumeTable::new(bundle.trailer, unknown).to_bytes(0)?.len() as u64;
        Ok(division)
    }

    /// How many volumes there are.
    pub fn count(&self) -> usize {
        self.volumes.len()
    }

    /// Where the volume of that number lies in the bundle in one file.
    pub fn range(&self, number: usize) -> Range<u64> {
        self.volumes[number].clone()
    }

    /// About the length of the file that the volumes belong to, in bytes: at least as much.
    pub fn main_size(&self) -> u64 {
        self.main
    }

    /// The bytes of the file that the volumes belong to, once it is known what is in these: launcher, runtime and index as
    /// they are, the table, a trailer. All of it was compared with its digests.
    ///
    /// # Errors
    /// The bundle cannot be read, or changed meanwhile.
    pub fn main(&self, digests: &[Digest]) -> Result<Vec<u8>> {
        let (bundle, index, trailer) = (self.bundle, self.bundle.index(), self.bundle.trailer);
        let mut bytes = Vec::new();
        let header = Descriptor { digest: index.header_digest, size: index.header_size };
        let index_frame = Descriptor { digest: trailer.index_digest, size: trailer.index_size };
        for (offset, part) in [(0, header), (trailer.index_offset, index_frame)] {
            let mut reader = VerifyingReader::new(bundle.bytes(offset, part.size), part);
            io::copy(&mut reader, &mut bytes).doing("read the bundle", bundle.path())?;
        }
        let volume = |(range, digest): (&Range<u64>, &Digest)| {
            let size = range.end - range.start;
            let mut head = vec![0; HEAD.min(size) as usize];
            bundle.read_exact_at(&mut head, range.start).doing("read the bundle", bundle.path())?;
            Ok(Volume { size, digest: *digest, head: Digest::of(&head) })
        };
        let volumes = self.volumes.iter().zip(digests).map(volume).collect::<Result<Vec<_>>>()?;
        let end = VolumeTable::new(trailer, volumes).to_bytes(bytes.len() as u64)?;
        bytes.extend(end);
        Ok(bytes)
    }
}
