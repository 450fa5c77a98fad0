//! A bundle that lies in a file and its volumes: the bytes of the bundle in one file, put together where they are read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{End, TRAILER_LENGTH, Trailer, index_json};
use super::frame_cache::damaged;
use super::index::Index;
use super::next_step::compare_bundle;
use super::parts::{PartPlace, Parts};
use super::read::Bundle;
use super::volume_table::{LONGEST_TABLE, Volume, VolumeTable, volume_beside};
use super::volumes::VolumeSearch;
use crate::digest::Digest;
use crate::error::Result;

/// What only a bundle in volumes has.
#[derive(Debug)]
pub(super) struct InVolumes {
    pub(super) table: VolumeTable,
    /// The file that the bundle's path leads to: launcher, runtime, index, table, trailer.
    pub(super) main: Parts,
    pub(super) file: Arc<File>,
}

impl InVolumes {
    /// The bytes of the bundle in one file, whose trailer is `whole`, out of the file at `path` and its volumes.
    ///
    /// # Errors
    /// The index is of another launcher and runtime, or a volume is missing, or another file.
    pub(super) fn parts(&self, path: &Path, index: &Index, whole: Trailer) -> Result<Parts> {
        let header = index.header_size;
        if self.table.whole(header) != whole {
            return Err(damaged(path, "its index is that of another launcher and runtime"));
        }
        let search = VolumeSearch { bundle: path, table: &self.table, index };
        let volumes = search.open().map_err(|error| error.hint_where_none(compare_bundle(path)))?;
        let in_main = |at: u64| PartPlace::File { file: self.file.clone(), at, path: path.to_owned() };
        let begin = [(header, in_main(0))];
        let end = [(self.table.index_size, in_main(header)), (TRAILER_LENGTH, PartPlace::Memory(whole.to_bytes()))];
        Ok(Parts::of(begin.into_iter().chain(volumes).chain(end)))
    }
}

/// Whether the file is that of a bundle in volumes, as far as its end tells.
pub fn is_in_volumes(file: &File) -> bool {
    let table = || {
        let length = file.metadata().ok()?.len();
        let mut end = [0; TRAILER_LENGTH as usize];
        file.read_exact_at(&mut end, length.checked_sub(TRAILER_LENGTH)?).ok()?;
        let End::Trailer(trailer) = Trailer::read(&end) else { return None };
        let size = usize::try_from(trailer.index_size).ok().filter(|&size| size <= LONGEST_TABLE)?;
        let mut frame = vec![0; size];
        file.read_exact_at(&mut frame, trailer.index_offset).ok()?;
        VolumeTable::read(index_json(&frame)?).ok()?
    };
    table().is_some()
}

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
        let mut begin = self.index().header_size;
        for (number, volume) in self.volumes().iter().enumerate() {
            let inside = offset.checked_sub(begin)?;
            if inside < volume.size {
                return Some(VolumePlace { name: self.volume_name(number), offset: inside });
            }
            begin += volume.size;
        }
        None
    }

    /// The files that the bundle lies in, that of its path first.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.path().to_owned()];
        let mut begin = self.index().header_size;
        for volume in self.volumes() {
            files.extend(self.file.parts.path_at(begin).map(Path::to_owned));
            begin += volume.size;
        }
        files
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
