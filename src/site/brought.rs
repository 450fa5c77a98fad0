//! The images that somebody brought: in a bundle, or as archives that lie in a folder.

use std::io::{BufReader, Read};
use std::sync::Arc;

use super::engine::{self, Store};
use super::power_cut::{Loaded, Mark};
use super::sending::{Archive, Job};
use super::{by_layer, one_stream};
use crate::bundle::{BundleAccess, CarriedArtifact};
use crate::digest::{Digest, PIECE};
use crate::error::{Error, Result};
use crate::image::{BlobSource, Image, check_tags, content_of, images_in};
use crate::image_ref::ImageRef;
use crate::language::tr;
use crate::manifest::Kind;
use crate::platform::Platform;
use crate::progress::{Progress, Silent};
use crate::release::ProvedFile;
use crate::workers;

/// An archive of images that lies somewhere, under the name of its artifact.
pub type NamedFile = (String, Arc<ProvedFile>);

/// Images that can be loaded, an artifact's together.
pub struct Brought<'a> {
    jobs: Vec<Job<'a>>,
    blobs: &'a dyn BlobSource,
}

impl<'a> Brought<'a> {
    /// Those of the artifacts of a bundle that `is_wanted` picks.
    ///
    /// # Errors
    /// The bundle is damaged, or an archive that it takes from its folder is missing or another one.
    pub fn of_bundle(
        access: &'a BundleAccess<'a>,
        is_wanted: &dyn Fn(&str) -> bool,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let bundle = access.bundle();
        let index = bundle.index();
        let is_chosen = |artifact: &&CarriedArtifact| artifact.kind == Kind::Image && is_wanted(artifact.name.as_str());
        let artifacts: Vec<&CarriedArtifact> = index.artifacts.iter().filter(is_chosen).collect();
        bundle.expect_beside(&artifacts, progress)?;
        let mut jobs = Vec::new();
        let mut files: Vec<NamedFile> = Vec::new();
        for artifact in artifacts {
            access.check_covers(artifact)?;
            let name = artifact.name.as_str();
            if artifact.carried.is_detached() {
                files.push((name.to_owned(), bundle.beside(artifact, &Silent)?));
                continue;
            }
            let whole = index.entry(name).filter(|_| artifact.carried.is_file());
            let whole = whole.map(|entry| Archive::Carried(entry, access));
            jobs.push(Job { name: name.to_owned(), images: index.images_of(artifact), whole });
        }
        jobs.extend(jobs_of_files(files, index.platform, progress)?);
        Ok(Brought { jobs, blobs: access })
    }

    /// Those of archives.
    ///
    /// # Errors
    /// One is no archive of images for `platform`, or cannot be read.
    pub fn of_files(files: Vec<NamedFile>, platform: Platform, progress: &dyn Progress) -> Result<Self> {
        Ok(Brought { jobs: jobs_of_files(files, platform, progress)?, blobs: &NoBlobs })
    }

    /// The image that is called so.
    pub fn find(&self, reference: &ImageRef) -> Option<&Image> {
        let familiar = reference.familiar();
        let is_it = |image: &&Image| image.tags.iter().any(|tag| tag.familiar() == familiar);
        self.jobs.iter().flat_map(|job| &job.images).find(is_it)
    }

    /// Keeps those artifacts only that bring one of these images.
    pub fn keep(&mut self, images: &[Digest]) {
        let mut left: Vec<Digest> = images.to_vec();
        // An image that several bring comes with the first of them.
        self.jobs.retain(|job| {
            let before = left.len();
            left.retain(|id| job.images.iter().all(|image| image.id != *id));
            left.len() < before
        });
    }

    /// Loads them.
    ///
    /// # Errors
    /// The engine refuses, or has something else afterwards.
    pub fn load(&self, progress: &dyn Progress) -> Result<()> {
        load_jobs(&self.jobs, self.blobs, progress)
    }

    /// The engine's ID of one that was loaded.
    ///
    /// # Errors
    /// The engine does not answer, or has no such image.
    pub fn id_of(&self, image: &Image) -> Result<String> {
        engine::id_of(image, self.blobs)
    }
}

/// Looks into archives, on all cores.
fn jobs_of_files<'a>(files: Vec<NamedFile>, platform: Platform, progress: &dyn Progress) -> Result<Vec<Job<'a>>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    progress.plan(files.len(), Some(files.iter().map(|(_, file)| file.size()).sum()));
    let mut jobs = Vec::with_capacity(files.len());
    workers::ordered(
        workers::cores(),
        |emit| files.into_iter().try_for_each(emit),
        |(name, file): NamedFile| {
            let meter = progress.start(&name, Some(file.size()));
            let mut content =
                content_of(BufReader::with_capacity(4 * PIECE, file.reader())).map_err(|cause| file.not_read(cause))?;
            let images = images_in(&mut content, &name, platform)?;
            drop(content);
            meter.add(file.size());
            meter.done("read");
            Ok(Job { name, images, whole: Some(Archive::File(file)) })
        },
        |job| {
            jobs.push(job);
            Ok(())
        },
    )?;
    check_tags(jobs.iter().flat_map(|job| job.images.iter().map(|image| (job.name.as_str(), image))))?;
    Ok(jobs)
}

/// Loads what `jobs` bring.
pub(super) fn load_jobs(jobs: &[Job<'_>], blobs: &dyn BlobSource, progress: &dyn Progress) -> Result<()> {
    if jobs.is_empty() {
        return Ok(()); // an engine need not even be there
    }
    let store = engine::store()?;
    let loaded = jobs.iter().flat_map(|job| {
        job.images.iter().map(move |image| job.id_of(image, store, blobs).map(|id| Loaded::of(image, id)))
    });
    let mark = Mark::set(store, loaded.collect::<Result<_>>()?)?;
    mark.remove_damaged(progress)?;
    match store {
        Store::Containerd => one_stream::load(jobs, blobs, progress)?,
        Store::Classic => by_layer::load(jobs, blobs, progress)?,
    }
    mark.clear()
}

/// Archives that go to the engine as they are need no blobs.
struct NoBlobs;

impl BlobSource for NoBlobs {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        Err(Error::failed(tr!("a part of an image is not there by itself")).fact("blob", digest))
    }
}
