//! What may be taken out of a bundle, and how far it is known to be its publisher's.

use super::checksum_file::is_signed_as_a_whole;
use super::index::Index;
use super::proof::{Scope, prove};
use super::read::Bundle;
use crate::error::Result;
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME};
use crate::progress::Progress;
use crate::signature::{LIMIT, PublicKey};

/// Whose a bundle's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authenticity {
    /// No key was given. Index and manifest agree with each other.
    NotChecked,
    /// The key signed the manifest, and what was asked for was proved against it. Launcher and runtime were not.
    Content,
    /// The key signed the checksum of the whole file, which is right.
    StagedFile,
}

/// A bundle of which files may be taken out. There is no other way to [`super::extract()`], [`super::cat()`] and
/// `pack load` than through this, so that with a key nothing unproved is returned.
#[derive(Debug)]
pub struct BundleAccess<'a> {
    bundle: &'a Bundle,
    manifest: Manifest,
    authenticity: Authenticity,
}

impl<'a> BundleAccess<'a> {
    /// Access without a key: index and manifest must agree with each other.
    ///
    /// # Errors
    /// They do not, or the bundle cannot be read.
    pub fn unproved(bundle: &'a Bundle) -> Result<Self> {
        Ok(BundleAccess { bundle, manifest: bundle.manifest()?, authenticity: Authenticity::NotChecked })
    }

    /// Access to `scope` of a bundle that was made by the owner of `key`. Where the checksum beside the file is signed,
    /// the whole file is compared with it; else the manifest inside must be signed, and `scope` is proved against it.
    ///
    /// # Errors
    /// Neither is signed by `key`, or something in `scope` is not what was signed, or cannot be proved because the
    /// bundle was made without originals.
    pub fn proved(bundle: &'a Bundle, key: &PublicKey, scope: Scope<'_>, progress: &dyn Progress) -> Result<Self> {
        if is_signed_as_a_whole(bundle, key, progress)? {
            let manifest = bundle.manifest()?;
            return Ok(BundleAccess { bundle, manifest, authenticity: Authenticity::StagedFile });
        }
        // Nothing of the manifest is parsed before its signature is right.
        let bytes = bundle.manifest_bytes()?;
        let signed = format!("{FILE_NAME} in {}", bundle.path().display());
        let entry = bundle.index().entry(SIGNATURE_NAME).ok_or_else(|| key.unsigned(&signed))?;
        let signature = String::from_utf8_lossy(&bundle.content(entry, LIMIT)?).into_owned();
        key.verify(&bytes, &signature, &signed)?;
        let manifest = prove(bundle, scope, progress)?;
        Ok(BundleAccess { bundle, manifest, authenticity: Authenticity::Content })
    }

    /// The bundle.
    pub fn bundle(&self) -> &'a Bundle {
        self.bundle
    }

    /// The bundle's index.
    pub fn index(&self) -> &'a Index {
        self.bundle.index()
    }

    /// The manifest in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whose the content is.
    pub fn authenticity(&self) -> Authenticity {
        self.authenticity
    }
}
