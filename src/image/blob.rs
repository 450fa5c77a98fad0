//! A blob in its artifact.

use std::io::Read;
use std::sync::Arc;

use super::archive::Compression;
use super::text::{Text, unpacked};
use crate::digest::Digest;
use crate::error::{IoContext, Result};

/// A blob of an artifact.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
    pub(super) place: Place,
}

/// Where a blob lies in its artifact.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) text: Arc<Text>,
    pub(super) offset: u64,
    /// What lies there, when the blob is what is under its compression.
    pub(super) packed: Option<(Compression, u64)>,
}

impl Blob {
    /// Its content, read from the artifact.
    ///
    /// # Errors
    /// The artifact cannot be read any more.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        let Place { text, offset, packed } = &self.place;
        text.open(*offset)
            .and_then(|reader| match packed {
                Some((compression, size)) => unpacked(Box::new(reader.take(*size)), *compression),
                None => Ok(Box::new(reader.take(self.size)) as Box<dyn Read + Send>),
            })
            .doing("read", &text.path)
    }
}

/// Adds `blob`, unless it is there.
pub(super) fn add(blobs: &mut Vec<Blob>, blob: Blob) {
    if !blobs.iter().any(|known| known.digest == blob.digest) {
        blobs.push(blob);
    }
}
