//! Images as an archive for `docker load`.
//!
//! The form is that of `docker save` from 1.10 to 24: `manifest.json`, a config and a folder for each layer,
//! which every Docker Engine since 1.10 reads, and podman and skopeo as `docker-archive`. A layer that the
//! daemon already has may be left out: the engine opens a layer's file only when its store lacks the layer.

use std::collections::HashSet;
use std::io::{self, BufReader, Read, Write};

use tar::{EntryType, Header};

use super::Image;
use super::blobs::{BlobSource, config_of};
use super::limits::ImageLimits;
use super::oci::{self, DockerImage};
use super::rebuild::failed;
use crate::digest::{Digest, Mismatch, VerifyingReader};
use crate::error::{Error, Result};

/// What the engine reads from is a pipe: small writes would cost a switch each.
const BUFFER: usize = 256 << 10;

/// What ends a tar archive. An engine looks at what it was sent when it has read this.
pub const END_OF_ARCHIVE: [u8; 1024] = [0; 1024];

/// Writes an archive with `images` to `out`, each layer once, base layers first, without the layers whose
/// `diff_id` is in `skip`. The same images give the same bytes.
///
/// # Errors
/// A blob cannot be read or is not what its digest says, or `out` fails.
pub fn export(images: &[Image], blobs: &dyn BlobSource, skip: &HashSet<Digest>, out: &mut dyn Write) -> Result<()> {
    export_members(images, blobs, skip, out)?;
    out.write_all(&END_OF_ARCHIVE)
        .and_then(|()| out.flush())
        .map_err(|cause| failed("the images cannot be written", &title(images), cause))
}

/// Writes all of that archive but [`END_OF_ARCHIVE`].
///
/// # Errors
/// As [`export`].
pub fn export_members(
    images: &[Image],
    blobs: &dyn BlobSource,
    skip: &HashSet<Digest>,
    out: &mut dyn Write,
) -> Result<()> {
    let failed = |cause: io::Error| failed("the images cannot be read", &title(images), cause);
    let manifest: Vec<DockerImage> = images
        .iter()
        .map(|image| {
            let layers = image.layers.iter().map(|layer| layer_path(&layer.diff_id)).collect();
            DockerImage::of(image, config_path(&image.id), layers)
        })
        .collect();
    let manifest = oci::to_json(&manifest);
    write_file(out, "manifest.json", manifest.len() as u64, &mut &manifest[..]).map_err(failed)?;
    let mut placed = HashSet::new();
    for image in images {
        if placed.insert(image.id) {
            let config = config_of(&image.id, blobs)?;
            write_file(out, &config_path(&image.id), config.len() as u64, &mut &config[..]).map_err(failed)?;
        }
    }
    for layer in images.iter().flat_map(|image| &image.layers) {
        if skip.contains(&layer.diff_id) || !placed.insert(layer.diff_id) {
            continue;
        }
        let blob = blobs.open(&layer.blob().digest)?;
        let content = match layer.codec() {
            None => blob,
            Some(codec) => codec.decoder(blob, &ImageLimits::DEFAULT).map_err(failed)?,
        };
        let mut content = VerifyingReader::new(content, layer.content());
        folder(out, &format!("{}/", layer.diff_id.hex())).map_err(failed)?;
        write_file(out, &layer_path(&layer.diff_id), layer.size, &mut content).map_err(
            |cause| match Mismatch::behind(&cause) {
                Some(mismatch) => Error::integrity("a layer is not what its image's config says")
                    .fact("image", image_name(images, &layer.diff_id))
                    .fact("layer", layer.diff_id)
                    .fact("reason", mismatch),
                None => failed(cause),
            },
        )?;
    }
    Ok(())
}

fn title(images: &[Image]) -> String {
    images.first().map_or_else(|| "images".to_owned(), Image::title)
}

fn config_path(id: &Digest) -> String {
    format!("{}.json", id.hex())
}

fn layer_path(diff_id: &Digest) -> String {
    format!("{}/layer.tar", diff_id.hex())
}

fn image_name(images: &[Image], diff_id: &Digest) -> String {
    let owner = images.iter().find(|image| image.layers.iter().any(|layer| layer.diff_id == *diff_id));
    owner.map(Image::title).unwrap_or_default()
}

fn header(path: &str, size: u64, kind: EntryType, mode: u32) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(path)?;
    header.set_size(size);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(header)
}

fn folder(out: &mut dyn Write, path: &str) -> io::Result<()> {
    out.write_all(header(path, 0, EntryType::Directory, 0o755)?.as_bytes())
}

/// Writes a member of a tar archive.
pub(super) fn write_file(out: &mut dyn Write, path: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
    out.write_all(header(path, size, EntryType::Regular, 0o644)?.as_bytes())?;
    let written = io::copy(&mut BufReader::with_capacity(BUFFER, content), out)?;
    if written != size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a blob ends too early"));
    }
    out.write_all(&[0; 512][..(size.wrapping_neg() % 512) as usize])
}
