//! Whether a manifest may be used: its signature and its date of expiry.

use std::fs::File;
use std::io::Read;

use jiff::Timestamp;

use crate::bundle::{Bundle, BundleAccess, Scope};
use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME};
use crate::progress::Progress;
use crate::release::Folder;
use crate::signature::{LIMIT, PublicKey};

/// What a manifest must stand up to. `Default` takes any manifest and warns of one that has expired.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The publisher's key; without one no signature is checked.
    pub key: Option<PublicKey>,
    /// Whether a manifest that has expired is refused, instead of warned of.
    pub strict: bool,
}

impl Trust {
    /// Checks the manifest of a folder.
    ///
    /// # Errors
    /// A key is given and the signature is missing or wrong; or the manifest has expired and `strict` is set.
    pub fn check_folder(&self, folder: &Folder, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let path = folder.root().join(SIGNATURE_NAME);
        // Without a key the file is not read: an unreadable one must not fail anything.
        let signature = if self.key.is_some() && path.is_file() {
            let mut bytes = Vec::new();
            let read = File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
            read.doing("read the signature", &path)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        } else {
            None
        };
        let signed = folder.root().join(FILE_NAME).display().to_string();
        self.check_signature(manifest.text().as_bytes(), signature.as_deref(), &signed)?;
        self.check_expiry(manifest, progress)
    }

    /// Gives access to a bundle: without a key to all of it, with one to `scope`, which is proved first.
    ///
    /// # Errors
    /// Manifest and index do not say the same; or a key is given, and the bundle or `scope` of it is not what it signed,
    /// or the manifest has expired and `strict` is set.
    pub fn access<'a>(
        &self,
        bundle: &'a Bundle,
        scope: Scope<'_>,
        progress: &dyn Progress,
    ) -> Result<BundleAccess<'a>> {
        let Some(key) = &self.key else { return BundleAccess::unproved(bundle) };
        progress.phase("proving");
        let access = BundleAccess::proved(bundle, key, scope, progress)?;
        self.check_expiry(access.manifest(), progress)?;
        Ok(access)
    }

    /// Checks that `signature` (a `.minisig` file's text) signs `content`; `what` names the content in errors.
    ///
    /// # Errors
    /// A key is given and the signature is missing or wrong.
    pub fn check_signature(&self, content: &[u8], signature: Option<&str>, what: &str) -> Result<()> {
        match (&self.key, signature) {
            (None, _) => Ok(()),
            (Some(key), None) => Err(key.unsigned(what)),
            (Some(key), Some(signature)) => key.verify(content, signature, what).map(drop),
        }
    }

    /// Notes that a manifest has expired, where it has.
    ///
    /// # Errors
    /// It has expired and `strict` is set.
    pub fn check_expiry(&self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let Some(expires) = manifest.expires().filter(|expires| *expires < Timestamp::now()) else { return Ok(()) };
        if self.strict {
            return Err(Error::integrity("the manifest has expired")
                .fact("version", manifest.version())
                .fact("expired", expires)
                .hint("ask the publisher for a newer one: a cache or mirror may be holding it back"));
        }
        progress.note(&format!("the manifest of {} {} expired at {expires}", manifest.name(), manifest.version()));
        Ok(())
    }
}
