//! How much room a file system has, to be asked before the first byte is written.

use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::error::{Error, Result};
use crate::language::tr;

/// The bytes that this user may still write at `path`, which need not exist yet; `None` where the file system does not
/// tell.
pub fn free(path: &Path) -> Option<u64> {
    free_as(path, rustix::process::geteuid().is_root())
}

/// The units in which the file system at `path` gives its room away, in bytes; 1 where it does not tell.
pub fn block(path: &Path) -> u64 {
    let system = existing(path).and_then(|there| statvfs(&there).ok());
    system.map_or(1, |system| system.f_frsize.max(1))
}

/// As [`free`], for a program that runs as root, such as a container engine.
pub fn free_for_root(path: &Path) -> Option<u64> {
    free_as(path, true)
}

/// Whether a file system that counts its files has none left.
fn is_out_of_files(path: &Path) -> bool {
    let system = existing(path).and_then(|there| statvfs(&there).ok());
    // Those that make room for files as they come have a count of zero.
    system.is_some_and(|system| system.f_files > 0 && system.f_ffree == 0 && system.f_favail == 0)
}

fn free_as(path: &Path, root: bool) -> Option<u64> {
    let there = existing(path)?;
    let system = statvfs(&there).ok()?;
    // Some file systems behind a network or FUSE answer with zeros.
    if system.f_blocks == 0 {
        return None;
    }
    // What is kept back for root.
    let blocks = if root { system.f_bfree } else { system.f_bavail };
    Some(blocks.saturating_mul(system.f_frsize))
}

/// Checks that `needed` bytes can be written at `path`; `way_out` is what to type where they cannot.
///
/// # Errors
/// There is less room, or none for another file.
pub fn check(needed: u64, path: &Path, way_out: impl std::fmt::Display) -> Result<()> {
    compare(needed, path, free(path), way_out)
}

/// As [`check`], for a program that runs as root.
///
/// # Errors
/// There is less room.
pub fn check_for_root(needed: u64, path: &Path, way_out: impl std::fmt::Display) -> Result<()> {
    compare(needed, path, free_for_root(path), way_out)
}

fn compare(needed: u64, path: &Path, free: Option<u64>, way_out: impl std::fmt::Display) -> Result<()> {
    if is_out_of_files(path) {
        return Err(Error::failed(tr!("the file system takes no more files, however much room it has"))
            .fact("path", path.display())
            .hint(tr!("see how many it has with 'df -i', and remove some, or choose another place")));
    }
    match free.filter(|&free| free < needed) {
        None => Ok(()),
        Some(free) => Err(Error::failed(tr!("there is not enough room on the disk"))
            .fact("path", path.display())
            .fact("needed", shown(needed))
            .fact("free", shown(free))
            .hint(way_out)),
    }
}

/// A number of bytes, exactly and as people read it.
pub fn shown(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let (mut scaled, mut unit) = (bytes as f64 / 1_000.0, 0);
    while scaled >= 1_000.0 && unit + 1 < UNITS.len() {
        (scaled, unit) = (scaled / 1_000.0, unit + 1);
    }
    format!("{scaled:.1} {} ({bytes} bytes)", UNITS[unit])
}

/// `path`, or the nearest folder above it that is there.
fn existing(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.ancestors().find(|path| path.exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_passes_and_one_byte_more_is_told_with_both_numbers() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("not/there/yet");
        check(1, &path, "").expect("there is room");
        let error = check(u64::MAX, &path, "type this").expect_err("too much");
        let said = error.to_string();
        assert!(said.contains(&format!("needed: {}", shown(u64::MAX))) && said.contains("; free: "), "{said}");
        assert_eq!(error.hint_text(), Some("type this"));
    }

    #[test]
    fn bytes_are_shown_as_people_read_them() {
        assert_eq!([shown(999), shown(16_777_216)], ["1.0 kB (999 bytes)", "16.8 MB (16777216 bytes)"]);
    }
}
