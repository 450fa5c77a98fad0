//! Whether a manifest may be used: its signature, its date, and what it would replace.

mod arrival;

use std::fs::File;
use std::io::Read;

use clap::Args;
use jiff::Timestamp;

pub(super) use arrival::Trusted;

use super::terminal::Terminal;
use crate::bundle::Bundle;
use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME, upgrade};
use crate::release::Folder;
use crate::signature::{LIMIT, PublicKey};

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
    let check = if allow_downgrade { upgrade::check_product } else { upgrade::check_upgrade };
    check(&old, new).map_err(|error| error.fact("folder", folder.root().display()))?;
    Ok(Some(old))
}
