//! The command that signs a manifest again, with the name of the key where that lies at hand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::path::shell_word;
use crate::signature::PublicKey;

/// What `pack keygen` calls a key when no name is given.
const USUAL_KEY: &str = "pack.key";

/// The command that signs `manifest` again. `key_id` is of the key that signed it before, or that it must be signed
/// with; its file is looked for here and beside the manifest.
pub(super) fn sign_again(manifest: &Path, key_id: Option<&str>) -> String {
    let beside = manifest.parent().filter(|folder| !folder.as_os_str().is_empty());
    let found = [Some(Path::new(".")), beside].into_iter().flatten().find_map(|folder| secret_key(folder, key_id?));
    let key = found.unwrap_or_else(|| USUAL_KEY.into());
    format!("pack sign {} --key {}", shell_word(manifest), shell_word(&key))
}

/// The secret key in `folder` whose public half, beside it, has this ID.
fn secret_key(folder: &Path, key_id: &str) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let public = files.filter(|path| path.extension().is_some_and(|ending| ending == "pub") && path.is_file());
    let mut secret = public
        .filter(|path| PublicKey::parse(path).is_ok_and(|key| key.id() == key_id))
        .map(|path| path.with_extension("key"))
        .filter(|path| path.is_file());
    secret.next().map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::generate;

    #[test]
    fn the_key_is_named_that_lies_beside_the_manifest() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (public, secret) = generate(None).expect("a pair");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("mine.txt"), &public).expect("written");
        fs::write(at("mine.key"), &secret).expect("written");
        let id = PublicKey::parse(at("mine.txt")).expect("a key").id();
        let key = |id: &str| {
            let command = sign_again(&at("manifest.json"), Some(id));
            command.rsplit(' ').next().expect("a key").to_owned()
        };
        assert_eq!(key(&id), USUAL_KEY, "the public half has another ending");
        fs::rename(at("mine.txt"), at("mine.pub")).expect("renamed");
        assert_eq!(key(&id), at("mine.key").display().to_string());
        assert_eq!(key("0000000000000000"), USUAL_KEY, "another key");
        assert!(sign_again(Path::new("manifest.json"), Some(&id)).ends_with(USUAL_KEY), "it lies elsewhere");
    }
}
