//! A manifest as it comes from afar, with its signature: nothing in it counts before every check has passed. What an
//! old manifest would be refused for, a cache that obeys nobody may be the reason of: then it is asked for once more,
//! under URLs that no cache knows.

use url::Url;

use super::{Terminal, Trust, check};
use crate::error::{Class, Error, Result};
use crate::fetch::{Fetcher, Place, Rung, Want};
use crate::manifest::Manifest;
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
    manifest: (Vec<u8>, Place),
    signature: Option<(String, Place)>,
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
        let had = self.ask(fetcher, url, Rung::NoCache, &note)?;
        let refused = match judge(&had) {
            Ok(manifest) => return Ok(had.trusted(manifest)),
            Err(refused) if refused.perhaps_stale && had.manifest.1.is_remote() => refused,
            Err(refused) => return Err(refused.error),
        };
        note(format!("{}: asking again, under URLs that no cache knows", refused.error.title()));
        if let Ok(again) = self.ask(fetcher, url, Rung::Fresh, &note)
            && let Ok(manifest) = judge(&again)
        {
            return Ok(again.trusted(manifest));
        }
        // What else came of it is no better told: to a query that it does not know a server may answer anything.
        Err(had.told(refused.error))
    }

    /// The manifest at `url` and what there is of a signature, unread and unchecked.
    fn ask(&self, fetcher: &Fetcher, url: &Url, rung: Rung, note: &(dyn Fn(String) + Sync)) -> Result<Had> {
        let manifest = fetcher.manifest(url, rung, note)?;
        let signature = |want| fetch_signature(fetcher, url, &manifest.1.url, want, rung, note);
        let signature = match self.key {
            Some(_) => signature(Want::Optional)?,
            // Whether there is one matters only to whoever gave a key; else it just travels along.
            None => signature(Want::Welcome).unwrap_or_default().filter(|(text, _)| is_signature(text)),
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
        let (bytes, place) = &had.manifest;
        let signature = had.signature.as_ref().map(|(text, _)| text.as_str());
        check(self.key(), bytes, signature, url.path())?;
        // Cut short, or a page that says to come back later.
        let broken = |error| Refused { error, perhaps_stale: true };
        let manifest = Manifest::from_bytes(bytes.clone(), &place.shown()).map_err(broken)?;
        accept(&manifest)?;
        self.check_expiry(&manifest, terminal)?;
        Ok(manifest)
    }
}

impl Had {
    fn trusted(self, manifest: Manifest) -> Trusted {
        Trusted { manifest, base: self.manifest.1.url, signature: self.signature.map(|(text, _)| text) }
    }

    /// Adds to an error who answered with the two.
    fn told(&self, error: Error) -> Error {
        let places = [&self.manifest.1].into_iter().chain(self.signature.as_ref().map(|(_, place)| place));
        places.fold(error, |error, place| place.add_to(error))
    }
}

/// The signature beside the manifest at `url`; where there is none, beside where a redirect led (`base`). One
/// that is none (a page that says so, with a status of success) is given back only when nothing else is there.
fn fetch_signature(
    fetcher: &Fetcher,
    url: &Url,
    base: &Url,
    want: Want,
    rung: Rung,
    note: &(dyn Fn(String) + Sync),
) -> Result<Option<(String, Place)>> {
    let mut places = vec![beside(url)];
    if base != url {
        // The query of a redirect's target is often a signature of its very path, and lets nothing else in.
        let mut bare = base.clone();
        bare.set_query(None);
        places.push(beside(&bare));
    }
    let mut found = None;
    for place in places {
        let Some((bytes, place)) = fetcher.bytes(&place, LIMIT, want, rung, note)? else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if is_signature(&text) {
            return Ok(Some((text, place)));
        }
        found = found.or(Some((text, place)));
    }
    Ok(found)
}

/// The manifest's own name, whatever it is, with the signature's ending.
fn beside(manifest: &Url) -> Url {
    let mut beside = manifest.clone();
    beside.set_path(&format!("{}.{EXTENSION}", manifest.path()));
    beside.set_fragment(None);
    beside
}
