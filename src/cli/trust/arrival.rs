//! A manifest as it comes from afar, with its signature: nothing in it counts before every check has passed. What an
//! old manifest would be refused for, a cache that obeys nobody may be the reason of: then it is asked for once more,
//! under URLs that no cache knows.

use url::Url;

use super::{Terminal, Trust, check};
use crate::error::{Class, Error, Result};
use crate::fetch::{CacheBypass, Document, DocumentRequest, Fetcher, Lookup};
use crate::manifest::{Limits, Manifest};
use crate::signature::{EXTENSION, LIMIT, is_signature};

/// A manifest that passed every check that was asked for.
pub(in crate::cli) struct Trusted {
    /// The manifest.
    pub(in crate::cli) manifest: Manifest,
    /// What its relative URLs resolve against.
    pub(in crate::cli) base: Url,
    /// The signature that was checked.
    pub(in crate::cli) signature: Option<String>,
}

/// A manifest and a signature as they came, each with its place.
struct Had {
    manifest: Document,
    signature: Option<(String, Document)>,
}

/// Why a manifest is refused.
struct Refused {
    error: Error,
    /// An older one in a cache would be refused in the same way.
    perhaps_stale: bool,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let perhaps_stale = error.class() == Class::Integrity;
        Refused { error, perhaps_stale }
    }
}

impl Trust {
    /// The manifest at `url`, its base URL, and its signature where there is one: fetched, and checked as asked
    /// for before anything else is. `accept` says whether it may take the place of what is there.
    pub(in crate::cli) fn fetch(
        &self,
        fetcher: &Fetcher,
        url: &Url,
        accept: &dyn Fn(&Manifest) -> Result<()>,
        terminal: &Terminal,
    ) -> Result<Trusted> {
        let note = |line: String| terminal.note(&format!("manifest: {line}"));
        let judge = |had: &Had| self.judge(had, url, accept, terminal);
        let had = self.ask(fetcher, request(url, CacheBypass::NoCache, &note))?;
        let refused = match judge(&had) {
            Ok(manifest) => return Ok(had.trusted(manifest)),
            Err(refused) if refused.perhaps_stale && had.manifest.source.is_remote() => refused,
            Err(refused) => return Err(refused.error),
        };
        note(format!("{}: asking again, under URLs that no cache knows", refused.error.title()));
        if let Ok(again) = self.ask(fetcher, request(url, CacheBypass::UniqueUrl, &note))
            && let Ok(manifest) = judge(&again)
        {
            return Ok(again.trusted(manifest));
        }
        // What else came of it is no better told: to a query that it does not know a server may answer anything.
        Err(had.told(refused.error))
    }

    /// The manifest at `url` and what there is of a signature, unread and unchecked.
    fn ask(&self, fetcher: &Fetcher, request: DocumentRequest<'_>) -> Result<Had> {
        let manifest = fetcher.manifest(request)?;
        let signature = match (fetch_signature(fetcher, request, &manifest.source.url), &self.key) {
            (found, Some(_)) => found?,
            // Without a key it just travels along.
            (Ok(found), None) => found.filter(|(text, _)| is_signature(text)),
            (Err(error), None) => {
                (request.notes)(format!("whether it is signed is not known: {}", error.title()));
                None
            }
        };
        Ok(Had { manifest, signature })
    }

    /// The manifest, if every check passes: nothing of it is read before its signature is right.
    fn judge(
        &self,
        had: &Had,
        url: &Url,
        accept: &dyn Fn(&Manifest) -> Result<()>,
        terminal: &Terminal,
    ) -> Result<Manifest, Refused> {
        let Document { bytes, source } = &had.manifest;
        let signature = had.signature.as_ref().map(|(text, _)| text.as_str());
        check(self.key(), bytes, signature, url.path())?;
        // Cut short, or a page that says to come back later.
        let broken = |error| Refused { error, perhaps_stale: true };
        let manifest = Manifest::from_bytes(bytes.clone(), &source.shown()).map_err(broken)?;
        accept(&manifest)?;
        self.check_expiry(&manifest, terminal)?;
        Ok(manifest)
    }
}

impl Had {
    fn trusted(self, manifest: Manifest) -> Trusted {
        Trusted { manifest, base: self.manifest.source.url, signature: self.signature.map(|(text, _)| text) }
    }

    /// Adds to an error who answered with the two.
    fn told(&self, error: Error) -> Error {
        let signature = self.signature.as_ref().map(|(_, document)| document);
        let documents = [&self.manifest].into_iter().chain(signature);
        documents.fold(error, |error, document| document.source.add_to(error))
    }
}

/// The signature beside the manifest at `url`; where there is none, beside where a redirect led (`base`). One
/// that is none (a page that says so, with a status of success) is given back only when nothing else is there.
///
/// # Errors
/// Nobody can say whether there is one: no answer, or one that denies access.
fn fetch_signature(fetcher: &Fetcher, manifest: DocumentRequest<'_>, base: &Url) -> Result<Option<(String, Document)>> {
    let mut places = vec![beside(manifest.url)];
    if base != manifest.url {
        // The query of a redirect's target is often a signature of its very path, and lets nothing else in.
        let mut bare = base.clone();
        bare.set_query(None);
        places.push(beside(&bare));
    }
    let mut found = None;
    let mut denied = None;
    for place in &places {
        let document = match fetcher.document(DocumentRequest { url: place, limit: LIMIT, ..manifest })? {
            Lookup::Found(document) => document,
            Lookup::Absent => continue,
            Lookup::Denied(error) => {
                denied = denied.or(Some(error));
                continue;
            }
        };
        let text = String::from_utf8_lossy(&document.bytes).into_owned();
        if is_signature(&text) {
            return Ok(Some((text, document)));
        }
        found = found.or(Some((text, document)));
    }
    match (found, denied) {
        (None, Some(error)) => Err(error),
        (found, _) => Ok(found),
    }
}

/// A request for the manifest.
fn request<'a>(url: &'a Url, bypass: CacheBypass, notes: &'a (dyn Fn(String) + Sync)) -> DocumentRequest<'a> {
    DocumentRequest { url, limit: Limits::DEFAULT.manifest_bytes, bypass, notes }
}

/// The manifest's own name, whatever it is, with the signature's ending.
fn beside(manifest: &Url) -> Url {
    let mut beside = manifest.clone();
    beside.set_path(&format!("{}.{EXTENSION}", manifest.path()));
    beside.set_fragment(None);
    beside
}
