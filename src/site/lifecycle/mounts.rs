//! What is mounted below a folder: a disk, or what other hosts have there too. It is nobody's to delete.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The mounts at `folder` and below it.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    // The kernel names mounts without symbolic links.
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let points = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let paths = points.map(|point| PathBuf::from(std::ffi::OsStr::from_bytes(&plain(point))));
    paths.filter(|path| path.starts_with(&folder)).collect()
}

/// A mount that `path`, below `folder`, lies in or that lies in it: what is there cannot be renamed within `folder`.
pub(super) fn on_the_way(folder: &Path, path: &str) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let path = folder.join(path);
    below(&folder).into_iter().find(|mount| *mount != folder && (path.starts_with(mount) || mount.starts_with(&path)))
}

/// A path of that table, where blanks and such stand as `\\040`.
fn plain(point: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[3..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_is_found() {
        assert!(below(Path::new("/")).contains(&PathBuf::from("/proc")));
        assert!(below(Path::new("/proc")).contains(&PathBuf::from("/proc")));
        assert!(below(Path::new("/pro")).is_empty());
        let on_the_way = |folder, path| on_the_way(Path::new(folder), path);
        assert_eq!(on_the_way("/", "proc"), Some(PathBuf::from("/proc")));
        assert_eq!(on_the_way("/", "proc/self"), Some(PathBuf::from("/proc")));
        assert!(on_the_way("/", "dev").is_some_and(|mount| mount.starts_with("/dev")));
        assert_eq!(on_the_way("/proc", "self"), None);
        assert_eq!(plain(br"/a\040b\134"), br"/a b\".to_vec());
    }
}
