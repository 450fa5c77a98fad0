//! What each artifact adds to a bundle, and which images have a layer in common.

use std::collections::{BTreeSet, HashMap};

use super::carried::CarriedArtifact;
use super::index::Index;
use super::layout::PayloadEntry;
use crate::digest::Digest;
use crate::image::{self, Image};
use crate::in_order::InOrder;

/// What is in a bundle for one artifact alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// In bytes of the unpacked payload.
    pub unpacked: u64,
    /// In bytes of the file: of a frame that several have, each has as much as of its content.
    pub stored: u64,
}

impl Index {
    /// What is there for `artifact` alone. What several artifacts need counts for none of them.
    pub fn footprint_of(&self, artifact: &CarriedArtifact) -> Footprint {
        let entries = self.entries_of(artifact);
        Footprint {
            unpacked: entries.iter().map(|entry| entry.size).sum(),
            stored: entries.iter().map(|entry| self.stored_size(entry)).sum(),
        }
    }

    /// Which images have each layer of the bundle's layout. What an archive that is carried as it is has of it is shared
    /// with nobody. All are looked up at once: asked one by one, a layer that every image has would take the square of
    /// their number.
    pub fn sharers(&self) -> HashMap<&Digest, Vec<&Image>> {
        let images = |places: &[usize]| {
            places.iter().map(|&image| &self.images[image]).filter(|image| self.is_in_layout(image)).collect()
        };
        self.lookup.images_by_layer.iter().map(|(diff_id, places)| (diff_id, images(places))).collect()
    }

    /// Whether an artifact is made of the image, and does not only carry an archive that has it too.
    pub fn is_in_layout(&self, image: &Image) -> bool {
        !self.users(&image.id).is_empty()
    }

    /// The entries that no other artifact needs.
    fn entries_of(&self, artifact: &CarriedArtifact) -> Vec<&PayloadEntry> {
        if !artifact.carried.is_made() {
            // Of one that lies beside the bundle there is none.
            return self.entry(artifact.name.as_str()).into_iter().collect();
        }
        let layers = artifact.images.iter().filter_map(|id| self.image(id)).flat_map(|image| &image.layers);
        let layers = layers.map(|layer| image::blob_path(&layer.blob().digest));
        let blobs = artifact.blobs().iter().map(image::other_blob_path);
        let paths: BTreeSet<String> = layers.chain(blobs).chain([image::recipe_path(&artifact.digest)]).in_order();
        let entries = paths.iter().filter_map(|path| self.entry(path));
        entries.filter(|entry| self.used_by(entry) == [artifact.name.as_str()]).collect()
    }

    fn stored_size(&self, entry: &PayloadEntry) -> u64 {
        let Some((first, mut begin)) = self.frame_at(entry.offset) else { return 0 };
        let mut stored = 0;
        for frame in &self.frames[first..] {
            if begin >= entry.end() {
                break;
            }
            let end = begin + frame.raw_size;
            let part = entry.end().min(end).saturating_sub(entry.offset.max(begin));
            stored += (u128::from(frame.size) * u128::from(part) / u128::from(frame.raw_size.max(1))) as u64;
            begin = end;
        }
        stored
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::lookup::IndexMaps;
    use super::*;

    #[test]
    fn of_each_frame_an_entry_has_as_much_as_of_its_content() {
        let digest = Digest::of(b"");
        let frame = |offset: u64, size: u64| json!({"offset": offset, "size": size, "rawSize": 100, "digest": digest});
        let mut index: Index = serde_json::from_value(json!({
            "requires": [], "packedBy": "x", "name": "x", "version": "1.0.0", "platform": "linux/amd64",
            "headerSize": 0, "headerDigest": digest, "rawSize": 400,
            "frames": [frame(0, 50), frame(50, 20), frame(70, 10), frame(80, 100)], "entries": [], "artifacts": [],
        }))
        .expect("an index");
        index.lookup = IndexMaps::new(&index.frames, &[], &[], &[]);
        let stored = |offset: u64, size: u64| {
            let path = "x".parse().expect("a path");
            index.stored_size(&PayloadEntry { path, offset, size, mode: 0o644, digest })
        };
        assert_eq!(stored(50, 200), 25 + 20 + 5, "half of the first, the second, half of the third");
        assert_eq!((stored(100, 100), stored(200, 0), stored(300, 100)), (20, 0, 100));
    }
}
