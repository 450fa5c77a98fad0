//! Images into the container engine: a stream from the bundle or folder into `docker load`.
//!
//! What several images share goes over once: one load brings it, the others leave out what the engine has or is
//! being brought, two loads at a time. Afterwards the engine is asked for every image.

use std::collections::HashSet;
use std::io::{self, BufReader, Write};
use std::path::Path;

use super::engine::{self, Known};
use super::engine_room;
use super::kept::as_it_is;
use super::loading::{Loading, Refusal, not_sent};
use super::order::{self, Chain, Turn, already};
use super::power_cut::Mark;
use crate::bundle::{BundleAccess, CarriedArtifact, PayloadEntry};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{
    AnalysedBlobs, AnalysisOptions, BlobSource, END_OF_ARCHIVE, Image, ImageLimits, analyse, check_tags,
    export_members, with_command,
};
use crate::image_ref::ImageRef;
use crate::manifest::{Kind, Pinned};
use crate::path::shell_word;
use crate::progress::{Meter, Progress};
use crate::release::Folder;

/// How many loads run at a time, once the shared layers are there. More do not help: the engine unpacks a
/// layer at a time for each.
const AT_A_TIME: usize = 2;

/// Loads the images of a bundle, or those of the artifacts that `names` lists; the names that were loaded.
///
/// # Errors
/// A name is no image of the bundle, the bundle is damaged, the engine refuses, or has something else
/// afterwards.
pub fn load_from_bundle(access: &BundleAccess<'_>, names: &[String], progress: &dyn Progress) -> Result<Vec<String>> {
    let bundle = access.bundle();
    let of_images = |artifact: &&CarriedArtifact| artifact.kind == Kind::Image;
    let artifacts: Vec<&CarriedArtifact> = bundle.index().artifacts.iter().filter(of_images).collect();
    let known = artifacts.iter().map(|artifact| artifact.name.as_str());
    let chosen = choose(known, names, &format!("pack inspect {}", shell_word(bundle.path())))?;
    let mut jobs = Vec::new();
    for artifact in artifacts.into_iter().filter(|artifact| chosen.iter().any(|name| name == artifact.name.as_str())) {
        let name = artifact.name.as_str();
        let images = bundle.index().images_of(artifact);
        let whole = bundle.index().entry(name).filter(|_| artifact.carried.is_file());
        access.check_covers(artifact)?;
        jobs.push(Job { name: name.to_owned(), images, whole: whole.map(|entry| (entry, access)) });
    }
    load(&jobs, access, progress)?;
    Ok(chosen)
}

/// Loads the images of a folder, or those of the artifacts that `names` lists; the names that were loaded.
/// Each archive is compared with its pin, and each of its layers with its image, before the engine sees a
/// byte of it.
///
/// # Errors
/// A name is no image of the folder, an archive is not what was pinned, the engine refuses, or has something
/// else afterwards.
pub fn load_from_folder(
    folder: &Folder,
    selection: &[Pinned<'_>],
    names: &[String],
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let mut artifacts: Vec<_> = selection.iter().filter(|pinned| pinned.artifact.kind == Kind::Image).collect();
    let known = artifacts.iter().map(|pinned| pinned.name().as_str());
    let chosen = choose(known, names, &format!("pack verify {}", shell_word(folder.root())))?;
    artifacts.retain(|pinned| chosen.iter().any(|name| name == pinned.name().as_str()));
    let mut jobs = Vec::new();
    let mut analyses = Vec::new();
    progress.plan(artifacts.len(), artifacts.iter().map(|pinned| pinned.pin.size).sum());
    let mut limits = ImageLimits::DEFAULT;
    for pinned in artifacts {
        let path = folder.path_of(pinned.name());
        let platform = pinned.artifact.id.platform;
        let options = AnalysisOptions { platform, originals: false, limits, ..AnalysisOptions::default() };
        let meter = progress.start(pinned.name().as_str(), pinned.pin.size);
        let name = pinned.name().as_str();
        let analysis = analyse(&path, name, true, &options, meter.as_ref())
            .map_err(|error| with_command(error, name, &folder.pin_again()))?;
        if pinned.pin.check(analysis.file).is_err() {
            return Err(Error::integrity("an image is not what the manifest pins: it was not loaded")
                .fact("path", path.display())
                .fact("expected", pinned.pin.digest)
                .fact("actual", format_args!("{} ({} bytes)", analysis.file.digest, analysis.file.size))
                .hint(format_args!("get it again with: {}", folder.download_again())));
        }
        meter.done("read");
        jobs.push(Job { name: analysis.artifact.clone(), images: analysis.images.clone(), whole: None });
        limits = limits.beside(&analysis);
        analyses.push(analysis);
    }
    check_tags(jobs.iter().flat_map(|job| job.images.iter().map(|image| (job.name.as_str(), image))))?;
    load(&jobs, &AnalysedBlobs::of(&analyses), progress)?;
    Ok(chosen)
}

/// The images of one artifact.
struct Job<'a> {
    name: String,
    images: Vec<Image>,
    /// The archive as it is, where the bundle carries it so.
    whole: Option<(&'a PayloadEntry, &'a BundleAccess<'a>)>,
}

impl Job<'_> {
    fn chains(&self) -> Vec<Chain> {
        self.images.iter().map(Image::diff_ids).collect()
    }

    /// The bytes that go to the engine, about.
    fn size(&self, skip: &HashSet<Digest>) -> u64 {
        match self.whole {
            Some((entry, _)) => entry.size,
            None => {
                let mut seen = HashSet::new();
                let layers = self.images.iter().flat_map(|image| &image.layers);
                layers
                    .filter(|layer| !skip.contains(&layer.diff_id) && seen.insert(layer.diff_id))
                    .map(|layer| layer.size)
                    .sum()
            }
        }
    }
}

fn load(jobs: &[Job<'_>], blobs: &dyn BlobSource, progress: &dyn Progress) -> Result<()> {
    if jobs.is_empty() {
        return Ok(()); // an engine need not even be there
    }
    let mark = Mark::set(jobs.iter().flat_map(|job| &job.images).map(Into::into).collect())?;
    mark.remove_damaged(progress)?;
    let there: Vec<Chain> = engine::all()?.into_iter().map(|known: Known| known.layers).collect();
    let largest = jobs.iter().map(|job| job.size(&HashSet::new())).max().unwrap_or(0);
    engine_room::check(jobs.iter().flat_map(|job| &job.images), &there, largest, progress)?;
    let loads: Vec<order::Load> = jobs
        .iter()
        .map(|job| order::Load { chains: job.chains(), size: job.size(&already(&job.chains(), &there)) })
        .collect();
    progress.plan(jobs.len(), Some(planned(jobs, &there)));
    order::run(&loads, there, AT_A_TIME, |number, turn| one(&jobs[number], turn, blobs, progress))?;
    mark.clear()
}

/// The bytes that go to the engine altogether, about: what several images share goes once.
fn planned(jobs: &[Job<'_>], there: &[Chain]) -> u64 {
    let mut sent: HashSet<Digest> = HashSet::new();
    let mut total = 0;
    for job in jobs {
        total += job.size(&(&sent | &already(&job.chains(), there)));
        sent.extend(job.chains().into_iter().flatten());
    }
    total
}

fn one(job: &Job<'_>, turn: &Turn<'_>, blobs: &dyn BlobSource, progress: &dyn Progress) -> Result<()> {
    let skip = already(&job.chains(), turn.there());
    let meter = progress.start(&job.name, Some(job.size(&skip)));
    let mut wait = || if turn.wait() { Ok(()) } else { Err(shared_not_loaded()) };
    if job.whole.is_some() {
        wait()?; // it brings what others bring too: better not both at once
    }
    match send(job, &skip, blobs, meter.as_ref(), &mut wait) {
        // An engine that wants every layer gets every layer: containerd's store, or podman behind the name.
        Err(Unsent { by_engine: true, sent, .. }) if !skip.is_empty() && job.whole.is_none() && wait().is_ok() => {
            meter.retract(sent);
            meter.expect(job.size(&HashSet::new()));
            send(job, &HashSet::new(), blobs, meter.as_ref(), &mut wait).map_err(|unsent| unsent.error)?;
        }
        outcome => outcome.map_err(|unsent| unsent.error)?,
    }
    job.images.iter().try_for_each(|image| compare(&job.name, image))?;
    meter.done("loaded");
    Ok(())
}

/// Why a job did not reach the engine.
struct Unsent {
    error: Error,
    /// It was the engine that would not have it.
    by_engine: bool,
    /// How many bytes it took before.
    sent: u64,
}

/// Sends `job` without the layers in `skip`; `wait` comes back when the engine has these.
fn send(
    job: &Job<'_>,
    skip: &HashSet<Digest>,
    blobs: &dyn BlobSource,
    meter: &dyn Meter,
    wait: &mut dyn FnMut() -> Result<()>,
) -> std::result::Result<(), Unsent> {
    let ours = |error, sent| Unsent { error, by_engine: false, sent };
    let mut engine = Loading::start(&job.name).map_err(|error| ours(error, 0))?;
    let mut out = Metered { engine: &mut engine, meter, refused: false, sent: 0 };
    let outcome = match job.whole {
        None => export_members(&job.images, blobs, skip, &mut out)
            .and_then(|()| wait())
            .and_then(|()| out.write_all(&END_OF_ARCHIVE).map_err(not_sent)),
        Some((entry, access)) => as_it_is(&job.images, BufReader::new(access.stream(entry)), &mut out),
    };
    let (refused, sent) = (out.refused, out.sent);
    let unsent = |refusal| match refusal {
        Refusal::Refused(error) => Unsent { error, by_engine: true, sent },
        Refusal::Silent(error) => ours(error, sent),
    };
    match outcome {
        Ok(()) => engine.finish().map_err(unsent),
        Err(_) if refused => Err(unsent(engine.refusal())),
        Err(error) => Err(ours(error, sent)),
    }
}

fn shared_not_loaded() -> Error {
    Error::failed("an image that shares layers was not loaded")
        .hint("run the same command again: what the engine has already is not sent twice")
}

/// The engine must have exactly this image now.
fn compare(artifact: &str, image: &Image) -> Result<()> {
    let id = image.id.to_string();
    let names: Vec<&str> =
        if image.tags.is_empty() { vec![id.as_str()] } else { image.tags.iter().map(ImageRef::as_str).collect() };
    for name in names {
        let known = engine::look_up(name)?;
        let same = match &known {
            Some(known) if same_id(&known.id, &id) => true,
            Some(known) => known.layers == image.diff_ids() && engine::keeps_images_in_containerd()?,
            None => false,
        };
        if !same {
            return Err(Error::integrity("the container engine has another image than was loaded")
                .fact("artifact", artifact)
                .fact("image", name)
                .fact("expected", image.id)
                .fact("actual", known.map_or_else(|| "no such image".to_owned(), |known| known.id))
                .hint(format_args!("see what it has: docker image inspect {}", shell_word(Path::new(name)))));
        }
    }
    Ok(())
}

/// Whether two image IDs are the same: podman, where it stands behind the name docker, leaves out the algorithm.
fn same_id(one: &str, other: &str) -> bool {
    let bare = |id: &'_ str| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    bare(one) == bare(other)
}

/// Counts what goes to the engine, and remembers whether it was the engine that took no more.
struct Metered<'a> {
    engine: &'a mut Loading,
    meter: &'a dyn Meter,
    refused: bool,
    sent: u64,
}

impl Write for Metered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.engine.write(bytes).inspect_err(|_| self.refused = true)?;
        self.meter.add(count as u64);
        self.sent += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn choose<'a>(known: impl Iterator<Item = &'a str>, names: &[String], look: &str) -> Result<Vec<String>> {
    let known: Vec<&str> = known.collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::failed("there is no such image")
            .fact("name", unknown)
            .fact("known", known.join(", "))
            .hint(format_args!("see what there is with: {look}")));
    }
    Ok(known
        .into_iter()
        .filter(|name| names.is_empty() || names.iter().any(|asked| asked == name))
        .map(Into::into)
        .collect())
}
