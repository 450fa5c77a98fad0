//! Room on the disk for the way back: kept while a change is under way, and given up where it ends or goes back. Whatever
//! fills the disk meanwhile, the journal, the stack files of the old version and the state can then be written.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::place::Place;
use crate::error::{IoContext, Result};
use crate::language::tr;
use crate::own_file;
use crate::room;

/// In bytes: two stack files, the journal, state and receipt, each as large as it may be.
const SIZE: u64 = 8 << 20;

/// Takes the room, in the product's folder of `place` and, where that is another file system, in `install_dir`.
///
/// # Errors
/// It is not there.
pub(super) fn keep(place: &Place, install_dir: &Path) -> Result<()> {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    let [own, other] = files(place, install_dir);
    take(&own)?;
    if device(install_dir).is_some_and(|of| Some(of) != device(&place.var())) {
        take(&other)?;
    }
    Ok(())
}

fn take(file: &Path) -> Result<()> {
    let way_out = tr!("make room there, then the same command again; what runs was not touched");
    room::check_for_root(SIZE, file, way_out)?;
    let allocated =
        own_file::open_or_create(file).and_then(|open| match fallocate(open, FallocateFlags::empty(), 0, SIZE) {
            // Some file systems know of no such thing; then nothing is kept.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            result => result.map_err(io::Error::from),
        });
    allocated.doing("write", file)
}

/// Gives it back to whoever writes next.
pub(super) fn give_up(place: &Place, install_dir: &Path) {
    for file in files(place, install_dir) {
        // One that stays takes up room until the next change, no more.
        let _ = own_file::remove(&file);
    }
}

fn files(place: &Place, install_dir: &Path) -> [PathBuf; 2] {
    [place.var().join("reserve"), install_dir.join(".pack-reserve")]
}
