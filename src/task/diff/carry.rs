//! How many bytes have to be carried to somebody who has the old side.

use std::collections::{HashMap, HashSet};

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
    let without_known_layers = || {
        let mut lacking = Lacking::of(&old.images().ok()?, &new.images().ok()?);
        let bytes = carried.iter().map(|one| {
            let whole = size(&one.listed).unwrap_or(0);
            match one.images.as_deref() {
                Ok([]) | Err(_) => whole,
                Ok(images) => whole.min(lacking.take(images)),
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
        bytes_without_known_layers: without_known_layers(),
    }
}

/// What the old side lacks of the new one's images.
struct Lacking<'a> {
    /// The layers that it has, or that are carried already.
    had: HashSet<Digest>,
    /// The images that are still to be carried: one that many archives have is gone through once.
    images: HashMap<Digest, &'a Image>,
}

impl<'a> Lacking<'a> {
    fn of(old: &[&Image], new: &[&'a Image]) -> Self {
        Lacking {
            had: layers_of(old).iter().map(|layer| layer.diff_id).collect(),
            images: new.iter().map(|image| (image.id, *image)).collect(),
        }
    }

    /// The bytes of the layers of these images that are not there yet; from then on they are.
    fn take(&mut self, images: &[Digest]) -> u64 {
        let images: Vec<&Image> = images.iter().filter_map(|id| self.images.remove(id)).collect();
        let layers = layers_of(&images);
        layers.iter().filter(|layer| self.had.insert(layer.diff_id)).map(|layer| layer.size).sum()
    }
}
