//! Whether a manifest may be used: its signature, its date, and what it would replace.

use std::fs;
use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use url::Url;

use super::terminal::Terminal;
use crate::bundle::Bundle;
use crate::error::{Error, IoContext, Result};
use crate::fetch::Fetcher;
use crate::folder::Folder;
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME, succession};
use crate::signature::{EXTENSION, LIMIT, PublicKey};

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
    /// The key to trust, where one was given.
    pub(super) fn key(&self) -> Result<Option<PublicKey>> {
        self.pubkey.as_deref().map(PublicKey::parse).transpose()
    }

    /// The manifest at `url`, its base URL, and its signature where there is one: fetched, and checked as
    /// asked for before anything else is.
    pub(super) fn fetch(&self, fetcher: &Fetcher, url: &Url, terminal: &Terminal) -> Result<Trusted> {
        // A wrong key is told before anything is fetched.
        let key = self.key()?;
        let (manifest, base) = fetcher.manifest(url)?;
        let signature = match fetch_signature(fetcher, &base) {
            // Whether there is one matters only to whoever gave a key; else it just travels along.
            Err(error) if key.is_some() => return Err(error),
            other => other.unwrap_or(None),
        };
        check(key.as_ref(), manifest.text().as_bytes(), signature.as_deref(), url.path())?;
        self.check_expiry(&manifest, terminal)?;
        Ok(Trusted { manifest, base, signature })
    }

    /// Checks the manifest of a folder as asked for.
    pub(super) fn check_folder(&self, folder: &Folder, manifest: &Manifest, terminal: &Terminal) -> Result<()> {
        let path = folder.root().join(SIGNATURE_NAME);
        let signature =
            if path.is_file() { Some(fs::read_to_string(&path).doing("read the signature", &path)?) } else { None };
        let signed = folder.root().join(FILE_NAME).display().to_string();
        check(self.key()?.as_ref(), manifest.text().as_bytes(), signature.as_deref(), &signed)?;
        self.check_expiry(manifest, terminal)
    }

    /// Checks the manifest of a bundle as asked for.
    pub(super) fn check_bundle(&self, bundle: &Bundle, manifest: &Manifest, terminal: &Terminal) -> Result<()> {
        let signature = match bundle.index().entry(SIGNATURE_NAME) {
            Some(entry) => Some(String::from_utf8_lossy(&bundle.content(entry, LIMIT)?).into_owned()),
            None => None,
        };
        let signed = format!("{FILE_NAME} in {}", bundle.path().display());
        check(self.key()?.as_ref(), manifest.text().as_bytes(), signature.as_deref(), &signed)?;
        self.check_expiry(manifest, terminal)
    }

    fn check_expiry(&self, manifest: &Manifest, terminal: &Terminal) -> Result<()> {
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

/// A manifest that passed every check that was asked for.
pub(super) struct Trusted {
    /// The manifest.
    pub(super) manifest: Manifest,
    /// What its relative URLs resolve against.
    pub(super) base: Url,
    /// The signature that was checked.
    pub(super) signature: Option<String>,
}

/// The signature beside a manifest, where there is one.
fn fetch_signature(fetcher: &Fetcher, base: &Url) -> Result<Option<String>> {
    // The manifest's own name, whatever it is, with the signature's ending.
    let mut beside = base.clone();
    beside.set_path(&format!("{}.{EXTENSION}", base.path()));
    let bytes = fetcher.bytes(&beside, LIMIT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn check(key: Option<&PublicKey>, content: &[u8], signature: Option<&str>, what: &str) -> Result<()> {
    match (key, signature) {
        (None, _) => Ok(()),
        (Some(key), None) => Err(key.unsigned(what)),
        (Some(key), Some(signature)) => key.verify(content, signature, what).map(drop),
    }
}

/// Checks that `new` may take the place of what is in the folder.
pub(super) fn check_succession(folder: &Folder, new: &Manifest, allow_downgrade: bool) -> Result<Option<Manifest>> {
    let Some(old) = folder.manifest()? else { return Ok(None) };
    if !allow_downgrade {
        succession::check(&old, new).map_err(|error| error.fact("folder", display(folder.root())))?;
    }
    Ok(Some(old))
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
