//! A bundle that lies in a file and its volumes: the bytes of the bundle in one file, put together where they are read.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::format::{End, TRAILER_LENGTH, Trailer, index_json};
use super::frame_cache::damaged;
use super::index::Index;
use super::next_step::compare_bundle;
use super::parts::{PartPlace, Parts};
use super::volume_table::{LONGEST_TABLE, VolumeTable};
use super::volumes::VolumeSearch;
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
