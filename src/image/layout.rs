//! The images of several artifacts as one OCI image layout (image-spec 1.1), with Docker's `manifest.json`
//! beside it, so that skopeo, podman and Docker can each read it.

use std::collections::HashSet;

use super::Image;
use super::analyse::{Analysis, Representation};
use super::blob::Blob;
use super::blobs::{AnalysedBlobs, BlobSource, config_of};
use super::oci::{self, Described, ImageIndex, ImageManifest, LayoutMarker, blob_member};
use super::tag::check_tags;
use crate::digest::{Descriptor, Digest};
use crate::error::Result;

/// The layout's folder.
const FOLDER: &str = "oci";
/// The folder of what else is needed to rebuild artifacts.
const OWN: &str = ".pack/rebuild";

/// A file to be carried.
#[derive(Debug, Clone)]
pub struct LayoutFile {
    /// Its path, relative, `/`-separated.
    pub path: String,
    /// The digest and size of its content.
    pub descriptor: Descriptor,
    /// Where its content comes from.
    pub content: LayoutContent,
}

/// Where a file's content comes from.
#[derive(Debug, Clone)]
pub enum LayoutContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A blob, to be read from its artifact.
    Blob(Blob),
}

/// Where the blob of an image lies.
pub fn blob_path(digest: &Digest) -> String {
    format!("{FOLDER}/{}", blob_member(digest))
}

/// Where the recipe of the artifact with this digest lies.
pub fn recipe_path(artifact: &Digest) -> String {
    format!("{OWN}/{}.recipe", artifact.hex())
}

/// Where a blob lies that belongs to no image.
pub fn other_blob_path(digest: &Digest) -> String {
    format!("{OWN}/{}", digest.hex())
}

/// What the artifacts need to be carried, every blob once: the image layout, the recipes, and the layers,
/// image by image, base layers first. It depends on nothing but the artifacts and their order. Artifacts kept
/// as they are add nothing. No recipe is in memory twice.
///
/// # Errors
/// A tag names different images in two artifacts.
pub fn layout(analyses: Vec<Analysis>) -> Result<Vec<LayoutFile>> {
    check_tags(analyses.iter().flat_map(|one| one.images.iter().map(|image| (one.artifact.as_str(), image))))?;
    let mut carried = analyses;
    carried.retain(|one| !matches!(one.representation, Representation::AsIs(_)));
    let images = distinct(&carried);
    let sources = AnalysedBlobs::of(&carried);
    let mut files = Vec::new();
    if !images.is_empty() {
        describe(&images, &sources, &mut files)?;
    }
    let of_recipe = |one: &Analysis| match &one.representation {
        Representation::Rebuilt(recipe) => recipe.blobs(),
        Representation::Exported | Representation::AsIs(_) => Vec::new(),
    };
    let needed: HashSet<Digest> = carried.iter().flat_map(of_recipe).collect();
    let blobs = carried.iter().flat_map(|one| &one.blobs);
    let others: Vec<Blob> = blobs.filter(|blob| needed.contains(&blob.descriptor.digest)).cloned().collect();
    for one in carried {
        if let Representation::Rebuilt(recipe) = one.representation {
            push(&mut files, recipe_path(&one.file.digest), recipe.to_bytes());
        }
    }
    let mut placed = HashSet::new();
    // In the order in which `export` writes them, so that an image is read without seeking.
    for layer in images.iter().flat_map(|image| &image.layers) {
        if let Some(blob) = sources.get(&layer.blob().digest)
            && placed.insert(blob.descriptor.digest)
        {
            push_blob(&mut files, blob_path(&blob.descriptor.digest), blob);
        }
    }
    for blob in &others {
        if placed.insert(blob.descriptor.digest) {
            push_blob(&mut files, other_blob_path(&blob.descriptor.digest), blob);
        }
    }
    Ok(files)
}

/// The distinct images, with the tags that any artifact gives them, and their layers as they are carried: a
/// layer that one archive has plain and another compressed is carried plain. What an artifact that is kept
/// as it is has inside is carried by nothing else; of its images only those that no other artifact has are
/// described by it.
pub fn distinct<'a>(analyses: impl IntoIterator<Item = &'a Analysis>) -> Vec<Image> {
    let analyses: Vec<&Analysis> = analyses.into_iter().collect();
    let is_carried = |one: &&&Analysis| !matches!(one.representation, Representation::AsIs(_));
    let carried: Vec<&Image> = analyses.iter().filter(is_carried).flat_map(|one| &one.images).collect();
    let layers = carried.iter().flat_map(|image| &image.layers);
    let plain: HashSet<Digest> = layers.filter(|layer| layer.packed.is_none()).map(|layer| layer.diff_id).collect();
    let mut images: Vec<Image> = Vec::new();
    for image in analyses.iter().flat_map(|one| &one.images) {
        match images.iter_mut().find(|known| known.id == image.id) {
            Some(known) => {
                let new = image.tags.iter().filter(|tag| !known.tags.contains(tag)).cloned().collect::<Vec<_>>();
                known.tags.extend(new);
            }
            None => {
                let mut best = (*carried.iter().find(|other| other.id == image.id).unwrap_or(&image)).clone();
                best.tags.clone_from(&image.tags);
                for layer in &mut best.layers {
                    layer.packed = layer.packed.filter(|_| !plain.contains(&layer.diff_id));
                }
                images.push(best);
            }
        }
    }
    images
}

fn push(files: &mut Vec<LayoutFile>, path: String, bytes: Vec<u8>) {
    if !files.iter().any(|file| file.path == path) {
        files.push(LayoutFile { path, descriptor: Descriptor::of(&bytes), content: LayoutContent::Bytes(bytes) });
    }
}

fn push_blob(files: &mut Vec<LayoutFile>, path: String, blob: &Blob) {
    files.push(LayoutFile { path, descriptor: blob.descriptor, content: LayoutContent::Blob(blob.clone()) });
}

/// The files of the layout of `images` that are not layers: its documents, manifests and configs. They depend on nothing
/// but the images; the configs are read from `blobs` and compared with the image IDs.
///
/// # Errors
/// A config cannot be read, or its digest is not the image's ID.
pub fn layout_documents(images: &[Image], blobs: &dyn BlobSource) -> Result<Vec<LayoutFile>> {
    let mut files = Vec::new();
    if !images.is_empty() {
        describe(images, blobs, &mut files)?;
    }
    Ok(files)
}

/// Adds the layout's documents and the images' configs.
fn describe(images: &[Image], blobs: &dyn BlobSource, files: &mut Vec<LayoutFile>) -> Result<()> {
    let mut documents = Vec::new();
    let mut described = Vec::new();
    for image in images {
        let config = config_of(&image.id, blobs)?;
        let manifest = oci::to_json(&ImageManifest::of(image, config.len() as u64));
        let descriptor = Descriptor::of(&manifest);
        described.extend(Described::of_image(image, descriptor));
        documents.extend([config, manifest]);
    }
    push(files, format!("{FOLDER}/{}", oci::MARKER), oci::to_json(&LayoutMarker::CURRENT));
    push(files, format!("{FOLDER}/{}", oci::INDEX), oci::to_json(&ImageIndex::new(described)));
    push(files, format!("{FOLDER}/manifest.json"), oci::docker_manifest(images));
    for document in documents {
        push(files, blob_path(&Digest::of(&document)), document);
    }
    Ok(())
}
