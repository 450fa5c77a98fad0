//! What to type to get again what a folder lacks.

use std::path::{Path, PathBuf};

use super::Folder;
use crate::manifest::{FILE_NAME, builtin};
use crate::path::shell_word;
use crate::platform::Platform;

impl Folder {
    /// The command that fetches what the folder lacks, from where the folder came from.
    pub fn download_again(&self) -> String {
        let (dir, own) = (shell_word(self.root()), self.root().join(FILE_NAME));
        match self.origin_url() {
            // Nobody can type it, and a folder that came from there knows it.
            Some(url) if url.as_str() == builtin::BASE => format!("pack download --dir {dir}"),
            Some(url) => format!("pack download --dir {dir} {}", shell_word(Path::new(url.as_str()))),
            None if own.is_file() => format!("pack download --dir {dir} {}", shell_word(&own)),
            None => format!("pack download --dir {dir}"),
        }
    }

    /// The command that brings the files called `wrong` again: a download, or, where that would look for one of them in
    /// this very folder, the bundle unpacked again.
    pub fn get_again(&self, wrong: &[&str]) -> String {
        match self.bundle_of(wrong) {
            Some(bundle) => format!("pack extract {} {}", shell_word(&bundle), shell_word(self.root())),
            None => self.download_again(),
        }
    }

    /// The bundle that the folder may have been unpacked from, by the name that bundles have, where nothing else has one of
    /// `wrong`: nobody knows where the folder came from, and its manifest says only that the file lies beside it.
    fn bundle_of(&self, wrong: &[&str]) -> Option<PathBuf> {
        let manifest = match self.origin_url() {
            Some(_) => return None,
            None => self.manifest().ok()??,
        };
        let is_beside = |url: &String| !url.contains("://");
        let mut wrong = manifest.artifacts().iter().filter(|artifact| wrong.contains(&artifact.id.name.as_str()));
        if !wrong.any(|artifact| artifact.urls.iter().all(is_beside)) {
            return None;
        }
        let platform = self.platform().ok().flatten().or_else(Platform::host)?;
        let name = format!("{}-{}-{}.run", manifest.name(), manifest.version(), platform.machine());
        let outside = if self.root() == Path::new(".") { Some(Path::new("..")) } else { self.root().parent() };
        let beside = outside.map(|outside| outside.join(&name));
        let here = PathBuf::from(name);
        Some(if here.is_file() { here } else { beside.filter(|path| path.is_file()).unwrap_or(here) })
    }
}
