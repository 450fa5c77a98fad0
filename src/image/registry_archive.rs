//! The archive of an image that was fetched from a registry.
//!
//! It is [`export()`]'s, with decompressed layers: it depends on the image's config, its layers' content and its name only, so
//! every registry that has the image gives the same bytes. The manifest names the config by digest, the config each layer's
//! decompressed content; both are compared.
//!
//! A tar header has the size of what follows, which the documents do not say. A gzip file's last bytes say it, and a zstd
//! frame's first ones; so the layers are decompressed once, while the archive is written. Where that proves wrong (several
//! gzip members, more than 4 GiB, or content that is not what the config says), all sizes are measured, and the archive is
//! written again.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use super::blobs::config_of;
use super::content::Codec;
use super::limits::ImageLimits;
use super::oci::ImageConfig;
use super::rebuild::failed;
use super::{BlobSource, Image, Layer, Packed, RegistryImage, export};
use crate::digest::{BoundedReader, Descriptor, Digest, Mismatch, VerifyingReader};
use crate::error::{Class, Error, Result};
use crate::image_ref::ImageRef;
use crate::platform::Platform;
use crate::workers;

/// The size of the pieces in which an archive is passed on, in bytes.
const BUFFER: usize = 256 << 10;

/// Blobs as a registry has them, which somebody has compared with their digests.
pub trait RegistryBlobs: BlobSource {
    /// The last `count` bytes of a blob.
    ///
    /// # Errors
    /// It cannot be read, or is shorter.
    fn last(&self, digest: &Digest, count: u64) -> Result<Vec<u8>>;
}

/// Where an archive goes.
pub trait ArchiveSink: Write {
    /// Forgets everything written so far.
    ///
    /// # Errors
    /// The disk refuses.
    fn start_over(&mut self) -> Result<()>;
}

impl RegistryImage {
    /// Writes the image's archive to `out`, under the name `tag` if there is one. Reading and decompressing go on on another
    /// thread.
    ///
    /// # Errors
    /// The config or a layer is not what it must be, the image is for another platform, or `out` fails.
    pub fn write(
        &self,
        tag: Option<ImageRef>,
        platform: Option<Platform>,
        blobs: &dyn RegistryBlobs,
        out: &mut dyn ArchiveSink,
    ) -> Result<()> {
        let (platform, diff_ids) = self.config(platform, blobs)?;
        let pairs = || self.layers.iter().copied().zip(diff_ids.iter().copied());
        let mut image = Image { tags: tag.into_iter().collect(), id: self.config.digest, platform, layers: Vec::new() };
        let told: Result<Option<Vec<Layer>>> = pairs().map(|(blob, diff_id)| told(blob, diff_id, blobs)).collect();
        if let Some(layers) = told? {
            image.layers = layers;
            match write_image(&image, blobs, out) {
                Err(error) if error.class() == Class::Integrity => out.start_over()?,
                other => return other,
            }
        }
        image.layers = pairs().map(|(blob, diff_id)| measured(blob, diff_id, blobs)).collect::<Result<_>>()?;
        write_image(&image, blobs, out)
    }

    /// What the config says: the platform, which must be the one that is wanted, and the layers' diffIDs.
    fn config(&self, wanted: Option<Platform>, blobs: &dyn BlobSource) -> Result<(String, Vec<Digest>)> {
        let bad = |why: &dyn std::fmt::Display| {
            Error::integrity("the image's config does not fit its manifest")
                .fact("image", self.config.digest)
                .fact("reason", why)
                .hint("the image was made or changed by a faulty tool: push it again, or use another")
        };
        let config: ImageConfig =
            serde_json::from_slice(&config_of(&self.config.digest, blobs)?).map_err(|why| bad(&why))?;
        let runs_on = config.platform();
        if let Some(wanted) = wanted.filter(|wanted| wanted.as_str() != runs_on) {
            return Err(Error::failed("the image is for another platform than the artifact")
                .fact("found", runs_on)
                .fact("expected", wanted)
                .hint("correct the artifact's platform or its reference in the manifest"));
        }
        if config.diff_ids().len() != self.layers.len() {
            return Err(bad(&"they have different numbers of layers"));
        }
        let diff_ids = config.diff_ids().iter().map(|id| id.parse().map_err(|why| bad(&why)));
        Ok((runs_on, diff_ids.collect::<Result<_>>()?))
    }
}

fn write_image(image: &Image, blobs: &dyn BlobSource, out: &mut dyn ArchiveSink) -> Result<()> {
    let cannot = |cause: io::Error| failed("the image's archive cannot be written", &image.title(), cause);
    let images = std::slice::from_ref(image);
    workers::piped(
        |feed| export(images, blobs, &HashSet::new(), feed),
        |mut archive| {
            let mut buffer = vec![0; BUFFER];
            loop {
                match archive.read(&mut buffer) {
                    Ok(0) => return out.flush().map_err(cannot),
                    Ok(count) => out.write_all(&buffer[..count]).map_err(cannot)?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(cannot(error)),
                }
            }
        },
        cannot,
    )
}

/// The layer as its blob describes itself; `None` where that does not tell its size.
fn told(blob: Descriptor, diff_id: Digest, blobs: &dyn RegistryBlobs) -> Result<Option<Layer>> {
    let mut first = Vec::new();
    blobs.open(&blob.digest)?.take(32).read_to_end(&mut first).map_err(|cause| unreadable(blob, cause))?;
    let codec = Codec::of(&first);
    let size = match codec {
        None => Some(blob.size),
        Some(Codec::Gzip) => {
            let last = blobs.last(&blob.digest, 4)?;
            let size = last.try_into().ok().map(|last| u64::from(u32::from_le_bytes(last)));
            // Compression never adds more than that: it is the rest of a size over 4 GiB.
            size.filter(|size| size + size / 64 + 1024 >= blob.size)
        }
        Some(Codec::Zstd) => zstd::zstd_safe::get_frame_content_size(&first).ok().flatten(),
        Some(Codec::Xz) => None,
    };
    Ok(size.map(|size| layer(blob, diff_id, size, codec)))
}

/// The layer, decompressed for its size, whose content must have the digest `diff_id`.
fn measured(blob: Descriptor, diff_id: Digest, blobs: &dyn BlobSource) -> Result<Layer> {
    let limits = ImageLimits::DEFAULT;
    let mut first = Vec::new();
    blobs.open(&blob.digest)?.take(32).read_to_end(&mut first).map_err(|cause| unreadable(blob, cause))?;
    let codec = Codec::of(&first);
    let source = VerifyingReader::new(blobs.open(&blob.digest)?, blob);
    let content: Box<dyn Read + Send + '_> = match codec {
        None => Box::new(source),
        Some(codec) => codec.decoder(source, &limits).map_err(|cause| unreadable(blob, cause))?,
    };
    let found = Descriptor::of_reader(BoundedReader::new(content, limits.content_bytes));
    let found = found.map_err(|cause| unreadable(blob, cause))?;
    if found.digest != diff_id {
        return Err(Error::integrity("a layer is not what its image's config says")
            .fact("layer", blob.digest)
            .fact("expected", diff_id)
            .fact("found", found.digest)
            .hint("the image was made or changed by a faulty tool: push it again, or use another"));
    }
    Ok(layer(blob, diff_id, found.size, codec))
}

fn layer(blob: Descriptor, diff_id: Digest, size: u64, codec: Option<Codec>) -> Layer {
    let packed = codec.map(|codec| Packed { digest: blob.digest, size: blob.size, codec });
    Layer { diff_id, size, packed }
}

fn unreadable(blob: Descriptor, cause: io::Error) -> Error {
    if let Some(mismatch) = Mismatch::behind(&cause) {
        return Error::integrity("a layer has changed on the disk since it was fetched")
            .fact("layer", blob.digest)
            .fact("reason", mismatch)
            .hint("run the same command again: it is fetched again; if this comes back, check the disk");
    }
    cause.downcast::<Error>().unwrap_or_else(|cause| {
        Error::integrity("a layer cannot be decompressed")
            .fact("layer", blob.digest)
            .fact("cause", cause)
            .hint("the image was made by a faulty tool: push it again, or use another")
    })
}
