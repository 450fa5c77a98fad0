//! The files that a bundle lies in, and where in them its bytes are.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::read::Bundle;
use super::volume_table::{Volume, volume_beside};
use crate::digest::Digest;

/// Where in a volume something lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlace {
    /// The volume's file name.
    pub name: String,
    /// The offset in it.
    pub offset: u64,
}

impl Bundle {
    /// The volumes that the payload lies in; none where the bundle is one file.
    pub fn volumes(&self) -> &[Volume] {
        self.in_volumes.as_ref().map_or(&[], |in_volumes| &in_volumes.table.volumes)
    }

    /// The file name of the volume of that number, counted from 0.
    pub fn volume_name(&self, number: usize) -> String {
        let path = volume_beside(self.path(), number);
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where the byte at `offset` lies, if that is in a volume.
    pub(super) fn volume_at(&self, offset: u64) -> Option<VolumePlace> {
        let (number, range) = self.volume_ranges().enumerate().find(|(_, range)| range.contains(&offset))?;
        Some(VolumePlace { name: self.volume_name(number), offset: offset - range.start })
    }

    /// Where each volume lies in the bundle in one file.
    pub(super) fn volume_ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.in_volumes.iter().flat_map(|in_volumes| in_volumes.table.ranges(self.index().header_size))
    }

    /// The files that the bundle lies in, that of its path first.
    pub fn files(&self) -> Vec<PathBuf> {
        let volumes = self.volume_ranges().filter_map(|range| self.file.parts.path_at(range.start).map(Path::to_owned));
        [self.path().to_owned()].into_iter().chain(volumes).collect()
    }

    /// By what the bundle is known from outside: the digest of the trailer of the bundle in one file.
    pub fn seal(&self) -> Digest {
        Digest::of(&self.trailer.to_bytes())
    }

    /// Reads `size` of the bundle's bytes from `offset` on, both of the bundle in one file; fewer where it ends before.
    /// They are not compared with anything.
    pub fn bytes(&self, offset: u64, size: u64) -> impl Read + '_ {
        self.file.parts.section(offset, size)
    }

    /// Fills `buffer` with the bundle's bytes from `offset` on.
    ///
    /// # Errors
    /// They cannot be read, or the bundle ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes(offset, buffer.len() as u64).read_exact(buffer)
    }
}
