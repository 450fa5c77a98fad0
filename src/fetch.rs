//! Fetching artifacts over a network that drops, stalls, lies and remembers yesterday.
//!
//! The only user of the network and the only async code. An artifact is the business of one thread, which
//! checks, writes and hashes; the runtime's threads move bytes between that thread and the sockets. So a
//! slow disk never delays another artifact's connection, and nothing needs to be shared.
//!
//! ```text
//! artifact   there already? in the cache? else from a source
//!   local      what is on this machine already
//!   plan       which sources there are: its URLs, then the mirrors
//!   retry      which of them is asked next, and when      health   who failed before, who asked for patience
//!   ranges     one attempt: one connection or several      stale    how to get past caches
//!     http       a request, its redirects                  credentials, netrc, throttle
//!     answer     a head, a body, a stall
//!   evidence   what there was in place of it, when nothing helped
//!   fault      what can go wrong, and the one place that says transient or fatal
//! pin        what has no digest yet: for the publisher
//! whole      the manifest and other small files, in memory
//! redact     URLs as people may see them
//! ```

mod answer;
mod artifact;
mod credentials;
mod evidence;
mod fault;
mod health;
mod http;
mod local;
mod netrc;
mod options;
mod pin;
mod plan;
mod ranges;
mod redact;
mod retry;
mod seen;
mod stale;
mod throttle;
mod whole;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;
use tokio::runtime::Runtime;
use url::Url;

pub use options::Options;
pub use stale::Rung;
pub use whole::{Place, Want};

use crate::cache::Cache;
use crate::digest::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Artifact, Limits, Pinned, builtin};
use crate::progress::Progress;
use crate::release::LockedFolder;
use crate::workers;

/// How an artifact came to be in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was there already, with the right bytes.
    Kept,
    /// It was not there.
    Fetched,
    /// Something else was there under its name.
    Replaced,
}

impl How {
    /// The word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Kept => "kept",
            How::Fetched => "fetched",
            How::Replaced => "replaced",
        }
    }
}

/// What became of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// How it came to be there.
    pub how: How,
    /// Its size in bytes.
    pub size: u64,
    /// Whether its bytes came from the cache.
    pub from_cache: bool,
    /// How many bytes of bodies came over the network for it, those of failed attempts too.
    pub wire_bytes: u64,
    /// The URL that had it, without credentials; `None` when none was asked.
    pub url: Option<String>,
}

/// Fetches. Owns the runtime and the connections; every method blocks until it is done.
pub struct Fetcher {
    runtime: Runtime,
    http: http::Http,
    cache: Option<Cache>,
}

impl Fetcher {
    /// # Errors
    /// The certificates in [`Options::cacert`] cannot be read, or the system gives no threads.
    pub fn new(options: Options) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers::cores().min(4))
            .thread_name("network")
            .enable_all()
            .build()
            .map_err(|cause| Error::failed("the network cannot be used").fact("cause", &cause).caused_by(cause))
            .map_err(|error| error.hint("the system may have no threads to give: see 'ulimit -u', then try again"))?;
        let cache = options.cache.clone().map(Cache::at);
        Ok(Fetcher { runtime, http: http::Http::new(options)?, cache })
    }

    /// The bytes of the manifest at `url` (`http`, `https`, `file`, or [`builtin::BASE`]), unread, and where they
    /// came from after redirects: its relative URLs resolve against that. It is asked for past caches on every
    /// rung. `note` gets a line for each attempt that failed.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn manifest(&self, url: &Url, rung: Rung, note: &(dyn Fn(String) + Sync)) -> Result<(Vec<u8>, Place)> {
        if url.as_str() == builtin::BASE {
            return Ok((builtin::text().into(), Place::of(url)));
        }
        self.bytes(url, Limits::DEFAULT.manifest_bytes, Want::Needed, rung, note)?.ok_or_else(|| {
            Error::failed("there is no manifest at this place")
                .fact("url", redact::shown(url))
                .hint("check the URL or the path; its last part is usually manifest.json")
        })
    }

    /// A small file such as a signature; `None` when it is not there.
    ///
    /// # Errors
    /// It cannot be had, or has more than `limit` bytes.
    pub fn bytes(
        &self,
        url: &Url,
        limit: u64,
        want: Want,
        rung: Rung,
        note: &(dyn Fn(String) + Sync),
    ) -> Result<Option<(Vec<u8>, Place)>> {
        self.runtime.block_on(whole::get(&self.http, url, limit, want, rung, note))
    }

    /// Where `artifact` of the manifest at `base` may be got by hand, mirrors too, best first: absolute URLs.
    /// Unless `whole` they come without a user's name and password, and without the values of their queries,
    /// which may be signatures.
    ///
    /// # Errors
    /// A URL cannot be read, or a manifest from the network names a file of this machine.
    pub fn urls(&self, artifact: &Artifact, base: &Url, whole: bool) -> Result<Vec<String>> {
        let sources = plan::sources(artifact, base, &self.http.options().mirrors)?;
        let by_hand = |url: &Url| if whole { url.to_string() } else { redact::shown(&redact::bare(url)) };
        Ok(sources.iter().map(|source| by_hand(&source.url)).collect())
    }

    /// Sees to it that `folder` has every artifact of `selection`. What is
    /// right stays, and then no request is sent for it. Outcomes come in the selection's order. The
    /// manifest is not written.
    ///
    /// # Errors
    /// An artifact cannot be had. The others are fetched all the same, unless the disk refused.
    pub fn download(
        &self,
        selection: &[Pinned<'_>],
        base: &Url,
        folder: &LockedFolder,
        progress: &dyn Progress,
    ) -> Result<Vec<Outcome>> {
        let wanted: Vec<_> = selection.iter().map(|pinned| pinned.pin.digest).collect();
        folder.drop_partials_except(&wanted)?;
        progress.plan(selection.len(), selection.iter().map(|pinned| pinned.pin.size).sum());
        let run = artifact::Run {
            http: &self.http,
            runtime: self.runtime.handle().clone(),
            health: Default::default(),
            cache: self.cache.as_ref(),
            base,
            folder,
            progress,
        };
        // Artifacts with one digest have one partial and are fetched once: the others are its twins.
        let mut twins: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (place, pinned) in selection.iter().enumerate() {
            twins.entry(pinned.pin.digest).or_default().push(place);
        }
        let mut groups: Vec<Vec<usize>> = twins.into_values().collect();
        groups.sort();
        let sizes: Vec<u64> = groups.iter().map(|group| selection[group[0]].pin.size.unwrap_or(u64::MAX)).collect();
        let (done, failure) = self.at_once(&sizes, |group| provide_twins(&run, selection, &groups[group]));
        failure.map_or(Ok(()), Err)?;
        let mut outcomes: Vec<(usize, Outcome)> = done.into_iter().flatten().collect();
        outcomes.sort_by_key(|(place, _)| *place);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// Fetches `artifacts`, each with its place in the manifest, and says what their bytes are. The error
    /// beside the pins is of those that have none: they cannot be had, or are not what a digest they already
    /// have says.
    pub fn pin(
        &self,
        artifacts: &[(usize, &Artifact)],
        base: &Url,
        progress: &dyn Progress,
    ) -> (Vec<(usize, Descriptor)>, Option<Error>) {
        progress.plan(artifacts.len(), None);
        let pinning = pin::Pinning {
            http: &self.http,
            runtime: self.runtime.handle().clone(),
            health: Default::default(),
            cache: self.cache.as_ref(),
            base,
            progress,
        };
        self.at_once(&vec![0; artifacts.len()], |at| {
            let (place, artifact) = artifacts[at];
            Ok((place, pinning.pin(artifact)?))
        })
    }

    /// Does `work` for every place in `sizes`, the largest first, on [`Options::jobs`] threads: what was done,
    /// and the failures as one. After a failure the others go on; only a full disk stops them.
    fn at_once<T: Send>(&self, sizes: &[u64], work: impl Fn(usize) -> Result<T> + Sync) -> (Vec<T>, Option<Error>) {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(sizes[place]));
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let results: Mutex<Vec<Option<Result<T>>>> = Mutex::new(sizes.iter().map(|_| None).collect());
        std::thread::scope(|scope| {
            for _ in 0..self.http.options().jobs.clamp(1, sizes.len().max(1)) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                        let result = work(place);
                        if result.as_ref().is_err_and(is_disk_full) {
                            stop.store(true, Ordering::Relaxed);
                        }
                        results.lock().unwrap_or_else(|broken| broken.into_inner())[place] = Some(result);
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(|broken| broken.into_inner());
        let mut done = Vec::with_capacity(results.len());
        let mut failed: Vec<Error> = Vec::new();
        for result in results.into_iter().flatten() {
            match result {
                Ok(value) => done.push(value),
                Err(error) => failed.push(error),
            }
        }
        (done, all_in_one(failed))
    }
}

/// Provides artifacts with one digest; each has URLs of its own, and the first that is there serves the others.
fn provide_twins(run: &artifact::Run<'_>, selection: &[Pinned<'_>], group: &[usize]) -> Result<Vec<(usize, Outcome)>> {
    let mut twin: Option<PathBuf> = None;
    let mut done = Vec::with_capacity(group.len());
    let mut failed = Vec::new();
    for &place in group {
        match run.provide(&selection[place], twin.as_deref()) {
            Ok(outcome) => {
                twin = Some(run.folder.path_of(selection[place].name()));
                done.push((place, outcome));
            }
            Err(error) => failed.push((place, error)),
        }
    }
    if twin.is_none() {
        return all_in_one(failed.into_iter().map(|(_, error)| error).collect()).map_or(Ok(done), Err);
    }
    for (place, _) in failed {
        done.push((place, run.provide(&selection[place], twin.as_deref())?));
    }
    Ok(done)
}

fn is_disk_full(error: &Error) -> bool {
    matches!(error.io_kind(), Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

/// The worst of several errors, which names the others.
fn all_in_one(mut errors: Vec<Error>) -> Option<Error> {
    let worst = (0..errors.len()).max_by_key(|&at| (errors[at].class().exit_code(), std::cmp::Reverse(at)))?;
    let first = errors.remove(worst);
    Some(errors.iter().fold(first, |error, other| {
        let name = other.fact_named("artifact").unwrap_or("another artifact");
        error.fact("also failed", format_args!("{name}: {}", other.title()))
    }))
}
