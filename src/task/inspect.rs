//! Inspecting: what is inside a bundle, by its index alone.

use std::path::Path;

use super::signed::Signed;
use super::trust::Trust;
use crate::bundle::{Bundle, Footprint};
use crate::error::Result;
use crate::progress::Progress;

/// What is inside a bundle.
#[derive(Debug)]
pub struct Report {
    /// The bundle, whose index lists it all.
    pub bundle: Bundle,
    /// Who signed its manifest; `None` where that cannot be read.
    pub signed: Option<Signed>,
    /// Its length in bytes.
    pub size: u64,
    /// Where the payload begins, in bytes from 1, as `tail -c +N` counts.
    pub payload_at: u64,
    /// The size of all artifacts in bytes, as they were in the folder.
    pub originals: u64,
    /// What each artifact adds to the bundle, in the index's order.
    pub footprints: Vec<Footprint>,
}

/// Reads the index of a bundle, and its manifest.
///
/// # Errors
/// The file is not a bundle, its index is damaged, or a key is given and did not sign its manifest.
pub fn run(path: &Path, trust: &Trust, progress: &dyn Progress) -> Result<Report> {
    let bundle = Bundle::open(path)?;
    let signed = bundle.manifest().and_then(|manifest| trust.check_bundle(&bundle, &manifest, progress));
    let signed = match signed {
        // A damaged bundle is looked into too.
        Err(_) if trust.key.is_none() => None,
        signed => Some(signed?),
    };
    let index = bundle.index();
    Ok(Report {
        signed,
        size: bundle.length()?,
        payload_at: index.header_size + 1,
        originals: index.artifacts.iter().map(|artifact| artifact.size).sum(),
        footprints: index.artifacts.iter().map(|artifact| index.footprint_of(artifact)).collect(),
        bundle,
    })
}
