//! Images as an OCI image layout in a tar archive, for an engine that keeps images in containerd.
//!
//! One such archive brings any number of images and each blob once. containerd keeps a blob as it comes, and unpacks it once
//! for each chain of layers. It takes an image's name from the annotation `io.containerd.image.name` and from no other.

use std::collections::HashSet;
use std::io::{self, Write};

use super::Image;
use super::blobs::{BlobSource, config_of};
use super::export::write_file;
use super::oci::{self, Described, ImageIndex, ImageManifest, LayoutMarker, blob_member};
use super::rebuild::failed;
use crate::digest::{Descriptor, Digest, VerifyingReader};
use crate::error::Result;

/// The digest of the manifest that [`export_documents`] writes for `image`: such an engine's ID of it.
///
/// # Errors
/// The image's config cannot be read, or its digest is not the image's ID.
pub fn manifest_digest(image: &Image, blobs: &dyn BlobSource) -> Result<Digest> {
    Ok(Digest::of(&manifest_of(image, &config_of(&image.id, blobs)?)))
}

fn manifest_of(image: &Image, config: &[u8]) -> Vec<u8> {
    oci::to_json(&ImageManifest::of(image, config.len() as u64))
}

/// Writes the layout's documents, and the manifests and configs of `images`.
///
/// # Errors
/// A config cannot be read or is not what its digest says, or `out` fails.
pub fn export_documents(images: &[Image], blobs: &dyn BlobSource, out: &mut dyn Write) -> Result<()> {
    let mut described = Vec::new();
    let mut placed = HashSet::new();
    for image in images {
        let config = config_of(&image.id, blobs)?;
        let manifest = manifest_of(image, &config);
        let mut names = Described::of_image(image, Descriptor::of(&manifest));
        for (name, tag) in names.iter_mut().zip(&image.tags) {
            name.set_containerd_name(tag);
        }
        described.extend(names);
        for document in [config, manifest] {
            let digest = Digest::of(&document);
            if placed.insert(digest) {
                write_document(&blob_member(&digest), &document, out)?;
            }
        }
    }
    write_document(oci::MARKER, &oci::to_json(&LayoutMarker::CURRENT), out)?;
    write_document(oci::INDEX, &oci::to_json(&ImageIndex::new(described)), out)
}

fn write_document(path: &str, bytes: &[u8], out: &mut dyn Write) -> Result<()> {
    write_file(out, path, bytes.len() as u64, &mut &bytes[..]).map_err(|cause| not_read(path, cause))
}

/// Writes the layers of `image` as blobs, base first, but not those in `placed`, to which the others are added.
///
/// # Errors
/// A blob cannot be read or is not what its digest says, or `out` fails.
pub fn export_blobs(
    image: &Image,
    blobs: &dyn BlobSource,
    placed: &mut HashSet<Digest>,
    out: &mut dyn Write,
) -> Result<()> {
    for blob in image.layers.iter().map(super::Layer::blob) {
        if placed.insert(blob.digest) {
            let mut content = VerifyingReader::new(blobs.open(&blob.digest)?, blob);
            write_file(out, &blob_member(&blob.digest), blob.size, &mut content)
                .map_err(|cause| not_read(&image.title(), cause))?;
        }
    }
    Ok(())
}

fn not_read(what: &str, cause: io::Error) -> crate::error::Error {
    failed("the images cannot be read", what, cause)
}
