//! What to type next about a bundle, with its real name.

use std::path::{Path, PathBuf};

use crate::parity::sidecar;
use crate::path::shell_word;

/// The name of the checksum beside a bundle.
pub(super) fn checksum_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

/// What to do about a damaged bundle: repair it by the parity beside it, where there is some; else find out where it is
/// damaged, by the checksum beside it, where there is one.
pub fn compare_bundle(path: &Path) -> String {
    if sidecar::beside(path).is_file() {
        return format!("parity lies beside it: pack repair {}", shell_word(path));
    }
    let sums = checksum_beside(path);
    let command = match (sums.is_file(), path.parent(), sums.file_name()) {
        // The checksum has the bundle's bare name.
        (true, Some(folder), Some(name)) if !folder.as_os_str().is_empty() => {
            format!("cd {} && sha256sum -c {}", shell_word(folder), shell_word(Path::new(name)))
        }
        (true, ..) => format!("sha256sum -c {}", shell_word(&sums)),
        (false, ..) => format!("sha256sum {}", shell_word(path)),
    };
    format!("copy it again from where it was made, and compare there and here: {command}")
}

/// How to check a bundle by the pack inside it, which knows its format.
pub(super) fn verify_by_itself(path: &Path) -> String {
    format!("use the pack inside the bundle: sh {} pack verify", shell_word(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_compared_by_the_checksum_beside_it_where_there_is_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.run");
        assert!(compare_bundle(&path).ends_with(&format!(": sha256sum {}", path.display())));
        std::fs::write(checksum_beside(&path), "").expect("written");
        let there = format!(": cd {} && sha256sum -c x.run.sha256", folder.path().display());
        assert!(compare_bundle(&path).ends_with(&there), "the checksum has the bundle's bare name");
        std::fs::write(sidecar::beside(&path), "").expect("written");
        assert_eq!(compare_bundle(&path), format!("parity lies beside it: pack repair {}", path.display()));
        assert_eq!(verify_by_itself(Path::new("x.run")), "use the pack inside the bundle: sh x.run pack verify");
    }
}
