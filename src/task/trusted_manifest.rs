//! A manifest fetched from a URL, with its signature: nothing in it counts before every check has passed.
//!
//! A manifest that is refused may be an old one, held back by a cache that ignores `no-cache`. Then it is requested
//! again, under URLs that no cache knows.

use url::Url;

use super::signed::Signed;
use super::trust::Trust;
use crate::error::{Class, Error, Result, printable};
use crate::fetch::{CacheBypass, Document, DocumentRequest, Fetcher, Lookup};
use crate::language::tr;
use crate::manifest::{Limits, Manifest};
use crate::progress::Progress;
use crate::signature::{EXTENSION, LIMIT, is_signature};

/// A manifest that passed every check that was asked for.
#[derive(Debug)]
pub struct TrustedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// What its relative URLs resolve against.
    pub base: Url,
    /// Its URL as it may be shown, after redirects.
    pub shown: String,
    /// Who signed it.
    pub signed: Signed,
    /// The signature; `None` also where what lies in its place is none.
    pub signature: Option<String>,
}

/// A manifest and a signature as they were received.
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

/// Says whether a manifest may take the place of what is there.
pub type Accept<'a> = &'a (dyn Fn(&Manifest) -> Result<()> + Sync);

impl TrustedManifest {
    /// Fetches the manifest at `url`, and its signature where there is one. `accept` says whether it may take the place
    /// of what is there. Each attempt that fails is a note.
    ///
    /// # Errors
    /// It cannot be had, is not valid, or `trust` or `accept` refuses it.
    pub fn fetch(
        trust: &Trust,
        fetcher: &Fetcher,
        url: &Url,
        accept: Accept<'_>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        Fetching { trust, fetcher, url, accept, progress }.run()
    }
}

/// A manifest on its way.
struct Fetching<'a> {
    trust: &'a Trust,
    fetcher: &'a Fetcher,
    url: &'a Url,
    accept: Accept<'a>,
    progress: &'a dyn Progress,
}

impl Fetching<'_> {
    fn run(&self) -> Result<TrustedManifest> {
        let had = self.ask(CacheBypass::NoCache)?;
        let refused = match self.judge(&had) {
            Ok(judged) => return Ok(had.trusted(judged)),
            Err(refused) if refused.perhaps_stale && had.manifest.source.is_remote() => refused,
            Err(refused) => return Err(refused.error),
        };
        self.note(&tr!("{}: asking again, under URLs that no cache knows", refused.error.title()));
        if let Ok(again) = self.ask(CacheBypass::UniqueUrl)
            && let Ok(judged) = self.judge(&again)
        {
            return Ok(again.trusted(judged));
        }
        // The first refusal is the one to report: to a query that it does not know a server may answer anything.
        Err(had.explain(refused.error))
    }

    fn note(&self, line: &str) {
        self.progress.note(&format!("manifest: {line}"));
    }

    /// The manifest and what there is of a signature, unread and unchecked.
    fn ask(&self, bypass: CacheBypass) -> Result<Had> {
        let notes = |line: String| self.note(&line);
        let limit = Limits::DEFAULT.manifest_bytes;
        let request = DocumentRequest { url: self.url, limit, bypass, notes: &notes };
        let manifest = self.fetcher.manifest(request)?;
        let signature = match (self.ask_signature(request, &manifest.source.url), &self.trust.key) {
            (found, Some(_)) => found?,
            // Without a key nothing depends on it; it only travels along.
            (Ok(found), None) => {
                if let Some((_, other)) = found.as_ref().filter(|(text, _)| !is_signature(text)) {
                    self.note(&tr!("what lies in the signature's place is none: {}", what_it_is(other)));
                }
                found
            }
            (Err(error), None) => {
                self.note(&tr!("nobody can say whether it is signed: {}", error.title()));
                None
            }
        };
        Ok(Had { manifest, signature })
    }

    /// The signature beside the manifest; where there is none, beside where a redirect led (`base`). A file that is not
    /// a signature (a page that says so, with a status of success) is returned only when nothing else is there.
    ///
    /// # Errors
    /// No server can say whether there is one: no answer, or one that denies access.
    fn ask_signature(&self, manifest: DocumentRequest<'_>, base: &Url) -> Result<Option<(String, Document)>> {
        let mut places = vec![beside(self.url)];
        if base != self.url {
            // The query of a redirect's target is often a signature of its very path, and lets nothing else in.
            let mut bare = base.clone();
            bare.set_query(None);
            places.push(beside(&bare));
        }
        let (mut found, mut denied) = (None, None);
        for place in &places {
            let document = match self.fetcher.document(DocumentRequest { url: place, limit: LIMIT, ..manifest })? {
                Lookup::Found(document) => *document,
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

    /// The manifest, if every check passes: nothing of it is read before its signature is right.
    fn judge(&self, had: &Had) -> Result<(Manifest, Signed), Refused> {
        let Document { bytes, source } = &had.manifest;
        let signature = had.signature.as_ref().map(|(text, _)| text.as_str());
        let signed = self.trust.check_signature(bytes, signature, self.url.path())?;
        // Cut short, or a page that says to come back later.
        let broken = |error| Refused { error, perhaps_stale: true };
        let manifest = Manifest::from_bytes(bytes.clone(), &source.shown()).map_err(broken)?;
        (self.accept)(&manifest)?;
        self.trust.check_expiry(&manifest, self.progress)?;
        if let Some(other) = signed.of_another(&manifest) {
            self.note(&tr!("the signature beside it is of {other}, not of {}", Signed::comment_for(&manifest), other));
        }
        Ok((manifest, signed))
    }
}

impl Had {
    fn trusted(self, (manifest, signed): (Manifest, Signed)) -> TrustedManifest {
        let shown = self.manifest.source.shown();
        TrustedManifest {
            manifest,
            shown,
            signed,
            base: self.manifest.source.url,
            signature: self.signature.map(|(text, _)| text).filter(|text| is_signature(text)),
        }
    }

    /// Adds to an error who answered with the two.
    fn explain(&self, error: Error) -> Error {
        let signature = self.signature.as_ref().map(|(_, document)| document);
        let documents = [&self.manifest].into_iter().chain(signature);
        documents.fold(error, |error, document| document.source.add_to(error))
    }
}

/// Who sent a document and what it is, where it is not what was asked for.
fn what_it_is(document: &Document) -> String {
    let (from, size) = (document.source.shown(), document.bytes.len());
    let kind = document.source.media_type().map(|kind| format!(", {kind}")).unwrap_or_default();
    printable(&format!("{from} ({size} bytes{kind})"))
}

/// The manifest's own name, whatever it is, with the signature's ending.
fn beside(manifest: &Url) -> Url {
    let mut beside = manifest.clone();
    beside.set_path(&format!("{}.{EXTENSION}", manifest.path()));
    beside.set_fragment(None);
    beside
}
