//! From a bundle back to a folder, byte for byte.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::index::Entry;
use super::read::Bundle;
use crate::digest::Hasher;
use crate::error::{Error, IoContext, Result};
use crate::folder::Folder;
use crate::progress::{Meter, Progress};
use crate::scratch::Scratch;

/// Restores the whole folder: every artifact, the manifest, and what else lay beside it.
///
/// # Errors
/// The bundle is damaged or the disk refuses. Files already in the folder keep their content until the
/// new one is complete and right.
pub fn extract_all(bundle: &Bundle, folder: &Folder, progress: &dyn Progress) -> Result<()> {
    let _lock = folder.lock()?;
    let entries: Vec<&Entry> = bundle.index().entries.iter().collect();
    restore(bundle, &entries, folder.root(), progress)?;
    folder.write_platform(bundle.index().platform)
}

/// Restores the files that `wanted` picks by path, nothing else.
///
/// # Errors
/// As [`extract_all`].
pub fn extract(bundle: &Bundle, wanted: impl Fn(&Entry) -> bool, root: &Path, progress: &dyn Progress) -> Result<()> {
    let entries: Vec<&Entry> = bundle.index().entries.iter().filter(|entry| wanted(entry)).collect();
    restore(bundle, &entries, root, progress)
}

fn restore(bundle: &Bundle, entries: &[&Entry], root: &Path, progress: &dyn Progress) -> Result<()> {
    progress.plan(entries.len(), Some(entries.iter().map(|entry| entry.size).sum()));
    let mut open: Option<(usize, Restoring)> = None;
    let mut begun = 0;
    bundle.read(entries, |place, piece| {
        if let Some((current, restoring)) = &mut open
            && *current == place
        {
            return restoring.write(piece);
        }
        if let Some((current, restoring)) = open.take() {
            restoring.finish(bundle, entries[current])?;
        }
        // Empty files have no piece of their own; they come up between those that have.
        for entry in &entries[begun..place] {
            Restoring::begin(entry, root, progress)?.finish(bundle, entry)?;
        }
        begun = place + 1;
        let mut restoring = Restoring::begin(entries[place], root, progress)?;
        restoring.write(piece)?;
        open = Some((place, restoring));
        Ok(())
    })?;
    if let Some((current, restoring)) = open.take() {
        restoring.finish(bundle, entries[current])?;
    }
    for entry in &entries[begun..] {
        Restoring::begin(entry, root, progress)?.finish(bundle, entry)?;
    }
    Ok(())
}

/// A file on its way back: under a name of its own until its digest held.
struct Restoring {
    file: File,
    partial: Scratch,
    target: PathBuf,
    hasher: Hasher,
    meter: Box<dyn Meter>,
}

impl Restoring {
    fn begin(entry: &Entry, root: &Path, progress: &dyn Progress) -> Result<Self> {
        let target = entry.path.below(root);
        if target.is_dir() {
            return Err(Error::failed("a folder is where a file should be")
                .fact("path", target.display())
                .hint("extract into an empty folder"));
        }
        let parent = target.parent().unwrap_or(root);
        fs::create_dir_all(parent).doing("create the folder", parent)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let partial = Scratch::new(parent.join(format!(".{name}.partial")));
        let path = partial.path();
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(path).doing("create", path)?;
        let meter = progress.start(entry.path.as_str(), Some(entry.size));
        Ok(Restoring { file, partial, target, hasher: Hasher::new(), meter })
    }

    fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.hasher.update(piece);
        self.file.write_all(piece).doing("write", self.partial.path())?;
        self.meter.add(piece.len() as u64);
        Ok(())
    }

    fn finish(self, bundle: &Bundle, entry: &Entry) -> Result<()> {
        let actual = self.hasher.clone().finish();
        if actual != entry.digest {
            return Err(bundle.entry_damaged(entry, actual));
        }
        let partial = self.partial.path();
        self.file.set_permissions(Permissions::from_mode(entry.mode)).doing("set the mode of", partial)?;
        fs::rename(partial, &self.target).doing("put in place", &self.target)?;
        self.partial.keep();
        self.meter.done("extracted");
        Ok(())
    }
}
