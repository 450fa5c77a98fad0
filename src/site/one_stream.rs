//! Images into an engine that keeps them in containerd: one archive brings all, each blob once.
//!
//! Such an engine unpacks what it was sent only when it has everything, and shares between the images of one load what it
//! does not share between loads. It keeps blobs under their digests: those of an image that it has, by its manifest's
//! digest, are left out.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use super::engine::{self, Store};
use super::loading::not_sent;
use super::sending::{Counter, Job, SameBy, Unsent, compare, send, send_whole};
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{BlobSource, END_OF_ARCHIVE, Image, Layer, export_blobs, export_documents, manifest_digest};
use crate::progress::Progress;

/// Loads the images of `jobs`.
///
/// # Errors
/// A blob is damaged, the engine refuses, or has something else afterwards.
pub(super) fn load(jobs: &[Job<'_>], blobs: &dyn BlobSource, progress: &dyn Progress) -> Result<()> {
    keep_replaced(jobs, blobs)?;
    let (whole, apart): (Vec<&Job<'_>>, Vec<&Job<'_>>) = jobs.iter().partition(|job| job.whole.is_some());
    let there = blobs_there(&apart, blobs)?;
    let sizes = sizes(&apart, &there);
    let of_whole: u64 = whole.iter().map(|job| job.size(&HashSet::new())).sum();
    progress.plan(jobs.len(), Some(sizes.iter().sum::<u64>() + of_whole));
    if !apart.is_empty() {
        let counters: Vec<Counter> =
            apart.iter().zip(sizes).map(|(job, size)| Counter::start(job, size, progress)).collect();
        together(&apart, blobs, there, &counters)?;
    }
    // An archive that is carried as it is has documents of its own.
    for job in whole {
        let counter = Counter::start(job, job.size(&HashSet::new()), progress);
        let sent = send(&job.name, |out| {
            out.count_for(&counter);
            send_whole(job, out)
        });
        sent.map_err(|unsent| unsent.error)?;
        job.images.iter().try_for_each(|image| compare(&job.name, image, &SameBy::Layers))?;
        counter.done();
    }
    Ok(())
}

/// Gives a second name to each image whose only one is about to be another's. Such an engine forgets an image with its last
/// name, and a version that is gone back to may need it.
fn keep_replaced(jobs: &[Job<'_>], blobs: &dyn BlobSource) -> Result<()> {
    for job in jobs {
        for image in &job.images {
            let ours = job.id_of(image, Store::Containerd, blobs)?.to_string();
            let is_other = |known: &engine::Known| match job.whole {
                Some(_) => known.layers != image.diff_ids(),
                None => known.id != ours,
            };
            for tag in &image.tags {
                if let Some(known) = engine::look_up(tag.as_str())?.filter(is_other) {
                    engine::keep_as(&known.id, tag.name())?;
                }
            }
        }
    }
    Ok(())
}

/// The blobs of those of our images that the engine has.
fn blobs_there(jobs: &[&Job<'_>], blobs: &dyn BlobSource) -> Result<HashSet<Digest>> {
    let ids: BTreeSet<String> = engine::ids()?.unwrap_or_default();
    let mut there = HashSet::new();
    for image in jobs.iter().flat_map(|job| &job.images) {
        if ids.contains(&manifest_digest(image, blobs)?.to_string()) {
            there.extend(image.layers.iter().map(|layer| layer.blob().digest));
        }
    }
    Ok(there)
}

/// The bytes of the blobs that each job brings, of those that are not `there`.
fn sizes(jobs: &[&Job<'_>], there: &HashSet<Digest>) -> Vec<u64> {
    let mut placed = there.clone();
    let mut size = |job: &&Job<'_>| {
        let blobs = job.images.iter().flat_map(|image| &image.layers).map(Layer::blob);
        blobs.filter(|blob| placed.insert(blob.digest)).map(|blob| blob.size).sum()
    };
    jobs.iter().map(&mut size).collect()
}

fn together(jobs: &[&Job<'_>], blobs: &dyn BlobSource, there: HashSet<Digest>, counters: &[Counter]) -> Result<()> {
    match send_together(jobs, blobs, there.clone(), counters) {
        // Perhaps it has not what its list of images says.
        Err(Unsent { by_engine: true, .. }) if !there.is_empty() => {
            for (counter, size) in counters.iter().zip(sizes(jobs, &HashSet::new())) {
                counter.restart(size);
            }
            send_together(jobs, blobs, HashSet::new(), counters).map_err(|unsent| unsent.error)?;
        }
        outcome => outcome.map_err(|unsent| unsent.error)?,
    }
    for (job, counter) in jobs.iter().zip(counters) {
        for image in &job.images {
            compare(&job.name, image, &SameBy::Id(manifest_digest(image, blobs)?.to_string()))?;
        }
        counter.done();
    }
    Ok(())
}

fn send_together(
    jobs: &[&Job<'_>],
    blobs: &dyn BlobSource,
    mut placed: HashSet<Digest>,
    counters: &[Counter],
) -> std::result::Result<(), Unsent> {
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let images: Vec<Image> = jobs.iter().flat_map(|job| &job.images).cloned().collect();
    send(&names.join(", "), |out| {
        export_documents(&images, blobs, out)?;
        for (job, counter) in jobs.iter().zip(counters) {
            out.count_for(counter);
            job.images.iter().try_for_each(|image| export_blobs(image, blobs, &mut placed, out))?;
        }
        out.write_all(&END_OF_ARCHIVE).map_err(not_sent)
    })
}
