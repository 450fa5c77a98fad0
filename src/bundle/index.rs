//! The index: what a bundle holds, where, and the digest of every part.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::carried::CarriedArtifact;
use super::layout::{Frame, PayloadEntry};
use super::lookup::IndexMaps;
use crate::digest::Digest;
use crate::image::Image;
use crate::path::RelPath;
use crate::platform::Platform;

/// The word in `requires` for artifacts that are not files of the payload: they are made of its images and blobs.
pub(super) const IMAGES: &str = "images";

/// The word in `requires` for artifacts that are not in the bundle but lie beside it.
pub(super) const DETACHED: &str = "detached";

/// What a reader of a bundle with these artifacts must understand.
pub(super) fn required_by(artifacts: &[CarriedArtifact]) -> Vec<&'static str> {
    let mut required = Vec::new();
    if artifacts.iter().any(|artifact| artifact.carried.is_detached()) {
        required.push(DETACHED);
    }
    if artifacts.iter().any(|artifact| artifact.carried.is_made()) {
        required.push(IMAGES);
    }
    required
}

/// What a bundle holds. Keys this reader does not know are passed over; what it must know stands in
/// `requires`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// What a reader must understand, a word each.
    pub requires: Vec<String>,
    /// The program and version that made the bundle.
    pub packed_by: String,
    /// The product's name.
    pub name: String,
    /// The product's version.
    pub version: Version,
    /// The platform the bundle is for.
    pub platform: Platform,
    /// The artifact to run on site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RelPath>,
    /// The key with which its publisher says that the manifest is signed, as minisign prints it. It proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Length in bytes of launcher and runtime; the payload begins there.
    pub header_size: u64,
    /// Digest of launcher and runtime.
    pub header_digest: Digest,
    /// The length of the tar stream in bytes.
    pub raw_size: u64,
    /// The frames, end to end.
    pub frames: Vec<Frame>,
    /// The members of the tar stream, in its order.
    pub entries: Vec<PayloadEntry>,
    /// The artifacts of the folder, in the manifest's order.
    pub artifacts: Vec<CarriedArtifact>,
    /// The container images in the artifacts, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Made by [`Index::read`]; empty in an index that is being written.
    #[serde(skip)]
    pub(super) lookup: IndexMaps,
}

impl Index {
    /// The entry of that path.
    pub fn entry(&self, path: &str) -> Option<&PayloadEntry> {
        self.lookup.entries.get(path).map(|&number| &self.entries[number])
    }

    /// The artifact of that name.
    pub fn artifact(&self, name: &str) -> Option<&CarriedArtifact> {
        self.lookup.artifacts.get(name).map(|&number| &self.artifacts[number])
    }

    /// The image with that ID.
    pub fn image(&self, id: &Digest) -> Option<&Image> {
        self.lookup.images.get(id).map(|&number| &self.images[number])
    }

    /// The number of the frame that holds byte `at` of the tar stream, and where that frame begins there.
    pub(super) fn frame_at(&self, at: u64) -> Option<(usize, u64)> {
        let number = self.lookup.frame_starts.partition_point(|&start| start <= at).checked_sub(1)?;
        (at < self.raw_size).then(|| (number, self.lookup.frame_starts[number]))
    }

    /// The container images in an artifact, under the names that it gives them, in the order of the index.
    pub fn images_of(&self, artifact: &CarriedArtifact) -> Vec<Image> {
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (place, id) in artifact.images.iter().enumerate() {
            places.extend(self.lookup.images.get(id).map(|&number| (number, place)));
        }
        places.sort_unstable();
        places.dedup_by_key(|(number, _)| *number);
        let image = |&(number, place): &(usize, usize)| {
            let image = &self.images[number];
            let tags = artifact.tags.get(place).unwrap_or(&image.tags).clone();
            Image { tags, ..image.clone() }
        };
        places.iter().map(image).collect()
    }

    /// The files of the folder that an entry is needed for: the file itself, or the artifacts that are made from it.
    pub fn used_by<'a>(&'a self, entry: &'a PayloadEntry) -> Vec<&'a str> {
        let path = entry.path.as_str();
        let Some(number) = self.lookup.entries.get(path) else { return vec![path] };
        let made = self.lookup.made_of_entry.get(number).into_iter().flatten();
        let images = self.lookup.images_of_entry.get(number).into_iter().flatten();
        let of_images = images.flat_map(|&image| self.users(&self.images[image].id));
        let mut users: Vec<usize> = made.chain(of_images).copied().collect();
        users.sort_unstable();
        users.dedup();
        if users.is_empty() {
            return vec![path];
        }
        users.into_iter().map(|user| self.artifacts[user].name.as_str()).collect()
    }

    /// The numbers of the artifacts that are made of an image's blobs.
    pub(super) fn users(&self, id: &Digest) -> &[usize] {
        self.lookup.users.get(id).map_or(&[], Vec::as_slice)
    }

    /// What the payload takes up in the file, in bytes.
    pub fn payload_size(&self) -> u64 {
        self.frames.iter().map(|frame| frame.size).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn index(artifacts: &Value, images: &Value) -> Index {
        let digest = Digest::of(b"");
        let frame = |offset: u64| json!({"offset": offset, "size": 10, "rawSize": 1000, "digest": digest});
        let mut index: Index = serde_json::from_value(json!({
            "requires": [], "packedBy": "x", "name": "x", "version": "1.0.0", "platform": "linux/amd64",
            "headerSize": 0, "headerDigest": digest, "rawSize": 3000, "frames": [frame(0), frame(10), frame(20)],
            "entries": [],
            "artifacts": artifacts, "images": images,
        }))
        .expect("an index");
        index.lookup = IndexMaps::new(&index.frames, &index.entries, &index.artifacts, &index.images);
        index
    }

    fn artifact(name: &str, form: &str, images: &[Digest], tags: &Value) -> Value {
        let digest = Digest::of(name.as_bytes());
        json!({
            "name": name, "kind": "image", "size": 1, "mode": 0o644, "digest": digest, "form": form, "images": images,
            "tags": tags,
        })
    }

    fn image(id: Digest, layers: &[Digest]) -> Value {
        let layers: Vec<Value> = layers.iter().map(|layer| json!({"diffId": layer, "size": 1})).collect();
        json!({"tags": ["all:1"], "id": id, "platform": "linux/amd64", "layers": layers})
    }

    #[test]
    fn a_byte_lies_in_the_frame_that_begins_last_before_it() {
        let index = index(&json!([]), &json!([]));
        assert_eq!(index.payload_size(), 30);
        assert_eq!([0, 999, 1000, 2999].map(|at| index.frame_at(at)), [(0, 0), (0, 0), (1, 1000), (2, 2000)].map(Some));
        assert_eq!(index.frame_at(3000), None);
    }

    #[test]
    fn an_artifacts_images_come_once_in_the_order_of_the_index_under_its_own_names() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let tags = json!([["own:2"], ["own:1"], ["again:2"]]);
        let artifacts = json!([artifact("a.tar", "rebuilt", &[two, one, two], &tags)]);
        let index = index(&artifacts, &json!([image(one, &[]), image(two, &[])]));
        let images = index.images_of(&index.artifacts[0]);
        let named: Vec<_> = images.iter().map(|image| (image.id, image.tags[0].familiar())).collect();
        assert_eq!(named, [(one, "own:1".to_owned()), (two, "own:2".to_owned())]);
    }

    #[test]
    fn a_layer_is_shared_by_each_image_of_the_layout_once() {
        let [made, kept, layer] = [b"1", b"2", b"3"].map(|bytes| Digest::of(bytes));
        let artifacts = json!([
            artifact("made.tar", "rebuilt", &[made], &json!([])),
            artifact("kept.tar", "file", &[kept], &json!([])),
        ]);
        let index = index(&artifacts, &json!([image(made, &[layer, layer]), image(kept, &[layer])]));
        let sharers: Vec<Digest> = index.sharers()[&layer].iter().map(|image| image.id).collect();
        assert_eq!(sharers, [made], "what is carried as it is shares nothing");
        assert!(index.is_in_layout(&index.images[0]) && !index.is_in_layout(&index.images[1]));
    }
}
