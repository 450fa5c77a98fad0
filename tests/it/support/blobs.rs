//! Blobs read where they were found, and the proof that an artifact comes back from them.

use std::collections::HashMap;
use std::io::Read;

use pack::digest::{Descriptor, Digest};
use pack::error::{Error, Result};
use pack::image::{Analysis, Blob, BlobSource, Form, rebuild};

/// Blobs read from the artifacts they were found in.
pub struct Blobs(pub HashMap<Digest, Blob>);

impl Blobs {
    pub fn of(analyses: &[&Analysis]) -> Self {
        Blobs(analyses.iter().flat_map(|one| &one.blobs).map(|blob| (blob.digest, blob.clone())).collect())
    }
}

impl BlobSource for Blobs {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        match self.0.get(digest) {
            Some(blob) => Ok(blob.open()?),
            None => Err(Error::failed("no such blob").fact("blob", digest)),
        }
    }
}

/// The original comes back from recipe and blobs, and every blob is what its digest says.
pub fn assert_comes_back(analysis: &Analysis, original: &[u8]) {
    let Form::Rebuilt(recipe) = &analysis.form else { panic!("{:?}", analysis.form) };
    let blobs = Blobs::of(&[analysis]);
    for (digest, blob) in &blobs.0 {
        let found = Descriptor::of_reader(blob.open().expect("opens")).expect("reads");
        assert_eq!(found, Descriptor { digest: *digest, size: blob.size });
    }
    let mut again = Vec::new();
    rebuild(&analysis.artifact, recipe, &blobs, &mut again).expect("rebuilt");
    assert!(again == original, "{} of {} bytes", again.len(), original.len());
}
