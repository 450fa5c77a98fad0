//! Fetching artifacts over networks that drop, stall, lie and cache.
//!
//! The only user of the network and the only async code. One thread per artifact checks, writes and hashes; the runtime's
//! threads move bytes between it and the sockets. So a slow disk never delays another artifact's connection, and no state
//! is shared.
//!
//! Three things are fetched, each a `schedule::Target`: pinned artifacts, artifacts to be pinned, and documents. One
//! driver, `schedule::SourceQueue::drive`, takes each of them from source to source:
//!
//! ```text
//!            ┌──────────────── next round, after a pause ───────────────┐
//!            ▼                                                          │
//!   next source ──▶ try ──▶ right ───────────────────────────▶ done     │
//!    ▲   │ none left │                                                  │
//!    │   ▼           ├─ transient, progress ──▶ the same source again   │
//!    │ failed:       ├─ transient, no progress ─▶ waits for ────────────┘
//!    │ the worst     ├─ range refused ────────▶ the same source, whole files only
//!    │ error         ├─ wrong, of several responses ─▶ the same source, once, over one connection
//!    │               ├─ wrong ────────────────▶ the same source, past its caches; then exhausted
//!    │               ├─ no retry can help ────▶ exhausted
//!    └───────────────┴─ a fault of ours ──────▶ failed at once
//! ```
//!
//! | module | purpose |
//! | --- | --- |
//! | `artifact`, `pinned`, `local` | a pinned artifact: present, in the cache, on this machine, or from a source |
//! | `lock`, `tags`, `unusable` | an artifact without a digest, for the publisher |
//! | `check` | what each source of a pinned artifact has now, for the publisher |
//! | `registry` | an image from a registry, as an archive: a source of both |
//! | `document` | the manifest and other small files, in memory |
//! | `sources`, `schedule`, `pauses`, `host_state` | which source is next, and when |
//! | `transfer` | one try: one connection or several |
//! | `http`, `proxy`, `credentials`, `netrc`, `throttle` | one request and its redirects |
//! | `cacert`, `certificate`, `verifier`, `tls` | which servers are trusted, and why one is not |
//! | `response`, `response_head` | a head, a body, a stall |
//! | `cache_bypass`, `diagnose` | wrong content: how to get past caches, and what it is for the error |
//! | `error` | all that can go wrong, and the one place that says transient or fatal |
//! | `redact` | URLs without secrets |

mod artifact;
mod cacert;
mod cache_bypass;
mod certificate;
mod check;
mod cosign_key;
mod counting;
mod credentials;
mod diagnose;
mod document;
mod error;
mod host_state;
mod http;
mod local;
mod lock;
mod netrc;
mod options;
mod pauses;
mod pinned;
mod promise;
mod proxy;
mod redact;
mod registry;
mod response;
mod response_head;
mod run;
mod schedule;
mod sources;
mod tags;
mod throttle;
mod tls;
mod transfer;
mod unusable;
mod verifier;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;
use tokio::runtime::Runtime;
use url::Url;

pub use cache_bypass::CacheBypass;
pub use check::{Has, SourceNow};
pub use cosign_key::CosignKey;
pub use document::{Document, DocumentRequest, DocumentSource, Lookup};
pub use lock::FetchedPin;
pub use options::{Options, RegistryMirror};
pub use tags::ResolvedTag;

use check::ToAsk;
use run::{DownloadRun, Run};

use crate::cache::Cache;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Artifact, Pinned, builtin};
use crate::progress::Progress;
use crate::release::LockedFolder;
use crate::workers;

/// How an artifact got into its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was present already, with the right bytes.
    Kept,
    /// It was missing.
    Fetched,
    /// Another file had its name.
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

/// The result for one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// How it got there.
    pub how: How,
    /// Its size in bytes.
    pub size: u64,
    /// Whether its bytes came from the cache.
    pub from_cache: bool,
    /// Bytes of bodies received over the network for it, those of failed tries too.
    pub wire_bytes: u64,
    /// The URL of its source, without secrets; `None` if no source was needed.
    pub url: Option<String>,
}

/// Fetches artifacts and documents. Owns the runtime and the connections; every method blocks until it is done.
pub struct Fetcher {
    runtime: Runtime,
    http: http::Http,
    cache: Option<Cache>,
}

impl Fetcher {
    /// Starts the runtime's threads.
    ///
    /// # Errors
    /// The certificates in [`Options::cacert`] cannot be read, or the system has no threads left.
    pub fn new(options: Options) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers::cores().min(4))
            .thread_name("network")
            .enable_all()
            .build()
            .map_err(|cause| Error::failed("the network cannot be used").fact("cause", &cause).caused_by(cause))
            .map_err(|error| error.hint("the system may have no threads left: see 'ulimit -u', then try again"))?;
        let cache = options.cache.clone().map(Cache::at);
        Ok(Fetcher { runtime, http: http::Http::new(options)?, cache })
    }

    /// Fetches the manifest (its URL's scheme is `http`, `https`, `file`, or that of [`builtin::BASE`]) without reading
    /// it. Its relative URLs resolve against the URL in its source.
    ///
    /// # Errors
    /// It does not exist or cannot be fetched.
    pub fn manifest(&self, request: DocumentRequest<'_>) -> Result<Document> {
        if request.url.as_str() == builtin::BASE {
            return Ok(Document { bytes: builtin::text().into(), source: DocumentSource::local(request.url) });
        }
        match self.document(request)? {
            Lookup::Found(document) => Ok(*document),
            Lookup::Denied(error) => Err(error),
            Lookup::Absent => Err(Error::failed("there is no manifest at this place")
                .fact("url", redact::shown(request.url))
                .hint("check the URL or the path; its last part is usually manifest.json")),
        }
    }

    /// Fetches a small file, such as a signature, that need not exist.
    ///
    /// # Errors
    /// It cannot be fetched, or has more bytes than the request allows. A failure is never taken for absence.
    pub fn document(&self, request: DocumentRequest<'_>) -> Result<Lookup> {
        self.runtime.block_on(document::get(&self.http, request))
    }

    /// The absolute URLs of `artifact` of the manifest at `base`, for downloads by hand; mirrors too, best first. Unless
    /// `whole`, they have no user, no password and no values in their queries, which may be signatures.
    ///
    /// # Errors
    /// A URL is invalid, or a manifest from the network names a file of this machine.
    pub fn urls(&self, artifact: &Artifact, base: &Url, whole: bool) -> Result<Vec<String>> {
        let sources = sources::sources(artifact, base, self.http.options())?;
        let by_hand = |url: &Url| if whole { url.to_string() } else { redact::shown(&redact::bare(url)) };
        Ok(sources.iter().map(|source| by_hand(&source.url)).collect())
    }

    /// Puts every artifact of `selection` into `folder`. No request is sent for one that is
    /// right already. Returns outcomes in the selection's order. The manifest is not written.
    ///
    /// # Errors
    /// An artifact cannot be fetched. The others are fetched all the same, unless the disk is full.
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
        let download = DownloadRun { run: self.run(base, progress), folder };
        // Artifacts with one digest have one partial and are fetched once; the others are its twins.
        let mut twins: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (place, pinned) in selection.iter().enumerate() {
            twins.entry(pinned.pin.digest).or_default().push(place);
        }
        let mut groups: Vec<Vec<usize>> = twins.into_values().collect();
        groups.sort();
        let sizes: Vec<u64> = groups.iter().map(|group| selection[group[0]].pin.size.unwrap_or(u64::MAX)).collect();
        let (done, failed) = self.at_once(&sizes, |group| provide_twins(&download, selection, &groups[group]));
        let name = |group: usize| selection[groups[group][0]].name().to_string();
        all_in_one(failed, name).map_or(Ok(()), Err)?;
        let mut outcomes: Vec<(usize, Outcome)> = done.into_iter().flatten().collect();
        outcomes.sort_by_key(|(place, _)| *place);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// Fetches `artifacts` and returns their sizes and digests, in that order. The error beside the pins is of those
    /// without one: they cannot be fetched, or do not have the digest that is pinned already.
    pub fn pin(&self, artifacts: &[Artifact], base: &Url, progress: &dyn Progress) -> (Vec<FetchedPin>, Option<Error>) {
        progress.plan(artifacts.len(), None);
        let run = self.run(base, progress);
        let (pins, failed) = self.at_once(&vec![0; artifacts.len()], |at| run.pin(&artifacts[at]));
        (pins, all_in_one(failed, |at| artifacts[at].id.to_string()))
    }

    /// Asks every source of each artifact what it has now, and returns that, in the artifacts' order.
    ///
    /// # Errors
    /// A URL cannot be used.
    pub fn ask(&self, artifacts: &[&Artifact], base: &Url, progress: &dyn Progress) -> Result<Vec<Vec<SourceNow>>> {
        let run = self.run(base, progress);
        let mut sources = Vec::new();
        for (place, artifact) in artifacts.iter().enumerate() {
            sources.extend(ToAsk::of(artifact, &run)?.into_iter().map(|source| (place, source)));
        }
        progress.plan(sources.len(), None);
        // No answer is a result too.
        let (answers, _) = self.at_once(&vec![0; sources.len()], |at| {
            let (place, source) = &sources[at];
            Ok((*place, run.ask(artifacts[*place], artifacts[*place].pin, source)))
        });
        let mut all: Vec<Vec<SourceNow>> = artifacts.iter().map(|_| Vec::new()).collect();
        answers.into_iter().for_each(|(place, answer)| all[place].push(answer));
        Ok(all)
    }

    fn run<'a>(&'a self, base: &'a Url, progress: &'a dyn Progress) -> Run<'a> {
        if let Some(fault) = self.http.netrc_fault() {
            progress.note(fault);
        }
        Run {
            http: &self.http,
            runtime: self.runtime.handle().clone(),
            hosts: Default::default(),
            cache: self.cache.as_ref(),
            registries: Default::default(),
            base,
            progress,
        }
    }

    /// Does `work` for every place in `sizes`, the largest first, on [`Options::jobs`] threads. Returns the results, and
    /// the failures with their places. After a failure the others go on, unless the disk is full.
    fn at_once<T: Send>(
        &self,
        sizes: &[u64],
        work: impl Fn(usize) -> Result<T> + Sync,
    ) -> (Vec<T>, Vec<(usize, Error)>) {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(sizes[place]));
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let results: Mutex<Vec<Option<Result<T>>>> = Mutex::new(sizes.iter().map(|_| None).collect());
        let one_after_another = || {
            while !stop.load(Ordering::Relaxed) {
                let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                let result = work(place);
                if result.as_ref().is_err_and(is_disk_full) {
                    stop.store(true, Ordering::Relaxed);
                }
                results.lock().unwrap_or_else(|broken| broken.into_inner())[place] = Some(result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.http.options().jobs.clamp(1, sizes.len().max(1)) {
                // With fewer threads than asked for it only takes longer.
                if std::thread::Builder::new().spawn_scoped(scope, one_after_another).is_err() {
                    break;
                }
            }
            one_after_another();
        });
        let results = results.into_inner().unwrap_or_else(|broken| broken.into_inner());
        let mut done = Vec::with_capacity(results.len());
        let mut failed = Vec::new();
        for (place, result) in results.into_iter().enumerate() {
            match result {
                Some(Ok(value)) => done.push(value),
                Some(Err(error)) => failed.push((place, error)),
                None => {}
            }
        }
        (done, failed)
    }
}

/// Provides artifacts with one digest. Each has URLs of its own; the first that is present is copied to the others.
fn provide_twins(
    download: &DownloadRun<'_>,
    selection: &[Pinned<'_>],
    group: &[usize],
) -> Result<Vec<(usize, Outcome)>> {
    let mut twin: Option<PathBuf> = None;
    let mut done = Vec::with_capacity(group.len());
    let mut failed = Vec::new();
    for &place in group {
        match download.provide(&selection[place], twin.as_deref()) {
            Ok(outcome) => {
                twin = Some(download.folder.path_of(selection[place].name()));
                done.push((place, outcome));
            }
            Err(error) => failed.push((place, error)),
        }
    }
    if twin.is_none() {
        return all_in_one(failed, |place| selection[place].name().to_string()).map_or(Ok(done), Err);
    }
    for (place, _) in failed {
        done.push((place, download.provide(&selection[place], twin.as_deref())?));
    }
    Ok(done)
}

fn is_disk_full(error: &Error) -> bool {
    matches!(error.io_kind(), Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

/// The worst of several errors, with the titles of the others.
fn all_in_one(mut failed: Vec<(usize, Error)>, name: impl Fn(usize) -> String) -> Option<Error> {
    let key = |&at: &usize| (failed[at].1.class().exit_code(), std::cmp::Reverse(at));
    let worst = (0..failed.len()).max_by_key(key)?;
    let (_, first) = failed.remove(worst);
    Some(failed.iter().fold(first, |error, (place, other)| {
        error.fact("also failed", format_args!("{}: {}", name(*place), other.title()))
    }))
}
