//! Conflicts between versions: a file of the version before may be a folder now, or the other way round.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{LockedFolder, Partial, still_is};
use crate::digest::Digest;
use crate::error::{IoContext, Result};
use crate::manifest::{Manifest, Pin, Pinned};
use crate::path::RelPath;

impl LockedFolder {
    /// Removes those artifacts of `old` that lie where `selection` needs a folder, or in a folder where it needs a
    /// file, as far as they still are exactly what `old` pinned; and the folders that this leaves empty. Bytes
    /// that `selection` pins too stay as partials. The names of what was removed.
    ///
    /// # Errors
    /// A file cannot be read or removed, or the disk refuses a copy.
    pub fn remove_conflicting(&self, old: &Manifest, selection: &[Pinned<'_>]) -> Result<Vec<RelPath>> {
        let above = |name: &RelPath| selection.iter().find(|pinned| is_above(pinned.name(), name));
        let below = |name: &RelPath| selection.iter().any(|pinned| is_above(name, pinned.name()));
        let in_the_way = || old.artifacts().iter().filter(|it| above(&it.id.name).is_some() || below(&it.id.name));
        let mut removed = Vec::new();
        for artifact in in_the_way() {
            let path = self.path_of(&artifact.id.name);
            if !path.is_file() {
                continue;
            }
            if !still_is(&path, artifact.pin)? {
                continue;
            }
            let wanted = |pinned: &&Pinned<'_>| artifact.pin.is_some_and(|pin| pin.digest == pinned.pin.digest);
            if let Some(wanted) = selection.iter().find(wanted) {
                self.preserve_as_partial(&path, wanted.pin)?;
            }
            fs::remove_file(&path).doing("remove", &path)?;
            removed.push(artifact.id.name.clone());
        }
        // Also where the files were removed by a run that was killed before it came to the folders.
        for artifact in in_the_way() {
            let Some(file) = above(&artifact.id.name) else { continue };
            let top = self.path_of(file.name());
            let path = self.path_of(&artifact.id.name);
            for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&top)) {
                // What is not empty stays, and then says so when the file cannot be put there.
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(removed)
    }

    /// Copies the file into the partial for `pin`. Not moved there: its bytes may be shared with the cache, and a
    /// partial may be written to.
    fn preserve_as_partial(&self, path: &Path, pin: Pin) -> Result<()> {
        let mut partial = Partial::open(self, pin)?;
        if partial.length() > 0 {
            partial.restart()?;
        }
        let mut file = File::open(path).doing("read", path)?;
        match io::copy(&mut file, &mut partial) {
            // What does not fit is not the pinned bytes: the digest will say so.
            Err(error) if error.kind() != io::ErrorKind::FileTooLarge => Err(error).doing("copy", path),
            _ => partial.flush(),
        }
    }

    /// Removes the partial download of the artifact with that digest, which is not needed any more. What cannot be removed
    /// does no harm.
    pub fn drop_partial(&self, digest: &Digest) {
        let path = self.partial_path(digest);
        for beside in ["journal", "link"] {
            let _ = fs::remove_file(path.with_extension(beside));
        }
        let _ = fs::remove_file(path);
    }
}

/// Whether `outer` is a folder on the way to `inner`.
fn is_above(outer: &RelPath, inner: &RelPath) -> bool {
    inner.as_str().strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
}
