//! Whether a manifest may be used: its signature and its date of expiry.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::commands::checking_bundle;
use super::sign_again::sign_again;
use super::signed::Signed;
use crate::bundle::{Bundle, BundleAccess, Scope};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::manifest::{FILE_NAME, Manifest};
use crate::progress::Progress;
use crate::release::Folder;
use crate::signature::{EXTENSION, LIMIT, PublicKey, SignatureClaim};
use crate::small_file;

/// What a manifest must stand up to. `Default` takes any manifest and warns of one that has expired.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The publisher's key; without one no signature is checked.
    pub key: Option<PublicKey>,
    /// The name of the file that the key was read from, to be shown.
    pub key_file: Option<String>,
    /// Whether a manifest that has expired is refused, instead of warned of.
    pub strict: bool,
}

impl Trust {
    /// Checks the manifest of a folder. Returns who signed it.
    ///
    /// # Errors
    /// A key is given and the signature is missing or wrong; or the manifest has expired and `strict` is set.
    pub fn check_folder(&self, folder: &Folder, manifest: &Manifest, progress: &dyn Progress) -> Result<Signed> {
        self.check_file(&folder.root().join(FILE_NAME), manifest, progress)
    }

    /// Checks the manifest that was read from the file `path`, by the signature beside that. Returns who signed it.
    ///
    /// # Errors
    /// As [`Trust::check_folder`].
    pub fn check_file(&self, path: &Path, manifest: &Manifest, progress: &dyn Progress) -> Result<Signed> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{EXTENSION}"));
        let beside = PathBuf::from(beside);
        let read = || -> io::Result<String> {
            let file = small_file::open(&beside)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other(tr!("it is not a regular file")));
            }
            let mut bytes = Vec::new();
            file.take(LIMIT).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let signature = match read() {
            Ok(text) => Some(text),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            // Without a key nothing depends on it, but it is not absent.
            Err(error) if self.key.is_none() => {
                progress.note(&tr!("the signature {} cannot be read: {error}", beside.display(), error));
                None
            }
            Err(error) => return Err(Error::io("read the signature", &beside, error)),
        };
        let signed =
            self.check_signature(manifest.text().as_bytes(), signature.as_deref(), &path.display().to_string());
        let signed = signed.map_err(|error| {
            let again = sign_again(path, self.key.as_ref().map(PublicKey::id).as_deref());
            error.hint(tr!("get both again from the publisher, who signs it again with: {again}", again))
        })?;
        self.check_expiry(manifest, progress)?;
        Ok(signed)
    }

    /// Checks the manifest of a bundle. Returns who signed it. What the manifest pins is not compared with the bundle's
    /// content; see [`verify_signature`](super::verify_signature).
    ///
    /// # Errors
    /// As [`Trust::check_folder`].
    pub fn check_bundle(&self, bundle: &Bundle, manifest: &Manifest, progress: &dyn Progress) -> Result<Signed> {
        let signature = bundle.signature()?;
        let what = format!("{FILE_NAME} in {}", bundle.path().display());
        let signed = self.check_signature(manifest.text().as_bytes(), signature.as_deref(), &what)?;
        self.check_expiry(manifest, progress)?;
        Ok(signed)
    }

    /// Gives access to a bundle: without a key to all of it, with one to `scope`, which is proved first. Returns who
    /// signed it, too.
    ///
    /// # Errors
    /// Manifest and index do not say the same; or a key is given, and the bundle or `scope` of it is not what it signed;
    /// or the manifest has expired and `strict` is set.
    pub fn access<'a>(
        &self,
        bundle: &'a Bundle,
        scope: Scope<'_>,
        progress: &dyn Progress,
    ) -> Result<(BundleAccess<'a>, Signed)> {
        let Some(key) = &self.key else {
            let access = BundleAccess::unproved(bundle)?;
            let signed = self.check_bundle(bundle, access.manifest(), progress)?;
            return Ok((access, signed));
        };
        progress.phase("proving");
        let access = checking_bundle(bundle.path(), BundleAccess::proved(bundle, key, scope, progress))?;
        self.check_expiry(access.manifest(), progress)?;
        Ok((access, self.signed_by(key)))
    }

    /// Checks that `signature` (a `.minisig` file's text) signs `content`; `what` names the content in errors. Returns who
    /// signed it.
    ///
    /// # Errors
    /// A key is given and the signature is missing or wrong.
    pub fn check_signature(&self, content: &[u8], signature: Option<&str>, what: &str) -> Result<Signed> {
        match (&self.key, signature) {
            (None, None) => Ok(Signed::No),
            (None, Some(text)) => Ok(SignatureClaim::read(text).map_or(Signed::Unreadable, Signed::NotChecked)),
            (Some(key), None) => Err(key.unsigned(what)),
            (Some(key), Some(signature)) => {
                key.verify(content, signature, what)?;
                Ok(self.signed_by(key))
            }
        }
    }

    /// That `key`, which is ours, signed something.
    fn signed_by(&self, key: &PublicKey) -> Signed {
        Signed::By { key_id: key.id(), key_file: self.key_file.clone() }
    }

    /// Notes that a manifest has expired, where it has.
    ///
    /// # Errors
    /// It has expired and `strict` is set.
    pub fn check_expiry(&self, manifest: &Manifest, progress: &dyn Progress) -> Result<()> {
        let Some(expires) = manifest.expires().filter(|expires| *expires < Timestamp::now()) else { return Ok(()) };
        if self.strict {
            return Err(Error::integrity(tr!("the manifest has expired"))
                .fact("version", manifest.version())
                .fact("expired", expires)
                .hint(tr!("ask the publisher for a newer one: a cache or mirror may be holding it back")));
        }
        progress.note(&tr!("the manifest of {} {} expired at {expires}", manifest.name(), manifest.version(), expires));
        Ok(())
    }
}
