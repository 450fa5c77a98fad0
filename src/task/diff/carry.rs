//! How many bytes have to be carried to somebody who has the old side.

use std::collections::HashSet;

use super::images::layers_of;
use super::side::{Listed, Side};
use crate::digest::Digest;
use crate::image::Image;
use crate::manifest::ArtifactId;

/// What has to be carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carry {
    /// How many files: those of the new side whose bytes the old side does not pin under any name, each content once.
    pub files: u64,
    /// Their sizes together in bytes, as far as they are known.
    pub bytes: u64,
    /// Those whose sizes nobody knows.
    pub unsized_files: Vec<ArtifactId>,
    /// At most so many bytes where an archive of images may be carried as those of its layers, unpacked, that the old side
    /// does not have; without the few KiB of configs and framing. Never more than `bytes`. `None` where the layers of one
    /// side are not known.
    pub bytes_without_known_layers: Option<u64>,
}

/// Counts what has to be carried.
pub(super) fn count(old: &Side, new: &Side) -> Carry {
    let mut had: HashSet<Digest> = old.artifacts.iter().filter_map(|one| one.listed.digest).collect();
    let carried = new.artifacts.iter().filter(|one| one.listed.digest.is_none_or(|digest| had.insert(digest)));
    let carried: Vec<_> = carried.collect();
    let size = |listed: &Listed| listed.digest.and(listed.size);
    let layers = || {
        let mut had: HashSet<Digest> = layers_of(&old.images().ok()?).iter().map(|layer| layer.diff_id).collect();
        new.images().ok()?;
        let bytes = carried.iter().map(|one| {
            let whole = size(&one.listed).unwrap_or(0);
            match one.images.as_deref() {
                Ok([]) | Err(_) => whole,
                Ok(images) => whole.min(lacking(images, &mut had)),
            }
        });
        Some(bytes.sum())
    };
    Carry {
        files: carried.len() as u64,
        bytes: carried.iter().filter_map(|one| size(&one.listed)).sum(),
        unsized_files: carried
            .iter()
            .filter(|one| size(&one.listed).is_none())
            .map(|one| one.listed.id.clone())
            .collect(),
        bytes_without_known_layers: layers(),
    }
}

/// The bytes of those layers of `images` that are not in `had`, where they are from then on.
fn lacking(images: &[Image], had: &mut HashSet<Digest>) -> u64 {
    let layers = layers_of(&images.iter().collect::<Vec<_>>());
    layers.iter().filter(|layer| had.insert(layer.diff_id)).map(|layer| layer.size).sum()
}
