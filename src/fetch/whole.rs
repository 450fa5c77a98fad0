//! Small files, wholly in memory: the manifest, and what lies beside it.

use std::io::Read;

use url::Url;

use super::fault::Fault;
use super::health::Health;
use super::http::{Ask, Http};
use super::local;
use super::plan::Source;
use super::redact;
use super::retry::Sources;
use super::seen::Seen;
use super::stale::Rung;
use crate::error::{Error, Result};

/// How much a small file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing goes on without it.
    Needed,
    /// It may be there or not; a server that refuses it, as many do with what is not there, has none.
    Optional,
    /// As [`Want::Optional`], and not worth a second try.
    Welcome,
}

/// Where a small file came from.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its URL, after redirects.
    pub url: Url,
    /// Who answered, where it came over the network.
    seen: Option<Seen>,
}

impl Place {
    /// On this machine.
    pub(super) fn of(url: &Url) -> Self {
        Place { url: url.clone(), seen: None }
    }

    /// Whether it came over the network.
    pub fn is_remote(&self) -> bool {
        self.seen.is_some()
    }

    /// Its URL as it may be shown.
    pub fn shown(&self) -> String {
        redact::shown(&self.url)
    }

    /// Adds who answered, and what that one says of the file's age, to an error.
    pub fn add_to(&self, error: Error) -> Error {
        match &self.seen {
            Some(seen) => seen.add_to(error),
            None => error,
        }
    }
}

/// All bytes of `url` and where they came from; `None` when it is not there. Caches are told to keep out of it on
/// every rung.
///
/// # Errors
/// It cannot be had, or has more than `limit` bytes.
pub(super) async fn get(
    http: &Http,
    url: &Url,
    limit: u64,
    want: Want,
    rung: Rung,
    note: &(dyn Fn(String) + Sync),
) -> Result<Option<(Vec<u8>, Place)>> {
    let Some(local) = local::at(url) else { return over_http(http, url, limit, want, rung, note).await };
    let shown = redact::shown(url);
    let reader = match local.open(&shown) {
        Err(fault) if fault.is_absence() => return Ok(None),
        other => other.map_err(Fault::into_error)?,
    };
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|cause| local.unreadable(&shown, cause))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(url, limit));
    }
    Ok(Some((bytes, Place::of(url))))
}

async fn over_http(
    http: &Http,
    url: &Url,
    limit: u64,
    want: Want,
    rung: Rung,
    note: &(dyn Fn(String) + Sync),
) -> Result<Option<(Vec<u8>, Place)>> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::usage("the URL cannot be used")
            .fact("url", redact::shown(url))
            .hint("use an http, https or file URL, or a path"));
    }
    let health = Health::default();
    let source = Source { url: url.clone(), party: url.origin().ascii_serialization() };
    let mut options = http.options().clone();
    if want == Want::Welcome {
        options.retries = 0;
    }
    let mut sources = Sources::new(vec![source], &health, &options, 0);
    while let Some(turn) = sources.next(note).await {
        match attempt(http, url, rung, limit).await {
            Ok(got) => return Ok(Some(got)),
            Err(Fault::Ours(error)) => return Err(error),
            Err(fault) if fault.is_absence() => return Ok(None),
            Err(fault) if fault.is_refusal() && want != Want::Needed => return Ok(None),
            Err(fault) => sources.failed(&turn, fault, 0, note),
        }
    }
    Err(sources.into_error())
}

async fn attempt(http: &Http, url: &Url, rung: Rung, limit: u64) -> Result<(Vec<u8>, Place), Fault> {
    let asked = rung.url(url);
    // No digest tells yesterday's manifest from today's: caches are told to keep out of it from the start.
    let ask = Ask { past_caches: true, ..Ask::default() };
    let mut answer = http.get(&asked, &ask).await?;
    if let Some(coding) = answer.coding() {
        let error = Error::failed("the server sent the file in a coding that was not asked for")
            .fact("content-encoding", coding)
            .hint("turn that off on the server for this file, or give another URL");
        return Err(Fault::Ours(answer.seen.add_to(error)));
    }
    if answer.total.is_some_and(|total| total > limit) {
        return Err(Fault::Ours(too_large(url, limit)));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = answer.piece().await? {
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(Fault::Ours(too_large(url, limit)));
        }
        bytes.extend_from_slice(&piece);
    }
    let url = Rung::stripped(answer.url().clone());
    Ok((bytes, Place { url, seen: Some(answer.seen) }))
}

fn too_large(url: &Url, limit: u64) -> Error {
    Error::failed("the file is too large for what it should be")
        .fact("url", redact::shown(url))
        .fact("limit", format_args!("{limit} bytes"))
        .hint("check that the URL is right")
}
