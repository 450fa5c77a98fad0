//! Whether everything in a manifest is pinned, and still what its sources have: for continuous integration.

use std::path::PathBuf;

use super::from_engine::Unsaved;
use super::lock::is_open;
use super::manifest_url::manifest_url;
use super::trust::Trust;
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::fetch::{self, Fetcher, Has, SourceNow};
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, ArtifactId, Manifest};
use crate::progress::Progress;
use crate::release::read_manifest_text;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file. Nothing is written to it.
    pub manifest: PathBuf,
    /// How to fetch.
    pub network: fetch::Options,
    /// The publisher's key: a signature beside the manifest must be this one's.
    pub trust: Trust,
}

/// How a source is now.
#[derive(Debug)]
pub enum State {
    /// It has what is pinned.
    AsPinned,
    /// Something of the artifact is not pinned, and no source was asked.
    Open,
    /// It has something else now.
    Moved,
    /// It could not be asked.
    Failed(Error),
}

impl State {
    /// The word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::AsPinned => "ok",
            State::Open => "unpinned",
            State::Moved => "moved",
            State::Failed(_) => "failed",
        }
    }
}

/// What of a source was compared with the pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The digest of all bytes.
    Content(Digest),
    /// The size, which is another one already.
    Size(u64),
    /// The digest of the image's manifest.
    Manifest(Digest),
}

impl Compared {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Compared::Content(_) => "content",
            Compared::Size(_) => "size",
            Compared::Manifest(_) => "manifest",
        }
    }

    /// The digest that was found, if it was asked for.
    pub fn digest(self) -> Option<Digest> {
        match self {
            Compared::Content(digest) | Compared::Manifest(digest) => Some(digest),
            Compared::Size(_) => None,
        }
    }
}

/// An artifact that is not pinned, or a source of one that is.
#[derive(Debug)]
pub struct Row {
    /// The artifact.
    pub id: ArtifactId,
    /// How it is.
    pub state: State,
    /// The source, without secrets.
    pub url: Option<String>,
    /// What is pinned: the artifact's digest, or that of an image's manifest.
    pub pinned: Option<Digest>,
    /// What is there now.
    pub found: Option<Compared>,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// In the manifest's order.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether everything is pinned, and as it was.
    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| matches!(row.state, State::AsPinned))
    }

    /// How many rows are of something that is not pinned or has moved.
    pub fn moved(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.state, State::Open | State::Moved)).count()
    }

    /// The sources that could not be asked.
    pub fn failures(&self) -> impl Iterator<Item = (&Row, &Error)> {
        self.rows.iter().filter_map(|row| match &row.state {
            State::Failed(error) => Some((row, error)),
            _ => None,
        })
    }
}

/// Asks every source of each artifact what it has now. Of an image in a registry only the tag or the manifest is asked for, for
/// what it names depends on nothing else; a file is fetched past caches, unless the head of the response says already that
/// it is another; an engine saves its image once more.
///
/// # Errors
/// The manifest is not valid, or is signed by another key.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let path = options.manifest.canonicalize().doing("find the manifest", &options.manifest)?;
    let text = read_manifest_text(&path).doing("read the manifest", &path)?;
    let manifest = Manifest::parse(text, &options.manifest.display().to_string())?;
    options.trust.check_file(&path, &manifest, progress)?;
    let base = manifest_url(Some(path.as_os_str()))?;
    let pinned: Vec<&Artifact> = manifest.artifacts().iter().filter(|artifact| !is_open(artifact)).collect();
    progress.phase("checking");
    let answers = Fetcher::new(options.network.clone())?.ask(&pinned, &base, progress)?;
    let mut answers = answers.into_iter();
    let mut rows = Vec::new();
    for artifact in manifest.artifacts() {
        if is_open(artifact) {
            let id = artifact.id.clone();
            rows.push(Row { id, state: State::Open, url: None, pinned: None, found: None });
            continue;
        }
        rows.extend(answers.next().unwrap_or_default().into_iter().map(|now| row(artifact, now)));
        rows.extend(of_engine(artifact, progress));
    }
    Ok(Report { rows })
}

fn row(artifact: &Artifact, now: SourceNow) -> Row {
    let (id, pin) = (artifact.id.clone(), artifact.pin);
    let file = pin.map(|pin| pin.digest);
    let judged = |is_same| if is_same { State::AsPinned } else { State::Moved };
    let (state, pinned, found) = match now.has {
        Ok(Has::File(found)) => {
            (judged(pin.is_some_and(|pin| pin.check(found).is_ok())), file, Some(Compared::Content(found.digest)))
        }
        Ok(Has::OtherSize(size)) => (State::Moved, file, Some(Compared::Size(size))),
        Ok(Has::Image(now)) => {
            let pinned = pinned_in(artifact, &now.reference);
            let is_same = pinned == Some(now.manifest) || pinned == Some(now.tagged);
            (judged(is_same), pinned, Some(Compared::Manifest(now.manifest)))
        }
        Err(error) => (State::Failed(error), file, None),
    };
    Row { id, state, url: Some(now.url), pinned, found }
}

/// What is pinned of a reference in a registry.
fn pinned_in(artifact: &Artifact, reference: &RegistryRef) -> Option<Digest> {
    artifact.registry_refs().find(|known| known.unpinned() == *reference).and_then(|known| known.digest())
}

/// The row of the engine that the artifact was saved from, which is asked to save it once more.
fn of_engine(artifact: &Artifact, progress: &dyn Progress) -> Option<Row> {
    let unsaved = Unsaved::open(artifact, artifact.pin)?;
    let pinned = artifact.pin.map(|pin| pin.digest);
    let (id, url) = (artifact.id.clone(), Some(unsaved.reference.to_string()));
    Some(match unsaved.found(progress) {
        Ok(found) => {
            let is_same = artifact.pin.is_some_and(|pin| pin.check(found).is_ok());
            let state = if is_same { State::AsPinned } else { State::Moved };
            Row { id, state, url, pinned, found: Some(Compared::Content(found.digest)) }
        }
        Err(error) => Row { id, state: State::Failed(error), url, pinned, found: None },
    })
}
