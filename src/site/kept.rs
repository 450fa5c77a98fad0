//! An image archive that a bundle carries as it is, on its way into the engine.
//!
//! Engines before 23 read no zstd, not every site has the `xz` that Docker calls for, and none before 25 finds its
//! way by an OCI index. So the archive's compression is taken off, layers under zstd are unpacked, and where Docker's
//! `manifest.json` is missing, it is written behind the rest.

use std::io::{self, BufRead, Read, Write};

use serde_json::json;
use tar::{Archive, Builder, Header};

use super::engine::not_sent;
use crate::error::{Error, Result};
use crate::image::{Compression, Image, Layer, without_compression};

/// Docker's list of the images in an archive.
const LISTING: &str = "manifest.json";

/// Sends the archive, which has these images, to `out`.
pub(super) fn as_it_is(images: &[Image], archive: impl BufRead + Send, out: &mut dyn Write) -> Result<()> {
    copy(images, archive, out).map_err(|cause| match cause.downcast::<Error>() {
        Ok(ours) => ours,
        Err(cause) if matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            Error::integrity("an image cannot be read")
                .fact("cause", cause)
                .hint("check the bundle with: pack verify x.run")
        }
        Err(cause) => not_sent(cause),
    })
}

fn copy(images: &[Image], archive: impl BufRead + Send, out: &mut dyn Write) -> io::Result<()> {
    let mut archive = Archive::new(without_compression(archive)?);
    let mut builder = Builder::new(out);
    let mut is_listed = false;
    // Raw: a long name is a member of its own, and goes over as one.
    for member in archive.entries()?.raw(true) {
        let mut member = member?;
        let mut header = member.header().clone();
        let path = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        is_listed |= path.trim_start_matches("./") == LISTING;
        match packed_at(images, &path) {
            Some(layer) => {
                header.set_size(layer.size);
                header.set_cksum();
                builder.append(&header, zstd::stream::read::Decoder::new(member)?.take(layer.size))?;
            }
            None => builder.append(&header, &mut member)?,
        }
    }
    if !is_listed {
        let listing = serde_json::to_vec(&images.iter().map(listed).collect::<Vec<_>>())?;
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(listing.len() as u64);
        builder.append_data(&mut header, LISTING, &listing[..])?;
    }
    builder.finish()
}

/// The layer that lies under zstd at this path.
fn packed_at<'a>(images: &'a [Image], path: &str) -> Option<&'a Layer> {
    let hex = path.trim_start_matches("./").strip_prefix("blobs/sha256/")?;
    let layers = images.iter().flat_map(|image| &image.layers);
    layers
        .into_iter()
        .find(|layer| layer.stored.compression == Some(Compression::Zstd) && layer.stored.digest.hex() == hex)
}

fn listed(image: &Image) -> serde_json::Value {
    let blob = |hex: String| format!("blobs/sha256/{hex}");
    let layers: Vec<String> = image.layers.iter().map(|layer| blob(layer.stored.digest.hex())).collect();
    json!({ "Config": blob(image.id.hex()), "RepoTags": image.tags, "Layers": layers })
}
