//! Every member of the tar stream is one that the signed manifest or a proved artifact asks for, and nothing is missing.

use std::collections::HashMap;

use super::frame_cache::damaged;
use super::image_union::union;
use super::index::Index;
use super::layout::PayloadEntry;
use super::read::Bundle;
use super::stream::CarriedBlobs;
use crate::digest::{Descriptor, Digest};
use crate::error::Result;
use crate::image::{self, Image};
use crate::manifest::{FILE_NAME, Manifest, SIGNATURE_NAME};

/// The permission bits of everything that is not an artifact.
const MODE: u32 = 0o644;

/// What a member must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// These bytes.
    Exactly(Descriptor),
    /// Bytes with this digest.
    Digest(Digest),
    /// Bytes that were proved by what is made of them.
    Proved,
}

/// Compares the index's entries with what they must be. Images and artifacts must have been proved before.
///
/// # Errors
/// A member is missing, is not needed, or has another mode, size or digest.
pub(super) fn check_entries(bundle: &Bundle, manifest: &Manifest) -> Result<()> {
    let index = bundle.index();
    let mut expected = expected(bundle, manifest)?;
    for entry in &index.entries {
        let path = entry.path.as_str();
        let wrong = |why: &str| damaged(bundle.path(), format_args!("its payload {why}")).fact("file", path);
        let Some((content, mode)) = expected.remove(path) else {
            return Err(wrong("has a file that nothing in the manifest asks for"));
        };
        if !is(entry, content) {
            return Err(wrong("has another file than the manifest asks for"));
        }
        if entry.mode != mode {
            return Err(
                wrong("has a file with another mode than pack writes").fact("mode", format_args!("{:o}", entry.mode))
            );
        }
    }
    match expected.into_keys().min() {
        Some(missing) => Err(damaged(bundle.path(), "its payload lacks a file").fact("file", missing)),
        None => Ok(()),
    }
}

fn is(entry: &PayloadEntry, content: Content) -> bool {
    match content {
        Content::Exactly(descriptor) => entry.descriptor() == descriptor,
        Content::Digest(digest) => entry.digest == digest,
        Content::Proved => true,
    }
}

/// Every member by its path, with its mode.
fn expected(bundle: &Bundle, manifest: &Manifest) -> Result<HashMap<String, (Content, u32)>> {
    let index = bundle.index();
    let text = Descriptor::of(manifest.text().as_bytes());
    let mut expected = HashMap::from([(FILE_NAME.to_owned(), (Content::Exactly(text), MODE))]);
    if index.entry(SIGNATURE_NAME).is_some() {
        // Whose signature it is, was looked at before.
        expected.insert(SIGNATURE_NAME.to_owned(), (Content::Proved, MODE));
    }
    for artifact in &index.artifacts {
        if artifact.carried.is_file() {
            let content = Content::Exactly(artifact.descriptor());
            expected.insert(artifact.name.to_string(), (content, artifact.kind.mode()));
            continue;
        }
        if artifact.carried.is_detached() {
            continue;
        }
        expected.insert(image::recipe_path(&artifact.digest), (Content::Proved, MODE));
        for blob in artifact.blobs() {
            expected.insert(image::other_blob_path(blob), (Content::Digest(*blob), MODE));
        }
    }
    let images = carried_images(index);
    for document in image::layout_documents(&images, &CarriedBlobs(bundle))? {
        expected.insert(document.path, (Content::Exactly(document.descriptor), MODE));
    }
    for layer in images.iter().flat_map(|image| &image.layers) {
        let blob = layer.blob();
        expected.insert(image::blob_path(&blob.digest), (Content::Exactly(blob), MODE));
    }
    Ok(expected)
}

/// The images that lie in the layout, in its order and with the tags that it gives them: those of the artifacts that are
/// not carried as they are.
fn carried_images(index: &Index) -> Vec<Image> {
    let made = index.artifacts.iter().filter(|artifact| artifact.carried.is_made());
    union(made.flat_map(|artifact| {
        let mut own: HashMap<Digest, Image> =
            index.images_of(artifact).into_iter().map(|image| (image.id, image)).collect();
        artifact.images.iter().filter_map(|id| own.remove(id)).collect::<Vec<_>>()
    }))
}
