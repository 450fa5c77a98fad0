//! What each artifact adds to a bundle, and which images have a layer in common.

use std::collections::HashSet;

use super::images::Form;
use super::index::{CarriedArtifact, Entry, Index};
use crate::digest::Digest;
use crate::image::{self, Image};

/// What is in a bundle for one artifact alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// In bytes of the unpacked payload.
    pub unpacked: u64,
    /// In bytes of the file: of a frame that several have, each has as much as of its content.
    pub stored: u64,
}

impl Index {
    /// What is there for `artifact` alone. What it has in common with others counts for none of them.
    pub fn share_of(&self, artifact: &CarriedArtifact) -> Share {
        let entries = self.entries_of(artifact);
        Share {
            unpacked: entries.iter().map(|entry| entry.size).sum(),
            stored: entries.iter().map(|entry| self.stored_size(entry)).sum(),
        }
    }

    /// The images that have a layer in the bundle's layout. What an archive that is carried as it is has of it is
    /// shared with nobody.
    pub fn sharers<'a>(&'a self, diff_id: &'a Digest) -> impl Iterator<Item = &'a Image> {
        self.images.iter().filter(move |image| {
            image.layers.iter().any(|layer| layer.diff_id == *diff_id) && self.users(&image.id).next().is_some()
        })
    }

    /// The artifacts that are made of an image's blobs.
    fn users<'a>(&'a self, id: &'a Digest) -> impl Iterator<Item = &'a CarriedArtifact> {
        self.artifacts.iter().filter(move |one| one.form != Form::File && one.images.contains(id))
    }

    fn entries_of(&self, artifact: &CarriedArtifact) -> Vec<&Entry> {
        if artifact.form == Form::File {
            return self.entry(artifact.name.as_str()).into_iter().collect();
        }
        let own = |image: &&Image| artifact.images.contains(&image.id) && self.users(&image.id).count() == 1;
        let mut seen = HashSet::new();
        let layers = self.images.iter().filter(own).flat_map(|image| &image.layers);
        let layers = layers.filter(|layer| self.sharers(&layer.diff_id).all(|image| own(&image)));
        let mut paths: Vec<_> = layers
            .filter(|layer| seen.insert(layer.diff_id))
            .map(|layer| image::blob_path(&layer.blob().digest))
            .collect();
        let others = || self.artifacts.iter().filter(|other| other.form != Form::File && other.name != artifact.name);
        if others().all(|other| other.digest != artifact.digest) {
            paths.push(image::recipe_path(&artifact.digest));
        }
        let alone = artifact.blobs.iter().filter(|blob| others().all(|other| !other.blobs.contains(blob)));
        paths.extend(alone.map(image::other_blob_path));
        paths.iter().filter_map(|path| self.entry(path)).collect()
    }

    fn stored_size(&self, entry: &Entry) -> u64 {
        let mut begin = 0;
        let mut stored = 0;
        for frame in &self.frames {
            let end = begin + frame.raw_size;
            let part = entry.end().min(end).saturating_sub(entry.offset.max(begin));
            stored += (u128::from(frame.size) * u128::from(part) / u128::from(frame.raw_size.max(1))) as u64;
            begin = end;
        }
        stored
    }
}
