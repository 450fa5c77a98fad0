//! What a publisher types to pin a manifest again.

use std::path::{Path, PathBuf};

use url::Url;

use super::Folder;
use crate::manifest::FILE_NAME;
use crate::path::shell_word;

/// The command with which the publisher of the manifest at `url` pins what it lists again. What is not a file of this
/// machine has its own name there.
pub fn pin_again(url: &Url) -> String {
    let here = (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten();
    let last = || url.path_segments().and_then(|mut parts| parts.next_back()).filter(|last| !last.is_empty());
    let name = here.unwrap_or_else(|| PathBuf::from(last().unwrap_or(FILE_NAME)));
    format!("pack lock --update {}", shell_word(&name))
}

impl Folder {
    /// As [`pin_again()`], of the manifest that the folder's came from, or else of the folder's own.
    pub fn pin_again(&self) -> String {
        match self.origin().and_then(|origin| Url::parse(&origin).ok()) {
            Some(url) => pin_again(&url),
            None => format!("pack lock --update {}", shell_word(&self.root().join(Path::new(FILE_NAME)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_named_as_its_publisher_has_it() {
        for (url, name) in [
            ("file:///srv/my%20product/manifest.json", "'/srv/my product/manifest.json'"),
            ("https://host.example/a/release.json?token=secret", "release.json"),
            ("https://host.example/", "manifest.json"),
            ("builtin:manifest.json", "manifest.json"),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(pin_again(&url), format!("pack lock --update {name}"));
        }
        let folder = Folder::at("/srv/probe-portable");
        assert_eq!(folder.pin_again(), "pack lock --update /srv/probe-portable/manifest.json");
    }
}
