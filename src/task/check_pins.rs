//! Whether everything in a manifest is pinned, and still what its servers have: for continuous integration.

use std::path::PathBuf;

use super::lock::{is_open, without_pins};
use super::manifest_url::manifest_url;
use super::trust::Trust;
use crate::error::{Error, IoContext, Result};
use crate::fetch::{self, Fetcher};
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

/// How an artifact is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it was pinned.
    AsPinned,
    /// Something of it is not pinned.
    Open,
    /// Its server has something else now.
    Moved,
}

impl State {
    /// The word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::AsPinned => "ok",
            State::Open => "unpinned",
            State::Moved => "moved",
        }
    }
}

/// An artifact, or a tag of it.
#[derive(Debug)]
pub struct Row {
    /// The artifact.
    pub id: ArtifactId,
    /// How it is.
    pub state: State,
    /// The URL that was asked, where it is a tag in a registry.
    pub tag: Option<RegistryRef>,
    /// What is pinned: the artifact's digest, or that of the tag's manifest.
    pub pinned: Option<String>,
    /// What is there now.
    pub found: Option<String>,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// In the manifest's order.
    pub rows: Vec<Row>,
    /// What nobody could be asked about.
    pub failure: Option<Error>,
}

impl Report {
    /// Whether everything is pinned, and as it was.
    pub fn is_good(&self) -> bool {
        self.failure.is_none() && self.rows.iter().all(|row| row.state == State::AsPinned)
    }
}

/// Asks what each artifact is now. Of an image in a registry only the tags are asked for, for what they name depends on
/// nothing else; everything else is fetched past caches.
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
    let (images, files): (Vec<&Artifact>, Vec<&Artifact>) =
        pinned.into_iter().partition(|artifact| !pinned_tags(artifact).is_empty());
    let fetcher = Fetcher::new(options.network.clone())?;
    progress.phase("checking");
    let asked: Vec<(Artifact, Vec<RegistryRef>)> = images
        .iter()
        .map(|artifact| (without_pins(artifact), pinned_tags(artifact).iter().map(RegistryRef::unpinned).collect()))
        .collect();
    let (tags, no_tags) = fetcher.resolve(&asked, &base, progress);
    let files: Vec<Artifact> = files.into_iter().map(without_pins).collect();
    let (pins, no_pins) = fetcher.pin(&files, &base, progress);
    let mut rows = Vec::new();
    for artifact in manifest.artifacts() {
        let id = artifact.id.clone();
        if is_open(artifact) {
            rows.push(Row { id, state: State::Open, tag: None, pinned: None, found: None });
        } else if let Some((_, found)) = tags.iter().find(|(known, _)| *known == id) {
            for (pinned, now) in pinned_tags(artifact).into_iter().zip(found) {
                let is_same = pinned.digest() == Some(now.manifest) || pinned.digest() == Some(now.tagged);
                rows.push(Row {
                    id: id.clone(),
                    state: if is_same { State::AsPinned } else { State::Moved },
                    tag: Some(now.reference.clone()),
                    pinned: pinned.digest().map(|digest| digest.to_string()),
                    found: Some(now.manifest.to_string()),
                });
            }
        } else if let Some(now) = pins.iter().find(|pin| pin.id == id) {
            let is_same = artifact.pin.is_some_and(|pin| pin.check(now.descriptor).is_ok());
            rows.push(Row {
                id,
                state: if is_same { State::AsPinned } else { State::Moved },
                tag: None,
                pinned: artifact.pin.map(|pin| pin.digest.to_string()),
                found: Some(now.descriptor.digest.to_string()),
            });
        }
    }
    Ok(Report { rows, failure: no_tags.or(no_pins) })
}

/// The tags among the artifact's URLs that have a digest.
fn pinned_tags(artifact: &Artifact) -> Vec<RegistryRef> {
    artifact.registry_refs().filter(|reference| reference.tag().is_some() && !reference.is_open()).collect()
}
