//! Whether a manifest may be used: its signature, its date, and what it would replace.

use std::fs::File;
use std::io::Read;

use clap::Args;
use jiff::Timestamp;
use url::Url;

use super::terminal::Terminal;
use crate::bundle::Bundle;
use crate::error::{Error, IoContext, Result};
use crate::fetch::{Fetcher, Place, Rung, Want};
use crate::folder::Folder;
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME, succession};
use crate::signature::{EXTENSION, LIMIT, PublicKey, is_signature};

/// Which publisher to trust.
#[derive(Args)]
pub(super) struct KeyArgs {
    /// Refuse a manifest that is not signed with this key (minisign's format)
    #[arg(long, value_name = "KEY|FILE")]
    pubkey: Option<String>,
    /// Refuse a manifest whose date of expiry has passed, instead of warning
    #[arg(long)]
    strict: bool,
}

impl KeyArgs {
    /// What was asked for, with the key, which may come out of a pipe: it is read here and once.
    pub(super) fn read(&self) -> Result<Trust> {
        let key = self.pubkey.as_deref().map(PublicKey::parse).transpose()?;
        Ok(Trust { key, strict: self.strict })
    }
}

/// What a manifest must stand up to.
pub(super) struct Trust {
    key: Option<PublicKey>,
    strict: bool,
}

impl Trust {
    /// The key to trust, where one was given.
    pub(super) fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// The manifest at `url`, its base URL, and its signature where there is one: fetched, and checked as
    /// asked for before anything else is.
    pub(super) fn fetch(&self, fetcher: &Fetcher, url: &Url, terminal: &Terminal) -> Result<Trusted> {
        let note = |line: String| terminal.note(&format!("manifest: {line}"));
        let mut had = self.ask(fetcher, url, Rung::NoCache, &note)?;
        if let Err(error) = had.check(self.key(), url) {
            if had.signature.is_none() {
                return Err(error);
            }
            // A cache that obeys nobody may hold yesterday's one of the two beside today's other.
            note(format!("{}: asking again, under URLs that no cache knows", error.title()));
            had = match self.ask(fetcher, url, Rung::Fresh, &note) {
                Ok(again) if again.signature.is_some() => again,
                // It lets no other query in: that says nothing about the two.
                _ => return Err(error),
            };
            had.check(self.key(), url)?;
        }
        self.check_expiry(&had.manifest, terminal)?;
        let signature = had.signature.map(|(text, _)| text);
        Ok(Trusted { manifest: had.manifest, base: had.place.url, signature })
    }

    /// The manifest at `url` and what there is of a signature, unchecked.
    fn ask(&self, fetcher: &Fetcher, url: &Url, rung: Rung, note: &(dyn Fn(String) + Sync)) -> Result<Had> {
        let (manifest, place) = fetcher.manifest(url, rung, note)?;
        let signature = |want| fetch_signature(fetcher, url, &place.url, want, rung, note);
        let signature = match self.key {
            Some(_) => signature(Want::Optional)?,
            // Whether there is one matters only to whoever gave a key; else it just travels along.
            None => signature(Want::Welcome).unwrap_or_default().filter(|(text, _)| is_signature(text)),
        };
        Ok(Had { manifest, place, signature })
    }

    /// Checks the manifest of a folder as asked for.
    pub(super) fn check_folder(&self, folder: &Folder, manifest: &Manifest, terminal: &Terminal) -> Result<()> {
        let path = folder.root().join(SIGNATURE_NAME);
        // Without a key it is nobody's business here.
        let signature = if self.key.is_some() && path.is_file() {
            let mut bytes = Vec::new();
            let read = File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
            read.doing("read the signature", &path)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            None
        };
        let signed = folder.root().join(FILE_NAME).display().to_string();
        check(self.key(), manifest.text().as_bytes(), signature.as_deref(), &signed)?;
        self.check_expiry(manifest, terminal)
    }

    /// Checks the manifest of a bundle as asked for.
    pub(super) fn check_bundle(&self, bundle: &Bundle, manifest: &Manifest, terminal: &Terminal) -> Result<()> {
        let signature = match bundle.index().entry(SIGNATURE_NAME) {
            Some(entry) => Some(String::from_utf8_lossy(&bundle.content(entry, LIMIT)?).into_owned()),
            None => None,
        };
        let signed = format!("{FILE_NAME} in {}", bundle.path().display());
        check(self.key(), manifest.text().as_bytes(), signature.as_deref(), &signed)?;
        self.check_expiry(manifest, terminal)
    }

    /// Warns of a manifest whose date has passed, or refuses it, as asked for.
    pub(super) fn check_expiry(&self, manifest: &Manifest, terminal: &Terminal) -> Result<()> {
        let Some(expires) = manifest.expires().filter(|expires| *expires < Timestamp::now()) else { return Ok(()) };
        if self.strict {
            return Err(Error::integrity("the manifest has expired")
                .fact("version", manifest.version())
                .fact("expired", expires)
                .hint("ask the publisher for a newer one: a cache or mirror may be holding it back"));
        }
        terminal.note(&format!("the manifest of {} {} expired at {expires}", manifest.name(), manifest.version()));
        Ok(())
    }
}

/// A manifest and a signature as they came, each with its place.
struct Had {
    manifest: Manifest,
    place: Place,
    signature: Option<(String, Place)>,
}

impl Had {
    /// Checks that they belong together; the error tells who answered with them.
    fn check(&self, key: Option<&PublicKey>, url: &Url) -> Result<()> {
        let signature = self.signature.as_ref().map(|(text, _)| text.as_str());
        check(key, self.manifest.text().as_bytes(), signature, url.path()).map_err(|error| {
            let places = [&self.place].into_iter().chain(self.signature.as_ref().map(|(_, place)| place));
            places.fold(error, |error, place| place.add_to(error))
        })
    }
}

/// A manifest that passed every check that was asked for.
pub(super) struct Trusted {
    /// The manifest.
    pub(super) manifest: Manifest,
    /// What its relative URLs resolve against.
    pub(super) base: Url,
    /// The signature that was checked.
    pub(super) signature: Option<String>,
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

fn check(key: Option<&PublicKey>, content: &[u8], signature: Option<&str>, what: &str) -> Result<()> {
    match (key, signature) {
        (None, _) => Ok(()),
        (Some(key), None) => Err(key.unsigned(what)),
        (Some(key), Some(signature)) => key.verify(content, signature, what).map(drop),
    }
}

/// Checks that `new` may take the place of what is in the folder: of another product never, of a newer
/// version or other content of the same one only with `allow_downgrade`.
pub(super) fn check_succession(folder: &Folder, new: &Manifest, allow_downgrade: bool) -> Result<Option<Manifest>> {
    let old = folder.manifest().map_err(|error| {
        let path = folder.root().join(FILE_NAME);
        error.fact("folder", folder.root().display()).hint(format_args!(
            "what the folder holds cannot be told: remove {} and run the same command again; artifacts that are \
             right stay and are not fetched again",
            path.display()
        ))
    })?;
    let Some(old) = old else { return Ok(None) };
    let check = if allow_downgrade { succession::check_product } else { succession::check };
    check(&old, new).map_err(|error| error.fact("folder", folder.root().display()))?;
    Ok(Some(old))
}
