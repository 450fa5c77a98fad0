//! Maps over an index, made once when it is read: to find something by its path, name, ID or place takes no search.

use std::collections::HashMap;
use std::hash::Hash;

use super::carried::CarriedArtifact;
use super::layout::{Frame, PayloadEntry};
use crate::digest::Digest;
use crate::image::{self, Image};

/// Numbers of an index's items by what identifies them. Where two items have one identity, the first one counts.
#[derive(Debug, Clone, Default)]
pub(super) struct IndexMaps {
    /// Entries by path.
    pub(super) entries: HashMap<String, usize>,
    /// Artifacts by name.
    pub(super) artifacts: HashMap<String, usize>,
    /// Images by ID.
    pub(super) images: HashMap<Digest, usize>,
    /// Where each frame begins in the tar stream.
    pub(super) frame_starts: Vec<u64>,
    /// Images by the `diff_id` of each of their layers.
    pub(super) images_by_layer: HashMap<Digest, Vec<usize>>,
    /// Artifacts that are made of an image's blobs, by the image's ID.
    pub(super) users: HashMap<Digest, Vec<usize>>,
    /// Images by the number of the entry of each of their blobs.
    pub(super) images_of_entry: HashMap<usize, Vec<usize>>,
    /// Artifacts by the number of the entry that is their recipe, or a blob of theirs outside of the image layout.
    pub(super) made_of_entry: HashMap<usize, Vec<usize>>,
}

impl IndexMaps {
    /// The maps over these items.
    pub(super) fn new(
        frames: &[Frame],
        entries: &[PayloadEntry],
        artifacts: &[CarriedArtifact],
        images: &[Image],
    ) -> Self {
        let mut lookup = IndexMaps::default();
        for (number, entry) in entries.iter().enumerate() {
            lookup.entries.entry(entry.path.to_string()).or_insert(number);
        }
        let mut start = 0u64;
        for frame in frames {
            lookup.frame_starts.push(start);
            start = start.saturating_add(frame.raw_size);
        }
        images.iter().enumerate().for_each(|(number, image)| lookup.add_image(number, image));
        artifacts.iter().enumerate().for_each(|(number, artifact)| lookup.add_artifact(number, artifact));
        lookup
    }

    fn add_image(&mut self, number: usize, image: &Image) {
        self.images.entry(image.id).or_insert(number);
        for blob in [image.id].into_iter().chain(image.layers.iter().map(|layer| layer.blob().digest)) {
            if let Some(&entry) = self.entries.get(&image::blob_path(&blob)) {
                add(&mut self.images_of_entry, entry, number);
            }
        }
        image.layers.iter().for_each(|layer| add(&mut self.images_by_layer, layer.diff_id, number));
    }

    fn add_artifact(&mut self, number: usize, artifact: &CarriedArtifact) {
        self.artifacts.entry(artifact.name.to_string()).or_insert(number);
        if !artifact.carried.is_made() {
            return;
        }
        artifact.images.iter().for_each(|id| add(&mut self.users, *id, number));
        let blobs = artifact.blobs().iter().map(image::other_blob_path);
        for path in blobs.chain([image::recipe_path(&artifact.digest)]) {
            if let Some(&entry) = self.entries.get(&path) {
                add(&mut self.made_of_entry, entry, number);
            }
        }
    }
}

/// Adds `number`, the highest so far, to those under `key`.
fn add<K: Hash + Eq>(map: &mut HashMap<K, Vec<usize>>, key: K, number: usize) {
    let numbers = map.entry(key).or_default();
    if numbers.last() != Some(&number) {
        numbers.push(number);
    }
}
