//! One of the two that are compared: its artifacts, and the images in them as far as they are known.

use std::fs;

use super::open::Opened;
use crate::bundle::{Bundle, CarriedArtifact};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::image::{AnalysisOptions, Image, analyse, check_tags, with_command};
use crate::manifest::{Artifact, ArtifactId, Kind, Manifest, Pin, Pinned};
use crate::platform::Platform;
use crate::progress::{Progress, Silent};
use crate::release::{Folder, State, check, glance};
use crate::task::signed::Signed;
use crate::task::trust::Trust;
use crate::task::verify_signature::verify_signature;

/// How many files an error names.
const MOST_FACTS: usize = 20;

/// What a side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A manifest alone.
    Manifest,
    /// A folder that a download made.
    Folder,
    /// A bundle.
    Bundle,
}

impl Form {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Manifest => "manifest",
            Form::Folder => "folder",
            Form::Bundle => "bundle",
        }
    }
}

/// Why nobody can say which images an artifact has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Only the manifest is there.
    NoFiles,
    /// It is not pinned, so what lies in its place need not be it.
    NotPinned,
    /// A detached bundle takes it from its folder, where it does not lie.
    NotBeside,
    /// The index of the bundle does not list them.
    NotListed,
}

impl Unknown {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Unknown::NoFiles => "noFiles",
            Unknown::NotPinned => "notPinned",
            Unknown::NotBeside => "notBeside",
            Unknown::NotListed => "notListed",
        }
    }
}

/// An artifact as one side lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What identifies it.
    pub id: ArtifactId,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// The digest of its bytes; `None` where it is not pinned.
    pub digest: Option<Digest>,
}

/// An artifact of one side.
#[derive(Debug)]
pub struct SideArtifact {
    /// As it is listed.
    pub listed: Listed,
    /// The IDs of the images in it; none in what is no archive of images.
    pub images: Result<Vec<Digest>, Unknown>,
}

/// Images, each where it is known from: a bundle's index may have tens of MiB, and is in memory once.
#[derive(Debug, Default)]
struct Images {
    index: Option<Box<Bundle>>,
    read: Vec<Image>,
}

/// One of the two.
#[derive(Debug)]
pub struct Side {
    /// What it is.
    pub form: Form,
    /// Its manifest.
    pub manifest: Manifest,
    /// Who signed that.
    pub signed: Signed,
    /// The platform whose artifacts are listed; `None` is all of them.
    pub platform: Option<Platform>,
    /// Its artifacts, in the manifest's order.
    pub artifacts: Vec<SideArtifact>,
    images: Images,
}

impl Side {
    /// All its images; one that several archives have may come several times, under the names of each.
    ///
    /// # Errors
    /// The first reason for which they are not all known.
    pub fn images(&self) -> Result<Vec<&Image>, Unknown> {
        match self.artifacts.iter().find_map(|artifact| artifact.images.as_ref().err()) {
            Some(why) => Err(*why),
            None => Ok(self
                .images
                .index
                .iter()
                .flat_map(|bundle| &bundle.index().images)
                .chain(&self.images.read)
                .collect()),
        }
    }
}

/// Reads what is to be known of a side; `platform` says whose artifacts count.
///
/// # Errors
/// It is damaged, or `trust` refuses it.
pub(super) fn read(opened: Opened, platform: Option<Platform>, trust: &Trust, progress: &dyn Progress) -> Result<Side> {
    match opened {
        Opened::Manifest(manifest, path) => {
            let signed = trust.check_file(&path, &manifest, progress)?;
            let artifacts = chosen(&manifest, platform).map(of_manifest).collect();
            let (form, images) = (Form::Manifest, Images::default());
            Ok(Side { form, manifest: *manifest, signed, platform, artifacts, images })
        }
        Opened::Folder(folder, manifest) => {
            let _held = folder.lock_for_reading()?;
            let signed = trust.check_folder(&folder, &manifest, progress)?;
            let (artifacts, read) = of_folder(&folder, &manifest, platform, progress)?;
            let (form, images) = (Form::Folder, Images { index: None, read });
            Ok(Side { form, manifest: *manifest, signed, platform, artifacts, images })
        }
        Opened::Bundle(bundle, manifest) => {
            let signed = match &trust.key {
                None => trust.check_bundle(&bundle, &manifest, progress)?,
                Some(_) => verify_signature(trust, &bundle, progress)?,
            };
            let (artifacts, read) = of_bundle(&bundle, &manifest, progress)?;
            let (form, images) = (Form::Bundle, Images { index: Some(bundle), read });
            Ok(Side { form, manifest: *manifest, signed, platform, artifacts, images })
        }
    }
}

fn chosen(manifest: &Manifest, platform: Option<Platform>) -> impl Iterator<Item = &Artifact> {
    manifest.artifacts().iter().filter(move |artifact| platform.is_none_or(|platform| artifact.id.is_for(platform)))
}

fn listed(artifact: &Artifact) -> Listed {
    let Artifact { id, kind, pin, .. } = artifact;
    let (size, digest) = (pin.and_then(|pin| pin.size), pin.map(|pin| pin.digest));
    Listed { id: id.clone(), kind: *kind, size, digest }
}

fn of_manifest(artifact: &Artifact) -> SideArtifact {
    let images = if artifact.kind == Kind::Image { Err(Unknown::NoFiles) } else { Ok(Vec::new()) };
    SideArtifact { listed: listed(artifact), images }
}

fn of_folder(
    folder: &Folder,
    manifest: &Manifest,
    platform: Option<Platform>,
    progress: &dyn Progress,
) -> Result<(Vec<SideArtifact>, Vec<Image>)> {
    let all: Vec<&Artifact> = chosen(manifest, platform).collect();
    check_sizes(folder, &all)?;
    let is_read = |artifact: &&&Artifact| artifact.kind == Kind::Image && artifact.pin.is_some();
    let mut archives = Archives::of(folder, platform, progress);
    let sizes = all.iter().filter(is_read).map(|artifact| artifact.pin.and_then(|pin| pin.size));
    archives.plan(sizes.collect());
    let mut artifacts = Vec::with_capacity(all.len());
    for artifact in all {
        let mut listed = listed(artifact);
        let images = match artifact.pin {
            None if artifact.kind == Kind::Image => Err(Unknown::NotPinned),
            Some(pin) if artifact.kind == Kind::Image => {
                let read = archives.read(artifact.id.name.as_str(), pin);
                Ok(read.map_err(|error| with_command(error, artifact.id.name.as_str(), &folder.pin_again()))?)
            }
            _ => Ok(Vec::new()),
        };
        if listed.digest.is_some() && listed.size.is_none() {
            let path = folder.path_of(&listed.id.name);
            listed.size = Some(fs::metadata(&path).doing("look at", &path)?.len());
        }
        artifacts.push(SideArtifact { listed, images });
    }
    Ok((artifacts, archives.images()?))
}

/// Compares the size of each file with its pin; of one whose size is not pinned, the digest.
fn check_sizes(folder: &Folder, artifacts: &[&Artifact]) -> Result<()> {
    let state = |artifact: &&Artifact| {
        let (name, pin) = (&artifact.id.name, artifact.pin?);
        Some((
            name.clone(),
            match pin.size {
                Some(_) => glance(folder, name, pin),
                None => check(folder, &Pinned { artifact, pin }, &Silent).state,
            },
        ))
    };
    let wrong: Vec<_> = artifacts.iter().filter_map(state).filter(|(_, state)| *state != State::Ok).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let title = "files of the folder are missing, or are not what its manifest pins";
    let is_stale = wrong.iter().any(|(_, state)| *state != State::Missing);
    let error = if is_stale { Error::integrity(title) } else { Error::failed(title) };
    let mut error = error.fact("folder", folder.root().display());
    for (name, state) in wrong.iter().take(MOST_FACTS) {
        error = error.fact("file", format_args!("{name}: {}", state.as_str()));
    }
    if wrong.len() > MOST_FACTS {
        error = error.fact("file", format_args!("and {} more", wrong.len() - MOST_FACTS));
    }
    Err(error.hint(format_args!("get what is missing or wrong with: {}", folder.download_again())))
}

fn of_bundle(bundle: &Bundle, manifest: &Manifest, progress: &dyn Progress) -> Result<(Vec<SideArtifact>, Vec<Image>)> {
    let index = bundle.index();
    let folder = bundle.folder();
    let lies_there = |carried: &CarriedArtifact| {
        let pin = Pin { size: Some(carried.size), digest: carried.digest };
        glance(&folder, &carried.name, pin) != State::Missing
    };
    let is_read = |carried: &&CarriedArtifact| carried.kind == Kind::Image && lies_there(carried);
    let beside: Vec<&CarriedArtifact> = bundle.detached().into_iter().filter(is_read).collect();
    // What is wrong is told with where to get it.
    bundle.expect_beside(&beside, progress)?;
    let mut archives = Archives::of(&folder, Some(index.platform), progress);
    archives.plan(beside.iter().map(|carried| Some(carried.size)).collect());
    let mut artifacts = Vec::with_capacity(index.artifacts.len());
    // The manifest was compared with the index: they list the same artifacts in the same order.
    for (artifact, carried) in chosen(manifest, Some(index.platform)).zip(&index.artifacts) {
        let images = match carried.kind {
            Kind::Image if beside.iter().any(|one| one.name == carried.name) => {
                let pin = Pin { size: Some(carried.size), digest: carried.digest };
                Ok(archives.read(carried.name.as_str(), pin)?)
            }
            Kind::Image if carried.carried.is_detached() => Err(Unknown::NotBeside),
            Kind::Image if carried.images.is_empty() => Err(Unknown::NotListed),
            Kind::Image => Ok(carried.images.clone()),
            _ => Ok(Vec::new()),
        };
        artifacts.push(SideArtifact { listed: Listed { size: Some(carried.size), ..listed(artifact) }, images });
    }
    Ok((artifacts, archives.images()?))
}

/// Archives of images that are read one after the other, all within the bounds of one product.
struct Archives<'a> {
    folder: &'a Folder,
    options: AnalysisOptions,
    progress: &'a dyn Progress,
    /// What was found, with the archive that it is in.
    found: Vec<(String, Image)>,
}

impl<'a> Archives<'a> {
    fn of(folder: &'a Folder, platform: Option<Platform>, progress: &'a dyn Progress) -> Self {
        // They are only looked into.
        let options =
            AnalysisOptions { platform, originals: false, keep_compressed: true, ..AnalysisOptions::default() };
        Archives { folder, options, progress, found: Vec::new() }
    }

    /// Says which sizes follow.
    fn plan(&self, sizes: Vec<Option<u64>>) {
        if !sizes.is_empty() {
            self.progress.phase("reading");
            self.progress.plan(sizes.len(), sizes.into_iter().sum());
        }
    }

    /// The IDs of the images in the archive of that name, which must be what is pinned.
    fn read(&mut self, name: &str, pin: Pin) -> Result<Vec<Digest>> {
        let path = self.folder.root().join(name);
        let meter = self.progress.start(name, pin.size);
        let analysis = analyse(&path, name, true, &self.options, meter.as_ref())?;
        if pin.check(analysis.file).is_err() {
            return Err(Error::integrity("an archive of images is not what the manifest pins")
                .fact("path", path.display())
                .fact("expected", pin.digest)
                .fact("actual", format_args!("{} ({} bytes)", analysis.file.digest, analysis.file.size))
                .hint(format_args!("get what is missing or wrong with: {}", self.folder.download_again())));
        }
        meter.done("read");
        self.options.limits = self.options.limits.beside(&analysis);
        let ids = analysis.images.iter().map(|image| image.id).collect();
        self.found.extend(analysis.images.into_iter().map(|image| (name.to_owned(), image)));
        Ok(ids)
    }

    /// All images that were found.
    ///
    /// # Errors
    /// A name stands for two of them.
    fn images(self) -> Result<Vec<Image>> {
        check_tags(self.found.iter().map(|(artifact, image)| (artifact.as_str(), image)))?;
        Ok(self.found.into_iter().map(|(_, image)| image).collect())
    }
}
