//! The images of several artifacts as one OCI image layout (image-spec 1.1), with Docker's `manifest.json`
//! beside it, so that skopeo, podman and Docker can each read it.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::analyse::{Analysis, Form};
use super::archive::Compression;
use super::blob::Blob;
use super::tag::check_tags;
use super::{Image, Stored};
use crate::digest::Digest;
use crate::error::Result;

/// The layout's folder.
const FOLDER: &str = "oci";
/// The folder of what else is needed to rebuild artifacts.
const OWN: &str = ".pack/rebuild";

/// A file to be carried.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path, relative, `/`-separated.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its content.
    pub digest: Digest,
    /// Where its content comes from.
    pub source: Source,
}

/// Where an entry's content comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A blob, to be read from its artifact.
    Blob(Blob),
}

/// Where the blob of an image lies.
pub fn blob_path(digest: &Digest) -> String {
    format!("{FOLDER}/blobs/sha256/{}", digest.hex())
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
/// as they are add nothing.
///
/// # Errors
/// A tag names different images in two artifacts.
pub fn layout(analyses: &[Analysis]) -> Result<Vec<Entry>> {
    check_tags(analyses.iter().flat_map(|one| one.images.iter().map(|image| (one.artifact.as_str(), image))))?;
    let carried: Vec<&Analysis> = analyses.iter().filter(|one| !matches!(one.form, Form::AsIs(_))).collect();
    let images = distinct(carried.iter().copied());
    let mut entries = Vec::new();
    if !images.is_empty() {
        describe(&images, &mut entries);
    }
    for one in &carried {
        if let Form::Rebuilt(recipe) = &one.form {
            push(&mut entries, recipe_path(&one.digest), recipe.to_bytes());
        }
    }
    let sources: HashMap<Digest, &Blob> =
        carried.iter().rev().flat_map(|one| &one.blobs).map(|blob| (blob.digest, blob)).collect();
    let mut placed = HashSet::new();
    // As `export` writes them: an image after the other is read without jumping to and fro.
    for layer in images.iter().flat_map(|image| &image.layers) {
        if let Some(blob) = sources.get(&layer.stored.digest)
            && placed.insert(blob.digest)
        {
            push_blob(&mut entries, blob_path(&blob.digest), blob);
        }
    }
    for blob in carried.iter().flat_map(|one| &one.blobs) {
        let is_needed = carried.iter().any(|one| match &one.form {
            Form::Rebuilt(recipe) => recipe.blobs().contains(&blob.digest),
            _ => false,
        });
        if is_needed && placed.insert(blob.digest) {
            push_blob(&mut entries, other_blob_path(&blob.digest), blob);
        }
    }
    Ok(entries)
}

/// The distinct images, with the tags that any artifact gives them, and their layers as they are carried: a
/// layer that one archive has plain and another compressed is carried plain. What an artifact that is kept
/// as it is has inside is carried by nothing else; of its images only those that no other artifact has are
/// described by it.
pub fn distinct<'a>(analyses: impl IntoIterator<Item = &'a Analysis>) -> Vec<Image> {
    let analyses: Vec<&Analysis> = analyses.into_iter().collect();
    let is_carried = |one: &&&Analysis| !matches!(one.form, Form::AsIs(_));
    let carried: Vec<&Image> = analyses.iter().filter(is_carried).flat_map(|one| &one.images).collect();
    let mut plain: HashMap<Digest, Stored> = HashMap::new();
    for layer in carried.iter().flat_map(|image| &image.layers) {
        if layer.stored.compression.is_none() {
            plain.insert(layer.diff_id, layer.stored);
        }
    }
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
                    layer.stored = plain.get(&layer.diff_id).copied().unwrap_or(layer.stored);
                }
                images.push(best);
            }
        }
    }
    images
}

fn push(entries: &mut Vec<Entry>, path: String, bytes: Vec<u8>) {
    if !entries.iter().any(|entry| entry.path == path) {
        let (size, digest) = (bytes.len() as u64, Digest::of(&bytes));
        entries.push(Entry { path, size, digest, source: Source::Bytes(bytes) });
    }
}

fn push_blob(entries: &mut Vec<Entry>, path: String, blob: &Blob) {
    entries.push(Entry { path, size: blob.size, digest: blob.digest, source: Source::Blob(blob.clone()) });
}

/// The layout's JSON files and configs.
fn describe(images: &[Image], entries: &mut Vec<Entry>) {
    let mut blobs = Vec::new();
    let (mut index, mut docker) = (Vec::new(), Vec::new());
    for image in images {
        let manifest = manifest(image).to_string().into_bytes();
        let descriptor =
            descriptor("application/vnd.oci.image.manifest.v1+json", &Digest::of(&manifest), manifest.len() as u64);
        let (os, architecture) = image.platform.split_once('/').unwrap_or(("linux", &image.platform));
        let tags: Vec<Option<&String>> =
            if image.tags.is_empty() { vec![None] } else { image.tags.iter().map(Some).collect() };
        for tag in tags {
            let mut descriptor = descriptor.clone();
            descriptor["platform"] = json!({ "architecture": architecture, "os": os });
            if let Some(tag) = tag {
                descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            }
            index.push(descriptor);
        }
        let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        docker.push(json!({
            "Config": path(&image.id),
            "RepoTags": image.tags,
            "Layers": image.layers.iter().map(|layer| path(&layer.stored.digest)).collect::<Vec<_>>(),
        }));
        blobs.push(image.config.clone());
        blobs.push(manifest);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": index,
    });
    let text = |value: Value| value.to_string().into_bytes();
    push(entries, format!("{FOLDER}/oci-layout"), text(json!({ "imageLayoutVersion": "1.0.0" })));
    push(entries, format!("{FOLDER}/index.json"), text(index));
    push(entries, format!("{FOLDER}/manifest.json"), text(Value::Array(docker)));
    for blob in blobs {
        push(entries, blob_path(&Digest::of(&blob)), blob);
    }
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

fn manifest(image: &Image) -> Value {
    let layers: Vec<Value> = image
        .layers
        .iter()
        .map(|layer| {
            let media_type = match layer.stored.compression {
                None => "application/vnd.oci.image.layer.v1.tar",
                Some(Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
                Some(Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            };
            descriptor(media_type, &layer.stored.digest, layer.stored.size)
        })
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &image.id, image.config.len() as u64),
        "layers": layers,
    })
}
