//! From a bundle back to a folder, byte for byte; or only the proof that it would come back like that.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use super::carried::{Carried, CarriedArtifact};
use super::frame_cache::{FrameSlice, damaged};
use super::layout::PayloadEntry;
use super::read::Bundle;
use super::sink::{DirSink, NullSink, PendingFile, Sink};
use crate::digest::{Mismatch, VerifyingWriter};
use crate::error::{Error, IoContext, Result};
use crate::image::{self, Recipe};
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::progress::{Meter, Progress};
use crate::release::Folder;

/// Restores the whole folder: every artifact, the manifest, and what else lay beside it.
///
/// # Errors
/// The bundle is damaged, or an I/O error. Files already in the folder keep their content until the
/// new one is complete and right.
pub fn extract_all(bundle: &Bundle, folder: &Folder, progress: &dyn Progress) -> Result<()> {
    let folder = folder.lock()?;
    give_back(bundle, |_| true, &DirSink::new(folder.root(), folder.partials()), progress)?;
    folder.write_platform(bundle.index().platform)?;
    sync(folder.root())
}

/// Restores the files of the folder that `wanted` picks by path, nothing else, and puts them on the disk.
///
/// # Errors
/// As [`extract_all`].
pub fn extract_some(
    bundle: &Bundle,
    wanted: impl Fn(&RelPath) -> bool,
    root: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    extract(bundle, wanted, root, progress)?;
    sync(root)
}

/// As [`extract_some`], for files that need not outlive a power cut.
///
/// # Errors
/// As [`extract_all`].
pub fn extract(bundle: &Bundle, wanted: impl Fn(&RelPath) -> bool, root: &Path, progress: &dyn Progress) -> Result<()> {
    give_back(bundle, wanted, &DirSink::new(root, root.to_owned()), progress)
}

/// Puts all files on the disk at once: a flush for each would take longer than everything else.
fn sync(root: &Path) -> Result<()> {
    let folder = File::open(root).doing("open the folder", root)?;
    rustix::fs::syncfs(&folder).map_err(|cause| Error::io("write the folder", root, cause.into()))
}

/// Makes every file of the folder, compares it with its digest, and keeps none of them. What
/// [`super::verify`] says about accident, this says about intent: after it, the content is what the manifest
/// pins, whatever the index says.
///
/// # Errors
/// The content of a file is not what the manifest pins, or nothing in the bundle can tell.
pub fn prove(bundle: &Bundle, progress: &dyn Progress) -> Result<()> {
    if let Some(artifact) = bundle.index().artifacts.iter().find(|artifact| artifact.carried.is_exported()) {
        return Err(Error::integrity(
            "the bundle was made without its originals: they cannot be compared with their digests",
        )
        .fact("path", bundle.path().display())
        .fact("artifact", &artifact.name)
        .hint("check the signature of FILE.run.sha256, or ask for a bundle made without --no-originals"));
    }
    give_back(bundle, |_| true, &NullSink, progress)
}

fn give_back(
    bundle: &Bundle,
    wanted: impl Fn(&RelPath) -> bool,
    target: &dyn Sink,
    progress: &dyn Progress,
) -> Result<()> {
    let index = bundle.index();
    let (files, made): (Vec<_>, Vec<_>) = index
        .artifacts
        .iter()
        .filter(|artifact| wanted(&artifact.name))
        .partition(|artifact| artifact.carried.is_file());
    // The payload has more than the folder's files: what other artifacts are made of.
    let files: HashSet<&RelPath> = files.into_iter().map(|artifact| &artifact.name).collect();
    let is_file = |path: &RelPath| matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME) || files.contains(path);
    let entries: Vec<&PayloadEntry> =
        index.entries.iter().filter(|entry| wanted(&entry.path) && is_file(&entry.path)).collect();
    let sizes = entries.iter().map(|entry| entry.size).chain(made.iter().map(|artifact| artifact.size));
    progress.plan(entries.len() + made.len(), Some(sizes.sum()));
    restore(bundle, &entries, target, progress)?;
    made.into_iter().try_for_each(|artifact| make(bundle, artifact, target, progress))
}

/// Writes an artifact that is no file of the payload.
fn make(bundle: &Bundle, artifact: &CarriedArtifact, target: &dyn Sink, progress: &dyn Progress) -> Result<()> {
    let mut restoring = Restoring::begin(&artifact.name, artifact.size, artifact.mode, target, progress)?;
    if artifact.carried == Carried::Exported {
        let images = bundle.index().images_of(artifact);
        image::export(&images, bundle, &Default::default(), &mut restoring)?;
        return restoring.place();
    }
    let recipe = recipe_of(bundle, artifact)?;
    image::rebuild(artifact.name.as_str(), &recipe, bundle, &mut restoring)?;
    restoring.place()
}

/// How an artifact that is made from blobs is made.
pub(super) fn recipe_of(bundle: &Bundle, artifact: &CarriedArtifact) -> Result<Recipe> {
    let path = image::recipe_path(&artifact.digest);
    let recipe = bundle.index().entry(&path).ok_or_else(|| damaged(bundle.path(), "it lacks a recipe"))?;
    let limits = image::ImageLimits::DEFAULT;
    let bytes = bundle.content(recipe, limits.recipe_bytes)?;
    let recipe = Recipe::from_bytes(&bytes, &limits)
        .map_err(|why| damaged(bundle.path(), format_args!("a recipe in it is wrong: {why}")).fact("file", &path))?;
    if recipe.original == artifact.descriptor() {
        return Ok(recipe);
    }
    Err(damaged(bundle.path(), "a recipe in it is for another file").fact("file", &path))
}

fn restore(bundle: &Bundle, entries: &[&PayloadEntry], target: &dyn Sink, progress: &dyn Progress) -> Result<()> {
    let begin = |entry: &PayloadEntry| Restoring::begin(&entry.path, entry.size, entry.mode, target, progress);
    thread::scope(|scope| {
        let digests = Digests::start(scope, entries);
        let finish = |restoring: Restoring, entry: &PayloadEntry| match digests.next()? {
            Ok(()) => restoring.place(),
            Err(mismatch) => Err(bundle.entry_damaged(entry, mismatch)),
        };
        let mut open: Option<(usize, Restoring)> = None;
        let mut begun = 0;
        bundle.read(entries, |place, piece| {
            if open.as_ref().is_none_or(|(current, _)| *current != place) {
                if let Some((current, restoring)) = open.take() {
                    finish(restoring, entries[current])?;
                }
                // Empty files have no piece of their own; they come up between those that have.
                for entry in &entries[begun..place] {
                    finish(begin(entry)?, entry)?;
                }
                begun = place + 1;
                open = Some((place, begin(entries[place])?));
            }
            digests.feed(&piece)?;
            open.as_mut().map_or(Ok(()), |(_, restoring)| restoring.add(&piece))
        })?;
        if let Some((current, restoring)) = open.take() {
            finish(restoring, entries[current])?;
        }
        entries[begun..].iter().try_for_each(|entry| finish(begin(entry)?, entry))
    })
}

/// Files compared with their digests, one after the other on a thread of their own: hashing takes about as long as
/// writing.
struct Digests {
    /// The bytes of a file; `None` at its end.
    feed: mpsc::SyncSender<Option<FrameSlice>>,
    outcomes: mpsc::Receiver<Result<(), Mismatch>>,
}

impl Digests {
    /// Expects the content of `entries`, in their order.
    fn start<'scope>(scope: &'scope thread::Scope<'scope, '_>, entries: &[&PayloadEntry]) -> Self {
        let (feed, slices) = mpsc::sync_channel::<Option<FrameSlice>>(1);
        let (report, outcomes) = mpsc::channel();
        let mut expected = entries.iter().map(|entry| entry.descriptor()).collect::<Vec<_>>().into_iter();
        scope.spawn(move || {
            while let Some(descriptor) = expected.next() {
                let mut file = VerifyingWriter::new(io::sink(), descriptor);
                loop {
                    match slices.recv() {
                        // A byte too many is found again at the end.
                        Ok(Some(slice)) => drop(file.write_all(&slice)),
                        Ok(None) => break,
                        Err(_) => return,
                    }
                }
                if report.send(file.finish().map(drop)).is_err() {
                    return;
                }
            }
        });
        Digests { feed, outcomes }
    }

    fn feed(&self, slice: &FrameSlice) -> Result<()> {
        self.feed.send(Some(slice.clone())).map_err(|_| gone())
    }

    /// Whether the bytes since the last call were the next entry's.
    fn next(&self) -> Result<Result<(), Mismatch>> {
        self.feed.send(None).map_err(|_| gone())?;
        self.outcomes.recv().map_err(|_| gone())
    }
}

/// Only a panic ends the hashing thread early, and a panic reports itself.
fn gone() -> Error {
    Error::failed("the hashing stopped").hint("this is a mistake in pack: please report it")
}

/// A file that is being written; it gets its final name when its content is known to be right.
struct Restoring {
    placing: Box<dyn PendingFile>,
    name: String,
    meter: Box<dyn Meter>,
}

impl Restoring {
    fn begin(path: &RelPath, size: u64, mode: u32, target: &dyn Sink, progress: &dyn Progress) -> Result<Self> {
        let placing = target.begin(path, mode)?;
        let meter = progress.start(path.as_str(), Some(size));
        Ok(Restoring { placing, name: path.to_string(), meter })
    }

    fn add(&mut self, piece: &[u8]) -> Result<()> {
        self.placing.write_all(piece).doing("write", Path::new(&self.name))?;
        self.meter.add(piece.len() as u64);
        Ok(())
    }

    fn place(self) -> Result<()> {
        self.placing.place()?;
        self.meter.done("extracted");
        Ok(())
    }
}

/// For files that are made and not copied; the maker compares the digest.
impl Write for Restoring {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        // An I/O error of the disk must not look like an error of the content.
        let refused = |cause: io::Error| io::Error::new(cause.kind(), Error::io("write", Path::new(&self.name), cause));
        let count = self.placing.write(piece).map_err(refused)?;
        self.meter.add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.placing.flush()
    }
}
