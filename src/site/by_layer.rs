//! Images into an engine that keeps layers: one load brings what several share, the others leave out what the engine has
//! or is being brought, two loads at a time.

use std::collections::HashSet;
use std::io::Write;

use super::engine::{self, Known};
use super::engine_room;
use super::loading::not_sent;
use super::order::{self, Chain, Turn, already};
use super::sending::{Counter, Job, SameBy, Unsent, compare, send, send_whole};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{BlobSource, END_OF_ARCHIVE, export_members};
use crate::language::tr;
use crate::progress::Progress;

/// How many loads run at a time, once the shared layers are there. More do not help: the engine unpacks a
/// layer at a time for each.
const AT_A_TIME: usize = 2;

/// Loads the images of `jobs`.
///
/// # Errors
/// A blob is damaged, the engine refuses, has no room, or has something else afterwards.
pub(super) fn load(jobs: &[Job<'_>], blobs: &dyn BlobSource, progress: &dyn Progress) -> Result<()> {
    let there: Vec<Chain> = engine::all()?.into_iter().map(|known: Known| known.layers).collect();
    let largest = jobs.iter().map(|job| job.size(&HashSet::new())).max().unwrap_or(0);
    engine_room::check(jobs.iter().flat_map(|job| &job.images), &there, largest, progress)?;
    let loads: Vec<order::Load> = jobs
        .iter()
        .map(|job| order::Load { chains: job.chains(), size: job.size(&already(&job.chains(), &there)) })
        .collect();
    progress.plan(jobs.len(), Some(planned(jobs, &there)));
    order::run(&loads, there, AT_A_TIME, |number, turn| one(&jobs[number], turn, blobs, progress))
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
    let counter = Counter::start(job, job.size(&skip), progress);
    let mut wait = || if turn.wait() { Ok(()) } else { Err(shared_not_loaded()) };
    if job.whole.is_some() {
        wait()?; // it brings what others bring too: better not both at once
    }
    match send_job(job, &skip, blobs, &counter, &mut wait) {
        // An engine that wants every layer gets every layer: podman behind the name.
        Err(Unsent { by_engine: true, .. }) if !skip.is_empty() && job.whole.is_none() && wait().is_ok() => {
            counter.restart(job.size(&HashSet::new()));
            send_job(job, &HashSet::new(), blobs, &counter, &mut wait).map_err(|unsent| unsent.error)?;
        }
        outcome => outcome.map_err(|unsent| unsent.error)?,
    }
    for image in &job.images {
        compare(&job.name, image, &SameBy::Id(image.id.to_string()))?;
    }
    counter.done();
    Ok(())
}

/// Sends `job` without the layers in `skip`; `wait` comes back when the engine has these.
fn send_job(
    job: &Job<'_>,
    skip: &HashSet<Digest>,
    blobs: &dyn BlobSource,
    counter: &Counter,
    wait: &mut dyn FnMut() -> Result<()>,
) -> std::result::Result<(), Unsent> {
    send(&job.name, |out| {
        out.count_for(counter);
        if job.whole.is_some() {
            return send_whole(job, out);
        }
        export_members(&job.images, blobs, skip, out)?;
        wait()?;
        out.write_all(&END_OF_ARCHIVE).map_err(not_sent)
    })
}

fn shared_not_loaded() -> Error {
    Error::failed(tr!("an image that shares layers was not loaded"))
        .hint(tr!("run the same command again: what the engine has already is not sent twice"))
}
