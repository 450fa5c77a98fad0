//! Images into the container engine: a stream from the bundle or folder into `docker load`.
//!
//! What several images share goes over once, in the way of the engine's image store. Afterwards the engine is asked for
//! every image.

use super::brought::{Brought, load_jobs};
use super::sending::Job;
use crate::bundle::BundleAccess;
use crate::error::{Error, Result};
use crate::image::{AnalysedBlobs, AnalysisOptions, ImageLimits, analyse, check_tags, with_command};
use crate::language::tr;
use crate::manifest::{Kind, Pinned};
use crate::path::shell_word;
use crate::progress::Progress;
use crate::release::Folder;

/// Loads the images of a bundle, or those of the artifacts that `names` lists; the names that were loaded.
///
/// # Errors
/// A name is no image of the bundle, the bundle is damaged, the engine refuses, or has something else
/// afterwards.
pub fn load_from_bundle(access: &BundleAccess<'_>, names: &[String], progress: &dyn Progress) -> Result<Vec<String>> {
    let bundle = access.bundle();
    let of_images = bundle.index().artifacts.iter().filter(|artifact| artifact.kind == Kind::Image);
    let known = of_images.map(|artifact| artifact.name.as_str());
    let chosen = choose(known, names, &format!("pack inspect {}", shell_word(bundle.path())))?;
    let is_chosen = |name: &str| chosen.iter().any(|chosen| chosen == name);
    Brought::of_bundle(access, &is_chosen, progress)?.load(progress)?;
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
            return Err(Error::integrity(tr!("an image is not what the manifest pins: it was not loaded"))
                .fact("path", path.display())
                .fact("expected", pinned.pin.digest)
                .fact("actual", format_args!("{} ({} bytes)", analysis.file.digest, analysis.file.size))
                .hint(tr!("get it again with: {}", folder.get_again(&[name]))));
        }
        meter.done("read");
        jobs.push(Job { name: analysis.artifact.clone(), images: analysis.images.clone(), whole: None });
        limits = limits.beside(&analysis);
        analyses.push(analysis);
    }
    check_tags(jobs.iter().flat_map(|job| job.images.iter().map(|image| (job.name.as_str(), image))))?;
    load_jobs(&jobs, &AnalysedBlobs::of(&analyses), progress)?;
    Ok(chosen)
}

fn choose<'a>(known: impl Iterator<Item = &'a str>, names: &[String], look: &str) -> Result<Vec<String>> {
    let known: Vec<&str> = known.collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::failed(tr!("there is no such image"))
            .fact("name", unknown)
            .fact("known", known.join(", "))
            .hint(tr!("see what there is with: {look}", look)));
    }
    Ok(known
        .into_iter()
        .filter(|name| names.is_empty() || names.iter().any(|asked| asked == name))
        .map(Into::into)
        .collect())
}
