//! From a bundle back to a folder, byte for byte.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use super::access::BundleAccess;
use super::carried::{Carried, CarriedArtifact};
use super::frame_cache::FrameSlice;
use super::layout::PayloadEntry;
use super::read::Bundle;
use super::sink::{DirSink, PendingFile};
use super::stream::CarriedBlobs;
use crate::digest::{Mismatch, VerifyingWriter};
use crate::error::{Error, IoContext, Result};
use crate::image;
use crate::in_order::InOrder;
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME, upgrade};
use crate::path::{RelPath, shell_word};
use crate::progress::{Meter, Progress, Silent};
use crate::release::Folder;
use crate::room;

/// Restores the whole folder: every artifact, the manifest, and what else lay beside it.
///
/// # Errors
/// The folder holds another product, a later version, or other content of this version; the bundle is damaged; or an I/O
/// error. Files already in the folder keep their content until the
/// new one is complete and right.
pub fn extract_all(access: &BundleAccess<'_>, folder: &Folder, progress: &dyn Progress) -> Result<()> {
    let folder = folder.lock()?;
    if let Some(old) = manifest_there(&folder)? {
        let hint = "extract into an empty folder, or remove the old one first";
        upgrade::check_upgrade(&old, access.manifest()).map_err(|error| error.hint(hint))?;
    }
    give_back(access, |_| true, &DirSink::new(folder.root(), folder.partials()), progress)?;
    folder.write_platform(access.index().platform)?;
    sync(folder.root())
}

/// The manifest in a folder, if one protects what lies there.
///
/// # Errors
/// There is one that the disk does not give out now.
fn manifest_there(folder: &Folder) -> Result<Option<Manifest>> {
    // A manifest that is none protects nothing.
    folder.manifest().or_else(|error| match error.io_kind() {
        None | Some(ErrorKind::InvalidData) => Ok(None),
        Some(_) => Err(error),
    })
}

/// Checks that none of the files that `wanted` picks becomes other than the manifest pins that lies at `root`.
///
/// # Errors
/// One would.
fn check_manifest_there(access: &BundleAccess<'_>, wanted: &impl Fn(&RelPath) -> bool, root: &Path) -> Result<()> {
    let Some(old) = manifest_there(&Folder::at(root))? else { return Ok(()) };
    let new = access.manifest();
    if old.text() == new.text() {
        return Ok(());
    }
    let pins = |manifest: &Manifest, name: &RelPath| -> BTreeMap<_, _> {
        let so_called = manifest.artifacts().iter().filter(|artifact| artifact.id.name == *name);
        so_called.map(|artifact| (artifact.id.clone(), artifact.pin.map(|pin| pin.digest))).in_order()
    };
    let is_other = |name: &RelPath| {
        let before = pins(&old, name);
        matches!(name.as_str(), FILE_NAME | SIGNATURE_NAME) || (!before.is_empty() && before != pins(new, name))
    };
    let index = access.index();
    let mut names =
        index.artifacts.iter().map(|artifact| &artifact.name).chain(index.entries.iter().map(|entry| &entry.path));
    match names.find(|name| wanted(name) && is_other(name)) {
        None => Ok(()),
        Some(name) => Err(Error::integrity("the folder is of another manifest, which has this file too")
            .fact("file", name)
            .fact("in the folder", format_args!("{} {}", old.name(), old.version()))
            .fact("in the bundle", format_args!("{} {}", new.name(), new.version()))
            .hint("extract into an empty folder")),
    }
}

/// Restores the files of the folder that `wanted` picks by path, nothing else, and puts them on the disk.
///
/// # Errors
/// The folder's manifest is another one and has a file of that name with other content; else as [`extract_all`].
pub fn extract_some(
    access: &BundleAccess<'_>,
    wanted: impl Fn(&RelPath) -> bool,
    root: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    check_manifest_there(access, &wanted, root)?;
    fs::create_dir_all(root).doing("create the folder", root)?;
    extract(access, wanted, root, progress)?;
    sync(root)
}

/// As [`extract_some`], into a folder that is there, for files that need not outlive a power cut.
///
/// # Errors
/// As [`extract_all`].
pub fn extract(
    access: &BundleAccess<'_>,
    wanted: impl Fn(&RelPath) -> bool,
    root: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    give_back(access, wanted, &DirSink::new(root, root.to_owned()), progress)
}

/// Puts all files on the disk at once: a flush for each would take longer than everything else.
fn sync(root: &Path) -> Result<()> {
    let folder = File::open(root).doing("open the folder", root)?;
    rustix::fs::syncfs(&folder).map_err(|cause| Error::io("write the folder", root, cause.into()))
}

fn give_back(
    access: &BundleAccess<'_>,
    wanted: impl Fn(&RelPath) -> bool,
    target: &DirSink<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let (bundle, index) = (access.bundle(), access.index());
    let chosen = || index.artifacts.iter().filter(|artifact| wanted(&artifact.name));
    chosen().try_for_each(|artifact| access.check_covers(artifact))?;
    let (files, others): (Vec<_>, Vec<_>) = chosen().partition(|artifact| artifact.carried.is_file());
    let (made, detached): (Vec<_>, Vec<_>) = others.into_iter().partition(|artifact| artifact.carried.is_made());
    bundle.expect_beside(&detached, progress)?;
    // The payload has more than the folder's files: what other artifacts are made of.
    let files: HashSet<&RelPath> = files.into_iter().map(|artifact| &artifact.name).collect();
    let is_file = |path: &RelPath| matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME) || files.contains(path);
    let entries: Vec<&PayloadEntry> =
        index.entries.iter().filter(|entry| wanted(&entry.path) && is_file(&entry.path)).collect();
    let sizes = entries.iter().map(|entry| (&entry.path, entry.size));
    let sizes = sizes.chain(made.iter().chain(&detached).map(|artifact| (&artifact.name, artifact.size)));
    let total = sizes.clone().map(|(_, size)| size).sum();
    progress.plan(entries.len() + made.len() + detached.len(), Some(total));
    // What a file takes that is replaced comes back.
    let replaced = sizes.filter_map(|(path, _)| fs::symlink_metadata(path.below(target.root())).ok());
    let replaced: u64 = replaced.filter(|there| there.is_file()).map(|there| there.len()).sum();
    let (file, name) = (shell_word(bundle.path()), &index.name);
    let elsewhere = format_args!("extract to where there is room: pack extract {file} /other/{name}");
    room::check(total.saturating_sub(replaced), target.root(), elsewhere)?;
    restore(bundle, &entries, target, progress)?;
    made.into_iter().try_for_each(|artifact| make(bundle, artifact, target, progress))?;
    detached.into_iter().try_for_each(|artifact| bring(bundle, artifact, target, progress))
}

/// Copies an artifact that lies beside the bundle.
fn bring(bundle: &Bundle, artifact: &CarriedArtifact, target: &DirSink<'_>, progress: &dyn Progress) -> Result<()> {
    let beside = bundle.beside(artifact, &Silent)?;
    let mut restoring = Restoring::begin(&artifact.name, artifact.size, artifact.mode, target, progress)?;
    beside.copy(&mut beside.reader(), &mut restoring, Path::new(artifact.name.as_str()))?;
    restoring.place()
}

/// Writes an artifact that is no file of the payload.
fn make(bundle: &Bundle, artifact: &CarriedArtifact, target: &DirSink<'_>, progress: &dyn Progress) -> Result<()> {
    let mut restoring = Restoring::begin(&artifact.name, artifact.size, artifact.mode, target, progress)?;
    if artifact.carried == Carried::Exported {
        let images = bundle.index().images_of(artifact);
        image::export(&images, &CarriedBlobs(bundle), &Default::default(), &mut restoring)?;
        return restoring.place();
    }
    let recipe = bundle.recipe_of(artifact)?;
    image::rebuild(artifact.name.as_str(), &recipe, &CarriedBlobs(bundle), &mut restoring)?;
    restoring.place()
}

fn restore(bundle: &Bundle, entries: &[&PayloadEntry], target: &DirSink<'_>, progress: &dyn Progress) -> Result<()> {
    let begin = |entry: &PayloadEntry| Restoring::begin(&entry.path, entry.size, entry.mode, target, progress);
    thread::scope(|scope| {
        let digests = Digests::start(scope, entries);
        let finish = |restoring: Restoring, entry: &PayloadEntry| match digests.next()? {
            Ok(()) => restoring.place(),
            Err(mismatch) => Err(bundle.entry_damaged(entry, Some(&mismatch))),
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
        let expected = entries.iter().map(|entry| entry.descriptor()).collect::<Vec<_>>().into_iter();
        scope.spawn(move || {
            for descriptor in expected {
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
    file: PendingFile,
    name: String,
    meter: Box<dyn Meter>,
}

impl Restoring {
    fn begin(path: &RelPath, size: u64, mode: u32, target: &DirSink<'_>, progress: &dyn Progress) -> Result<Self> {
        let file = target.begin(path, mode)?;
        let meter = progress.start(path.as_str(), Some(size));
        Ok(Restoring { file, name: path.to_string(), meter })
    }

    fn add(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).doing("write", Path::new(&self.name))?;
        self.meter.add(piece.len() as u64);
        Ok(())
    }

    fn place(self) -> Result<()> {
        self.file.place()?;
        self.meter.done("extracted");
        Ok(())
    }
}

/// For files that are made and not copied; the maker compares the digest.
impl Write for Restoring {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        // An I/O error of the disk must not look like an error of the content.
        let refused = |cause: io::Error| io::Error::new(cause.kind(), Error::io("write", Path::new(&self.name), cause));
        let count = self.file.write(piece).map_err(refused)?;
        self.meter.add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
