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
        let mut division = Division { bundle, volumes, main: 0 };
        let bounds = Bounds::of(bundle, longest)?;
        let too_many = division.volumes.len() > MOST_VOLUMES;
        if bounds.largest > longest || bounds.with_most > longest || too_many {
            let path = bundle.path();
            return Err(Error::usage("the bundle does not fit into volumes so small")
                .fact("path", path.display())
                .fact("volume size", format_args!("{longest} bytes"))
                .fact("largest frame", format_args!("{} bytes", bounds.largest))
                .fact("launcher, runtime and index", format_args!("{} bytes", bounds.with_most))
                .fact("most volumes", MOST_VOLUMES)
                .hint(format_args!("take larger ones: --volume-size {}, for {}", bounds.least, shell_word(path))));
        }
        division.main = length_of_main(bundle, division.volumes.len(), longest)?;
        Ok(division)
    }

    /// The smallest size of a volume by which `bundle` can be divided whatever its frames are like, in bytes.
    ///
    /// # Errors
    /// The table of volumes cannot be made.
    pub fn least(bundle: &Bundle) -> Result<u64> {
        Ok(Bounds::of(bundle, u64::MAX)?.least)
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

/// The length of the file that so many volumes belong to, none of which is longer than `longest`, in bytes.
fn length_of_main(bundle: &Bundle, volumes: usize, longest: u64) -> Result<u64> {
    // Digests are all of one length, whatever they are.
    let unknown = vec![Volume { size: longest, digest: Digest::of(b""), head: Digest::of(b"") }; volumes];
    let table = VolumeTable::new(bundle.trailer, unknown).to_bytes(0)?.len() as u64;
    Ok(bundle.index().header_size + bundle.trailer.index_size + table)
}

/// What the size of a volume has to be at least, in bytes.
struct Bounds {
    /// The largest frame.
    largest: u64,
    /// The length of the file that the volumes belong to, where there are as many as there may be.
    with_most: u64,
    /// What is large enough, however the frames fall.
    least: u64,
}

impl Bounds {
    fn of(bundle: &Bundle, longest: u64) -> Result<Self> {
        let index = bundle.index();
        let largest = index.frames.iter().map(|frame| frame.size).max().unwrap_or(0);
        let with_most = length_of_main(bundle, MOST_VOLUMES, longest)?;
        let least = (index.payload_size().div_ceil(MOST_VOLUMES as u64) + largest).max(with_most);
        Ok(Bounds { largest, with_most, least })
    }
}
