//! What lies beside an image in its registry: signatures and the like (OCI image specification 1.1, distribution
//! specification 1.1, "Referrers Tag Schema").

use std::collections::BTreeMap;

use super::limits::ImageLimits;
use super::oci::{Described, ImageIndex, ImageManifest};
use crate::digest::{Descriptor, Digest};

/// A blob of a manifest that is not an image's.
#[derive(Debug, Clone)]
pub struct AttachedBlob {
    /// Its digest and size.
    pub blob: Descriptor,
    /// What it is.
    pub media_type: String,
    /// What the manifest says of it.
    pub annotations: BTreeMap<String, String>,
}

impl AttachedBlob {
    /// The blobs of a manifest, without its config. One whose digest is not SHA-256 is left out.
    ///
    /// # Errors
    /// It cannot be read, or has more blobs than an image may have layers.
    pub fn all(manifest: &[u8]) -> Result<Vec<Self>, String> {
        let manifest: ImageManifest = serde_json::from_slice(manifest).map_err(|why| why.to_string())?;
        within_limit(manifest.layers.len())?;
        let attached = |layer: Described| {
            Some(AttachedBlob {
                blob: layer.blob().ok()?,
                media_type: layer.media_type,
                annotations: layer.annotations,
            })
        };
        Ok(manifest.layers.into_iter().filter_map(attached).collect())
    }
}

/// The manifests in an index of what refers to an image, each with what it is an artifact of; empty where that is not said.
/// One whose digest is not SHA-256 is left out.
///
/// # Errors
/// It cannot be read, or names more than an image may have layers.
pub fn referrers(index: &[u8]) -> Result<Vec<(Descriptor, String)>, String> {
    let index: ImageIndex = serde_json::from_slice(index).map_err(|why| why.to_string())?;
    within_limit(index.manifests.len())?;
    let referrer =
        |manifest: &Described| Some((manifest.blob().ok()?, manifest.artifact_type().unwrap_or_default().to_owned()));
    Ok(index.manifests.iter().filter_map(referrer).collect())
}

/// The tag under which a registry without a referrers API has the index of what refers to `image`.
pub fn referrers_tag(image: &Digest) -> String {
    format!("sha256-{}", image.hex())
}

fn within_limit(number: usize) -> Result<(), String> {
    let most = ImageLimits::DEFAULT.layers;
    if number > most { Err(format!("it names more than {most} documents")) } else { Ok(()) }
}
