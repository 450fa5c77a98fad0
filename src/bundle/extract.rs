//! From a bundle back to a folder, byte for byte.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::images::Form;
use super::index::{CarriedArtifact, Entry};
use super::read::{Bundle, damaged};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::folder::Folder;
use crate::image::{self, Recipe};
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::progress::{Meter, Progress};
use crate::scratch::Scratch;

/// Restores the whole folder: every artifact, the manifest, and what else lay beside it.
///
/// # Errors
/// The bundle is damaged or the disk refuses. Files already in the folder keep their content until the
/// new one is complete and right.
pub fn extract_all(bundle: &Bundle, folder: &Folder, progress: &dyn Progress) -> Result<()> {
    let _lock = folder.lock()?;
    extract(bundle, |_| true, folder.root(), progress)?;
    folder.write_platform(bundle.index().platform)
}

/// Restores the files of the folder that `wanted` picks by path, nothing else.
///
/// # Errors
/// As [`extract_all`].
pub fn extract(bundle: &Bundle, wanted: impl Fn(&RelPath) -> bool, root: &Path, progress: &dyn Progress) -> Result<()> {
    let index = bundle.index();
    let (files, made): (Vec<_>, Vec<_>) = index
        .artifacts
        .iter()
        .filter(|artifact| wanted(&artifact.name))
        .partition(|artifact| artifact.form == Form::File);
    // The payload has more than the folder's files: what other artifacts are made of.
    let is_file = |path: &RelPath| {
        matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME) || files.iter().any(|artifact| artifact.name == *path)
    };
    let entries: Vec<&Entry> =
        index.entries.iter().filter(|entry| wanted(&entry.path) && is_file(&entry.path)).collect();
    let sizes = entries.iter().map(|entry| entry.size).chain(made.iter().map(|artifact| artifact.size));
    progress.plan(entries.len() + made.len(), Some(sizes.sum()));
    restore(bundle, &entries, root, progress)?;
    made.into_iter().try_for_each(|artifact| make(bundle, artifact, root, progress))
}

/// Writes an artifact that is no file of the payload.
fn make(bundle: &Bundle, artifact: &CarriedArtifact, root: &Path, progress: &dyn Progress) -> Result<()> {
    let mut restoring = Restoring::begin(&artifact.name, artifact.size, root, progress)?;
    if artifact.form == Form::Exported {
        let images = bundle.images_of(artifact)?;
        image::export(&images, bundle, &Default::default(), &mut restoring)?;
        return restoring.finish(artifact.mode);
    }
    let path = image::recipe_path(&artifact.digest);
    let recipe = bundle.index().entry(&path).ok_or_else(|| damaged(bundle.path(), "it lacks a recipe"))?;
    let limits = image::Limits::DEFAULT;
    let bytes = bundle.content(recipe, limits.recipe_bytes)?;
    let recipe = Recipe::from_bytes(&bytes, &limits)
        .map_err(|why| damaged(bundle.path(), format_args!("a recipe in it is wrong: {why}")).fact("file", &path))?;
    if (recipe.size, recipe.digest) != (artifact.size, artifact.digest) {
        return Err(damaged(bundle.path(), "a recipe in it is for another file").fact("file", &path));
    }
    image::rebuild(artifact.name.as_str(), &recipe, bundle, &mut restoring)?;
    restoring.finish(artifact.mode)
}

fn restore(bundle: &Bundle, entries: &[&Entry], root: &Path, progress: &dyn Progress) -> Result<()> {
    let begin = |entry: &Entry| Restoring::begin(&entry.path, entry.size, root, progress);
    let finish = |restoring: Restoring, entry: &Entry| match restoring.digest() {
        actual if actual == entry.digest => restoring.finish(entry.mode),
        actual => Err(bundle.entry_damaged(entry, actual)),
    };
    let mut open: Option<(usize, Restoring)> = None;
    let mut begun = 0;
    bundle.read(entries, |place, piece| {
        if let Some((current, restoring)) = &mut open
            && *current == place
        {
            return restoring.add(piece);
        }
        if let Some((current, restoring)) = open.take() {
            finish(restoring, entries[current])?;
        }
        // Empty files have no piece of their own; they come up between those that have.
        for entry in &entries[begun..place] {
            finish(begin(entry)?, entry)?;
        }
        begun = place + 1;
        let mut restoring = begin(entries[place])?;
        restoring.add(piece)?;
        open = Some((place, restoring));
        Ok(())
    })?;
    if let Some((current, restoring)) = open.take() {
        finish(restoring, entries[current])?;
    }
    entries[begun..].iter().try_for_each(|entry| finish(begin(entry)?, entry))
}

/// A file on its way back: under a name of its own until it is known to be right.
struct Restoring {
    file: File,
    partial: Scratch,
    target: PathBuf,
    hasher: Hasher,
    meter: Box<dyn Meter>,
}

impl Restoring {
    fn begin(path: &RelPath, size: u64, root: &Path, progress: &dyn Progress) -> Result<Self> {
        let target = path.below(root);
        if target.is_dir() {
            return Err(Error::failed("a folder is where a file should be")
                .fact("path", target.display())
                .hint("extract into an empty folder"));
        }
        let parent = target.parent().unwrap_or(root);
        fs::create_dir_all(parent).doing("create the folder", parent)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let partial = Scratch::new(parent.join(format!(".{name}.partial")));
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(partial.path())
            .doing("create", partial.path())?;
        let meter = progress.start(path.as_str(), Some(size));
        Ok(Restoring { file, partial, target, hasher: Hasher::new(), meter })
    }

    fn add(&mut self, piece: &[u8]) -> Result<()> {
        self.hasher.update(piece);
        self.file.write_all(piece).doing("write", self.partial.path())?;
        self.meter.add(piece.len() as u64);
        Ok(())
    }

    fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    fn finish(self, mode: u32) -> Result<()> {
        let partial = self.partial.path();
        self.file.set_permissions(Permissions::from_mode(mode)).doing("set the mode of", partial)?;
        fs::rename(partial, &self.target).doing("put in place", &self.target)?;
        self.partial.keep();
        self.meter.done("extracted");
        Ok(())
    }
}

/// For what is made rather than copied; whoever makes it compares its digest.
impl Write for Restoring {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.file.write(piece)?;
        self.meter.add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
