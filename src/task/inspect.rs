//! Inspecting: what is inside a bundle, by its index alone.

use std::path::Path;

use crate::bundle::{Bundle, Footprint};
use crate::error::Result;

/// What is inside a bundle.
#[derive(Debug)]
pub struct Report {
    /// The bundle, whose index lists it all.
    pub bundle: Bundle,
    /// Its length in bytes.
    pub size: u64,
    /// Where the payload begins, in bytes from 1, as `tail -c +N` counts.
    pub payload_at: u64,
    /// The size of all artifacts in bytes, as they were in the folder.
    pub originals: u64,
    /// What each artifact adds to the bundle, in the index's order.
    pub footprints: Vec<Footprint>,
}

/// Reads the index of a bundle.
///
/// # Errors
/// The file is not a bundle, or its index is damaged.
pub fn run(path: &Path) -> Result<Report> {
    let bundle = Bundle::open(path)?;
    let index = bundle.index();
    Ok(Report {
        size: bundle.length()?,
        payload_at: index.header_size + 1,
        originals: index.artifacts.iter().map(|artifact| artifact.size).sum(),
        footprints: index.artifacts.iter().map(|artifact| index.footprint_of(artifact)).collect(),
        bundle,
    })
}
