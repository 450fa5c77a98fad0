//! What may be taken out of a bundle, and how far it is known to be its publisher's.

use std::collections::HashSet;
use std::io::Read;

use super::carried::CarriedArtifact;
use super::checksum_file::is_signed_as_a_whole;
use super::index::Index;
use super::layout::PayloadEntry;
use super::proof::{Scope, prove};
use super::read::Bundle;
use super::stream::EntryReader;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::BlobSource;
use crate::manifest::{FILE_NAME, Manifest};
use crate::path::RelPath;
use crate::progress::Progress;
use crate::signature::PublicKey;

/// Whose a bundle's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authenticity {
    /// No key was given. Index and manifest agree with each other.
    NotChecked,
    /// The key signed the manifest, and what was asked for was proved against it. Launcher and runtime were not.
    Content,
    /// The key signed the checksum of the whole file, which is right.
    WholeFile,
}

/// A bundle of which files may be taken out. There is no other way to [`super::extract()`], [`super::cat()`] and
/// `pack load` than through this, so that with a key nothing unproved is returned.
#[derive(Debug)]
pub struct BundleAccess<'a> {
    bundle: &'a Bundle,
    manifest: Manifest,
    authenticity: Authenticity,
    /// The artifacts that were proved, where not all were.
    proved: Option<HashSet<RelPath>>,
}

impl<'a> BundleAccess<'a> {
    /// Access without a key: index and manifest must agree with each other.
    ///
    /// # Errors
    /// They do not, or the bundle cannot be read.
    pub fn unproved(bundle: &'a Bundle) -> Result<Self> {
        Ok(BundleAccess { bundle, manifest: bundle.manifest()?, authenticity: Authenticity::NotChecked, proved: None })
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
            return Ok(BundleAccess { bundle, manifest, authenticity: Authenticity::WholeFile, proved: None });
        }
        // Nothing of the manifest is parsed before its signature is right.
        let bytes = bundle.manifest_bytes()?;
        let signed = format!("{FILE_NAME} in {}", bundle.path().display());
        let signature = bundle.signature()?.ok_or_else(|| key.unsigned(&signed))?;
        key.verify(&bytes, &signature, &signed)?;
        let (manifest, proved) = prove(bundle, scope, progress)?;
        let proved = match scope {
            Scope::Everything => None,
            _ => Some(proved.into_iter().map(|artifact| artifact.name.clone()).collect()),
        };
        Ok(BundleAccess { bundle, manifest, authenticity: Authenticity::Content, proved })
    }

    /// Checks that `artifact` may be given out: no key was given, or it was proved with it.
    ///
    /// # Errors
    /// It was not proved.
    pub fn check_covers(&self, artifact: &CarriedArtifact) -> Result<()> {
        if self.proved.as_ref().is_none_or(|proved| proved.contains(&artifact.name)) {
            return Ok(());
        }
        Err(Error::integrity("this artifact was not proved, and is not given out")
            .fact("artifact", &artifact.name)
            .hint("this is a mistake in pack: please report it"))
    }

    /// Reads the content of an entry from its first byte. Each frame is compared with its digest; the content as a whole
    /// is not.
    pub fn stream(&self, entry: &PayloadEntry) -> EntryReader<'a> {
        self.bundle.stream(entry)
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

impl BlobSource for BundleAccess<'_> {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        self.bundle.blob(digest)
    }
}
