//! Where blobs are read from by their digest.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use super::analyse::Analysis;
use super::blob::Blob;
use super::limits::ImageLimits;
use crate::digest::{BoundedReader, Digest};
use crate::error::{Error, Result};

/// Where blobs can be read. Its methods are called from several threads at a time.
pub trait BlobSource: Sync {
    /// Opens the content of the blob with this digest. The reader compares it with the digest.
    ///
    /// # Errors
    /// There is no such blob, or it cannot be read.
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>>;
}

/// The blobs and configs of analysed artifacts, read where they were found.
#[derive(Debug, Default)]
pub struct AnalysedBlobs {
    blobs: HashMap<Digest, Blob>,
    configs: HashMap<Digest, Vec<u8>>,
}

impl AnalysedBlobs {
    /// The blobs of `analyses`; of several with one digest the first.
    pub fn of<'a>(analyses: impl IntoIterator<Item = &'a Analysis>) -> Self {
        let mut all = Self::default();
        for analysis in analyses {
            for blob in &analysis.blobs {
                all.blobs.entry(blob.descriptor.digest).or_insert_with(|| blob.clone());
            }
            for (id, config) in &analysis.configs {
                all.configs.entry(*id).or_insert_with(|| config.clone());
            }
        }
        all
    }

    /// The blob with this digest, where an artifact has it.
    pub fn get(&self, digest: &Digest) -> Option<&Blob> {
        self.blobs.get(digest)
    }

    /// The config of the image with this ID.
    pub(super) fn config(&self, id: &Digest) -> Option<&[u8]> {
        self.configs.get(id).map(Vec::as_slice)
    }
}

impl BlobSource for AnalysedBlobs {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        if let Some(config) = self.config(digest) {
            return Ok(Box::new(Cursor::new(config)));
        }
        match self.get(digest) {
            Some(blob) => Ok(blob.open()?),
            None => Err(Error::failed("a blob is in none of the archives")
                .fact("blob", digest)
                .hint("check the folder with: pack verify DIR")),
        }
    }
}

/// Reads the config of the image with this ID.
///
/// # Errors
/// It cannot be read, or its digest is not the ID.
pub(super) fn config_of(id: &Digest, blobs: &dyn BlobSource) -> Result<Vec<u8>> {
    let damaged = |actual: &dyn std::fmt::Display| {
        Error::integrity("an image's config is not what its image ID says")
            .fact("expected", id)
            .fact("actual", actual)
            .hint("check the bundle with: pack verify x.run")
    };
    let mut config = Vec::new();
    BoundedReader::new(blobs.open(id)?, ImageLimits::DEFAULT.json_bytes)
        .read_to_end(&mut config)
        .map_err(|cause| cause.downcast::<Error>().unwrap_or_else(|cause| damaged(&cause)))?;
    match Digest::of(&config) {
        actual if actual == *id => Ok(config),
        actual => Err(damaged(&actual)),
    }
}
