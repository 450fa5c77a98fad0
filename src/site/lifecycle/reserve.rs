//! Room on the disk for the way back: kept while a change is under way, and spent piece by piece where something that the
//! change has to write finds no other. Whatever fills the disk meanwhile, the old version can be started again.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::place::Place;
use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::own_file;
use crate::room;

/// In bytes.
const SIZE: u64 = 8 << 20;
/// What is spent at a time, in bytes: a stack file or a journal fits, whatever they say.
const PIECE: u64 = 2 << 20;

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

/// Checks that there is as much room at `path` as is kept.
///
/// # Errors
/// There is less.
pub(super) fn check(path: &Path) -> Result<()> {
    room::check_for_root(SIZE, path, tr!("make room there, then the same command again; what runs was not touched"))
}

fn take(file: &Path) -> Result<()> {
    check(file)?;
    let allocated =
        own_file::open_or_create(file).and_then(|open| match fallocate(open, FallocateFlags::empty(), 0, SIZE) {
            // Some file systems know of no such thing; then nothing is kept.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            result => result.map_err(io::Error::from),
        });
    allocated.doing("write", file)
}

/// Writes with `write`, in the room that was kept where there is no other.
///
/// # Errors
/// Those of `write`.
pub(super) fn with_room<T>(place: &Place, install_dir: &Path, write: impl Fn() -> Result<T>) -> Result<T> {
    loop {
        let outcome = write();
        let is_full =
            |error: &Error| matches!(error.io_kind(), Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
        if !outcome.as_ref().is_err_and(is_full) || !spend(place, install_dir) {
            return outcome;
        }
    }
}

/// Frees a piece of it; whether there was one.
fn spend(place: &Place, install_dir: &Path) -> bool {
    let shortened = files(place, install_dir).map(|path| {
        let shorten = || -> io::Result<bool> {
            let file = own_file::open_or_create(&path)?;
            let left = file.metadata()?.len();
            file.set_len(left.saturating_sub(PIECE))?;
            Ok(left > 0)
        };
        shorten().unwrap_or(false)
    });
    shortened.contains(&true)
}

/// Gives all of it back, where a change has come to its end.
pub(super) fn give_up(place: &Place, install_dir: &Path) {
    for file in files(place, install_dir) {
        // One that stays takes up room until the next change, no more.
        let _ = own_file::remove(&file);
    }
}

fn files(place: &Place, install_dir: &Path) -> [PathBuf; 2] {
    [place.var().join("reserve"), install_dir.join(".pack-reserve")]
}
