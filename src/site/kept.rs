//! An image archive that a bundle carries as it is, on its way into the engine.
//!
//! Engines before 23 read no zstd, not every site has the `xz` that Docker calls for, and none before 25 finds its
//! way by an OCI index. So the archive's compression is taken off, layers under zstd are unpacked, and where Docker's
//! `manifest.json` is missing, it is written behind the rest.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use tar::{Archive, Builder, Header};

use super::loading::not_sent;
use crate::error::{Error, Result};
use crate::image::{Codec, Image, Layer, docker_manifest, without_compression};
use crate::language::tr;

/// Docker's list of the images in an archive.
const LISTING: &str = "manifest.json";
/// What says that the archive is an image layout.
const MARKER: &str = "oci-layout";

/// Sends the archive, which has these images, to `out`.
pub(super) fn as_it_is(images: &[Image], archive: impl BufRead + Send, out: &mut dyn Write) -> Result<()> {
    copy(images, archive, out).map_err(|cause| match cause.downcast::<Error>() {
        Ok(ours) => ours,
        Err(cause) if matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            Error::integrity(tr!("an image cannot be read")).fact("cause", cause)
        }
        Err(cause) => not_sent(cause),
    })
}

fn copy(images: &[Image], archive: impl BufRead + Send, out: &mut dyn Write) -> io::Result<()> {
    let mut archive = Archive::new(without_compression(archive)?);
    let mut builder = Builder::new(out);
    let mut is_listed = false;
    // What pax and GNU headers say of a member, its size above all, is read here and written again in GNU's form.
    for member in archive.entries()? {
        let member = member?;
        let path = member.path()?.into_owned();
        let mut header = member.header().clone();
        header.set_size(member.size());
        let plain = path.strip_prefix(".").unwrap_or(&path);
        if plain == Path::new(MARKER) {
            continue; // containerd would read index.json instead of Docker's list
        }
        is_listed |= plain == Path::new(LISTING);
        let link = member.link_name()?.map(|target| target.into_owned());
        match (link, packed_at(images, plain)) {
            (Some(target), _) => builder.append_link(&mut header, &path, target)?,
            (None, Some(layer)) => {
                header.set_size(layer.size);
                builder.append_data(&mut header, &path, zstd::stream::read::Decoder::new(member)?.take(layer.size))?;
            }
            (None, None) => builder.append_data(&mut header, &path, member)?,
        }
    }
    if !is_listed {
        let listing = docker_manifest(images);
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(listing.len() as u64);
        builder.append_data(&mut header, LISTING, &listing[..])?;
    }
    builder.finish()
}

/// The layer that lies under zstd at this path.
fn packed_at<'a>(images: &'a [Image], path: &Path) -> Option<&'a Layer> {
    let hex = path.strip_prefix("blobs/sha256").ok()?.to_str()?;
    let mut layers = images.iter().flat_map(|image| &image.layers);
    layers.find(|layer| layer.codec() == Some(Codec::Zstd) && layer.blob().digest.hex() == hex)
}
