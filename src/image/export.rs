//! Images as an archive for `docker load`.
//!
//! The form is that of `docker save` from 1.10 to 24: `manifest.json`, a config and a folder for each layer,
//! which every Docker Engine since 1.10 reads, and podman and skopeo as `docker-archive`. A layer that the
//! daemon already has may be left out: the engine opens a layer's file only when its store lacks the layer.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::Image;
use super::rebuild::{BlobSource, failed};
use super::text::unpacked;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

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
    let manifest: Vec<Value> = images
        .iter()
        .map(|image| {
            let layers: Vec<String> = image.layers.iter().map(|layer| layer_path(&layer.diff_id)).collect();
            json!({ "Config": format!("{}.json", image.id.hex()), "RepoTags": image.tags, "Layers": layers })
        })
        .collect();
    let manifest = Value::Array(manifest).to_string().into_bytes();
    file(out, "manifest.json", manifest.len() as u64, &mut &manifest[..]).map_err(failed)?;
    let mut placed = HashSet::new();
    for image in images {
        if placed.insert(image.id) {
            let name = format!("{}.json", image.id.hex());
            file(out, &name, image.config.len() as u64, &mut &image.config[..]).map_err(failed)?;
        }
    }
    for layer in images.iter().flat_map(|image| &image.layers) {
        if skip.contains(&layer.diff_id) || !placed.insert(layer.diff_id) {
            continue;
        }
        let stored = blobs.open(&layer.stored.digest)?;
        let content = match layer.stored.compression {
            None => stored,
            Some(compression) => unpacked(stored, compression).map_err(failed)?,
        };
        let mut content = Checked { content, hasher: Hasher::new() };
        folder(out, &format!("{}/", layer.diff_id.hex())).map_err(failed)?;
        file(out, &layer_path(&layer.diff_id), layer.size, &mut content).map_err(failed)?;
        let actual = content.hasher.finish();
        if actual != layer.diff_id {
            return Err(Error::integrity("a layer is not what its image's config says")
                .fact("image", image_name(images, &layer.diff_id))
                .fact("expected", layer.diff_id)
                .fact("actual", actual)
                .hint("check the bundle with: pack verify x.run"));
        }
    }
    Ok(())
}

fn title(images: &[Image]) -> String {
    images.first().and_then(|image| image.tags.first()).map_or("images", String::as_str).to_owned()
}

fn layer_path(diff_id: &Digest) -> String {
    format!("{}/layer.tar", diff_id.hex())
}

fn image_name(images: &[Image], diff_id: &Digest) -> String {
    let owner = images.iter().find(|image| image.layers.iter().any(|layer| layer.diff_id == *diff_id));
    owner.map(|image| image.tags.first().cloned().unwrap_or_else(|| image.id.to_string())).unwrap_or_default()
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

fn file(out: &mut dyn Write, path: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
    out.write_all(header(path, size, EntryType::Regular, 0o644)?.as_bytes())?;
    let mut content = content.take(size);
    // What `docker load` reads from is a pipe: small writes would cost a switch each.
    let mut buffer = vec![0; 256 << 10];
    let mut left = size;
    while left > 0 {
        let count = content.read(&mut buffer)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a blob ends too early"));
        }
        out.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    out.write_all(&[0; 512][..(size.wrapping_neg() % 512) as usize])
}

struct Checked<R> {
    content: R,
    hasher: Hasher,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
