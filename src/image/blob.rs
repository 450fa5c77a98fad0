//! A blob in the artifact it was found in.

use std::io::Read;
use std::sync::Arc;

use super::content::{ArtifactContent, Codec};
use crate::digest::Descriptor;
use crate::error::{IoContext, Result};

/// A blob of an artifact.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest and size in bytes.
    pub descriptor: Descriptor,
    pub(super) location: BlobLocation,
}

/// Where a blob lies.
#[derive(Debug, Clone)]
pub(super) struct BlobLocation {
    pub(super) content: Arc<ArtifactContent>,
    /// The offset in the artifact's decompressed content.
    pub(super) offset: u64,
    /// Codec and size of what lies there, where the blob is the content of that.
    pub(super) packed: Option<(Codec, u64)>,
}

impl Blob {
    /// Opens its content, which is read from the artifact.
    ///
    /// # Errors
    /// The artifact can no longer be read.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        let BlobLocation { content, offset, packed } = &self.location;
        content
            .open(*offset)
            .and_then(|reader| match packed {
                Some((codec, size)) => codec.decoder(reader.take(*size), &content.limits),
                None => Ok(Box::new(reader.take(self.descriptor.size)) as Box<dyn Read + Send>),
            })
            .doing("read", &content.path)
    }
}

/// Adds `blob`, unless there is one with its digest.
pub(super) fn add(blobs: &mut Vec<Blob>, blob: Blob) {
    if !blobs.iter().any(|known| known.descriptor.digest == blob.descriptor.digest) {
        blobs.push(blob);
    }
}
