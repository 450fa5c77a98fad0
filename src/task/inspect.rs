//! Inspecting: what is inside a bundle, by its index alone; with a key, all of that is proved before it is shown.

use std::path::Path;

use super::signed::Signed;
use super::trust::Trust;
use super::verify_signature::verify_signature;
use crate::bundle::{Bundle, CarriedArtifact, Footprint};
use crate::error::Result;
use crate::manifest::{Manifest, Pin};
use crate::path::RelPath;
use crate::progress::Progress;
use crate::release::{State, glance};

/// What is inside a bundle.
#[derive(Debug)]
pub struct Report {
    /// The bundle, whose index lists it all.
    pub bundle: Bundle,
    /// Its manifest; `None` where that cannot be read.
    pub manifest: Option<Manifest>,
    /// Who signed its manifest; `None` where that cannot be read.
    pub signed: Option<Signed>,
    /// Its length in bytes.
    pub size: u64,
    /// Where the payload begins, in bytes from 1, as `tail -c +N` counts.
    pub payload_at: u64,
    /// The size of all artifacts in bytes, as they were in the folder.
    pub originals: u64,
    /// How the files that it takes from its folder stand there, as far as their sizes tell.
    pub beside: Vec<(RelPath, State)>,
    /// What each artifact adds to the bundle, in the index's order.
    pub footprints: Vec<Footprint>,
}

/// Reads the index of a bundle, and its manifest.
///
/// # Errors
/// The file is not a bundle, its index is damaged, or a key is given and did not sign what is in it.
pub fn run(path: &Path, trust: &Trust, progress: &dyn Progress) -> Result<Report> {
    let bundle = Bundle::open(path)?;
    // A damaged bundle is looked into too.
    let manifest = bundle.manifest().ok();
    let signed = match &trust.key {
        None => manifest.as_ref().and_then(|manifest| trust.check_bundle(&bundle, manifest, progress).ok()),
        Some(_) => Some(verify_signature(trust, &bundle, progress)?),
    };
    let index = bundle.index();
    let folder = bundle.folder();
    let standing = |artifact: &CarriedArtifact| {
        let pin = Pin { size: Some(artifact.size), digest: artifact.digest };
        (artifact.name.clone(), glance(&folder, &artifact.name, pin))
    };
    Ok(Report {
        beside: bundle.detached().into_iter().map(standing).collect(),
        manifest,
        signed,
        size: bundle.length(),
        payload_at: index.header_size + 1,
        originals: index.artifacts.iter().map(|artifact| artifact.size).sum(),
        footprints: index.artifacts.iter().map(|artifact| index.footprint_of(artifact)).collect(),
        bundle,
    })
}
