//! Files and folders of the install dir that others take the place of, so that it can be taken back wherever it was broken off.
//!
//! ```text
//!            ┌──────────────┐   ┌──────────────────┐   ┌──────────────┐
//! new there: │ old at PATH  │──▶│ nothing at PATH, │──▶│ new at PATH, │
//!            │              │   │ old aside        │   │ old aside    │
//!            └──────────────┘   └──────────────────┘   └──────────────┘
//!                    ◀──────────────── undo ────────────────
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dump;
use super::place::make_folder;
use crate::error::{IoContext, Result};
use crate::staged_file::sync_folder_of;

/// What is exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exchange {
    /// The folder in which what is new lies, each at its path.
    new: PathBuf,
    /// Paths below the install dir.
    paths: Vec<String>,
    /// What is put behind the path of what was there.
    aside: String,
}

impl Exchange {
    /// That of those of `paths` which lie in the folder `new`; `None` of none.
    pub(super) fn of(install_dir: &Path, new: PathBuf, paths: impl Iterator<Item = String>) -> Option<Self> {
        let paths: Vec<String> = paths.filter(|path| is_there(&new.join(path))).collect();
        let first = format!(".aside-{}", dump::time_of_a_name());
        let mut exchange = Exchange { new, paths, aside: first.clone() };
        for number in 1.. {
            if exchange.aside(install_dir).is_empty() {
                break;
            }
            exchange.aside = format!("{first}.{number}");
        }
        (!exchange.paths.is_empty()).then_some(exchange)
    }

    /// Puts what is new in place, and what was there aside. Nobody has either open.
    ///
    /// # Errors
    /// An I/O error; [`Exchange::undo`] takes back what was done.
    pub(super) fn make(&self, install_dir: &Path) -> Result<()> {
        for path in &self.paths {
            let (new, at, old) = self.places(install_dir, path);
            if is_there(&at) {
                fs::rename(&at, &old).doing("set aside", &at)?;
            }
            fs::rename(&new, &at).doing("put in place", &at)?;
            sync_folder_of(&at)?;
        }
        Ok(())
    }

    /// Puts back what was set aside, as far as it was.
    ///
    /// # Errors
    /// An I/O error; it can be called again.
    pub(super) fn undo(&self, install_dir: &Path) -> Result<()> {
        for path in &self.paths {
            let (new, at, old) = self.places(install_dir, path);
            if !is_there(&new) && is_there(&at) {
                if let Some(folder) = new.parent() {
                    make_folder(folder, 0o700)?;
                }
                fs::rename(&at, &new).doing("set aside", &at)?;
                sync_folder_of(&new)?;
            }
            if is_there(&old) {
                fs::rename(&old, &at).doing("put in place", &at)?;
            }
            sync_folder_of(&at)?;
        }
        Ok(())
    }

    /// What was set aside.
    pub(super) fn aside(&self, install_dir: &Path) -> Vec<PathBuf> {
        let olds = self.paths.iter().map(|path| self.places(install_dir, path).2);
        olds.filter(|old| is_there(old)).collect()
    }

    /// Where one of the paths has what is new, what is in use, and what was in use.
    fn places(&self, install_dir: &Path, path: &str) -> (PathBuf, PathBuf, PathBuf) {
        (self.new.join(path), install_dir.join(path), install_dir.join(format!("{path}{}", self.aside)))
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 4] = ["data/uploads", "override.yaml", "only-new", "not-in-it"];

    /// An install dir with a folder and a file, and what takes their place beside it.
    fn host() -> (tempfile::TempDir, Exchange) {
        let host = tempfile::tempdir().expect("a temporary folder");
        let root = host.path();
        for (path, text) in [
            ("data/uploads/file", "old"),
            ("override.yaml", "old"),
            (".new/data/uploads/file", "new"),
            (".new/override.yaml", "new"),
            (".new/only-new", "new"),
        ] {
            fs::create_dir_all(root.join(path).parent().expect("a parent")).expect("a folder");
            fs::write(root.join(path), text).expect("written");
        }
        let exchange = Exchange::of(root, root.join(".new"), PATHS.iter().map(ToString::to_string));
        (host, exchange.expect("something"))
    }

    fn texts(root: &Path) -> Vec<Option<String>> {
        let paths = ["data/uploads/file", "override.yaml", "only-new", "not-in-it"];
        paths.iter().map(|path| fs::read_to_string(root.join(path)).ok()).collect()
    }

    fn all(texts: [Option<&str>; 4]) -> Vec<Option<String>> {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    /// What power that goes after `count` renames leaves of [`Exchange::make`].
    fn cut_after(count: usize, exchange: &Exchange, root: &Path) {
        let renames = exchange.paths.iter().flat_map(|path| {
            let (new, at, old) = exchange.places(root, path);
            [is_there(&at).then(|| (at.clone(), old)), Some((new, at))].into_iter().flatten()
        });
        for (from, to) in renames.take(count).collect::<Vec<_>>() {
            fs::rename(from, to).expect("renamed");
        }
    }

    #[test]
    fn what_is_new_is_in_place_and_what_was_there_beside_it() {
        let (host, exchange) = host();
        let root = host.path();
        exchange.make(root).expect("made");
        assert_eq!(texts(root), all([Some("new"), Some("new"), Some("new"), None]));
        let aside = exchange.aside(root);
        assert_eq!(aside.len(), 2);
        assert_eq!(fs::read_to_string(aside[0].join("file")).expect("there"), "old");
        assert_eq!(fs::read_to_string(&aside[1]).expect("there"), "old");
        // Another one in the same second has another name for what it sets aside.
        fs::write(root.join(".new/override.yaml"), "newer").expect("written");
        let paths = || exchange.paths.iter().cloned();
        let next = Exchange::of(root, root.join(".new"), paths()).expect("something");
        next.make(root).expect("made");
        assert_eq!(exchange.aside(root), aside, "nothing that was set aside is lost");
        assert_eq!(Exchange::of(root, root.join(".new"), paths()), None);
    }

    #[test]
    fn wherever_it_is_broken_off_it_is_taken_back() {
        let old = all([Some("old"), Some("old"), None, None]);
        for count in 0..=5 {
            for again in [false, true] {
                let (host, exchange) = host();
                let root = host.path();
                cut_after(count, &exchange, root);
                assert_eq!(texts(root) == old, count == 0, "{count} renames");
                exchange.undo(root).expect("taken back");
                if again {
                    exchange.undo(root).expect("taken back");
                }
                assert_eq!(texts(root), old, "{count} renames");
                assert!(exchange.aside(root).is_empty(), "{count} renames");
            }
        }
    }

    #[test]
    fn it_is_taken_back_though_the_folder_of_what_is_new_is_gone() {
        let (host, exchange) = host();
        let root = host.path();
        exchange.make(root).expect("made");
        fs::remove_dir_all(root.join(".new")).expect("removed");
        exchange.undo(root).expect("taken back");
        assert_eq!(texts(root), all([Some("old"), Some("old"), None, None]));
    }
}
