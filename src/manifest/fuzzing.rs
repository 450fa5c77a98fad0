//! What holds for any manifest, however it was made: the body of the fuzz target `manifest`.

use super::edit::with_pins;
use super::{ArtifactId, Manifest, Pin};
use crate::digest::Descriptor;

/// Reads `data` as a manifest.
///
/// # Panics
/// It is accepted, and yet is not JSON, or takes no pins.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::from_bytes(data.to_vec(), "fuzz") else { return };
    assert_eq!(manifest.text().as_bytes(), data);
    assert!(serde_json::from_slice::<serde_json::Value>(data).is_ok(), "accepted, and yet not JSON");
    let pin = Descriptor::of(data);
    let pins: Vec<(ArtifactId, Descriptor)> = ids(&manifest).into_iter().map(|id| (id, pin)).collect();
    let pinned = with_pins(&manifest, &pins).unwrap_or_else(|error| panic!("{error}"));
    let pinned = Manifest::parse(pinned, "fuzz").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ids(&pinned), ids(&manifest));
    let expected = Some(Pin { size: Some(pin.size), digest: pin.digest });
    assert!(pinned.artifacts().iter().all(|artifact| artifact.pin == expected));
}

fn ids(manifest: &Manifest) -> Vec<ArtifactId> {
    manifest.artifacts().iter().map(|artifact| artifact.id.clone()).collect()
}
