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
