//! Where a run keeps the blobs of images, and what came of them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::cache::Cache;
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::image::{BlobSource, RegistryBlobs};
use crate::progress::Progress;
use crate::scratch::Scratch;

/// Where a run keeps blobs, and which are under way.
#[derive(Default)]
pub(in crate::fetch) struct BlobStore {
    chosen: Mutex<Option<Cache>>,
    /// Where there is no cache.
    scratch: OnceLock<Scratch>,
    busy: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    /// What this run has fetched, or read and found right.
    right: Mutex<HashSet<Digest>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BlobStore {
    /// The cache of the run, else one that ends with it.
    ///
    /// # Errors
    /// No scratch folder can be made.
    pub(super) fn cache(&self, cache: Option<&Cache>, progress: &dyn Progress) -> Result<Cache> {
        let mut chosen = locked(&self.chosen);
        if let Some(chosen) = chosen.as_ref() {
            return Ok(chosen.clone());
        }
        // One that nothing can be written to is none.
        let probe = Digest::of(format!("probe {}", std::process::id()).as_bytes());
        let usable = cache.and_then(|cache| match cache.incoming(&probe) {
            Ok(_) => Some(cache.clone()),
            Err(error) => {
                progress.note(&format!("the parts of images are not kept in the cache: {error}"));
                None
            }
        });
        let cache = match usable {
            Some(cache) => cache,
            None => self.scratch_cache()?,
        };
        Ok(chosen.insert(cache).clone())
    }

    fn scratch_cache(&self) -> Result<Cache> {
        let place = std::env::temp_dir();
        let ((), folder) = Scratch::making(|| {
            let folder = tempfile::Builder::new().prefix("pack-blobs-").tempdir_in(&place);
            folder.doing("create the folder", &place).map(|folder| ((), folder.keep()))
        })?;
        Ok(Cache::at(self.scratch.get_or_init(|| folder).path()))
    }

    /// Only one artifact fetches a blob.
    pub(super) fn turn(&self, digest: Digest) -> Arc<tokio::sync::Mutex<()>> {
        locked(&self.busy).entry(digest).or_default().clone()
    }

    /// Whether this run knows that the blob in the cache is right.
    pub(super) fn is_right(&self, digest: &Digest) -> bool {
        locked(&self.right).contains(digest)
    }

    /// Remembers that it is.
    pub(super) fn found_right(&self, digest: Digest) {
        locked(&self.right).insert(digest);
    }
}

/// What came of the blobs of one artifact, over all its tries.
#[derive(Default)]
pub(in crate::fetch) struct Received {
    wire: AtomicU64,
    present: Mutex<HashMap<Digest, u64>>,
}

impl Received {
    /// The bytes that came over the network.
    pub(in crate::fetch) fn wire(&self) -> u64 {
        self.wire.load(Ordering::Relaxed)
    }

    /// The bytes that the next try need not fetch. What comes again and again is counted once.
    pub(in crate::fetch) fn kept(&self) -> u64 {
        locked(&self.present).values().sum()
    }

    pub(super) fn arrived(&self, bytes: u64) {
        self.wire.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn has(&self, blob: Digest, bytes: u64) {
        locked(&self.present).insert(blob, bytes);
    }
}

/// Blobs in the cache that this run has fetched, or read and found right.
pub(super) struct CachedBlobs {
    pub(super) cache: Cache,
}

impl CachedBlobs {
    fn file(&self, digest: &Digest) -> Result<File> {
        self.cache.open(digest).map_err(|cause| unreadable(digest, cause))
    }
}

fn unreadable(digest: &Digest, cause: io::Error) -> Error {
    Error::failed("a blob cannot be read from the cache")
        .fact("blob", digest)
        .fact("cause", &cause)
        .caused_by(cause)
        .hint("run the same command again: it is fetched again where it is missing")
}

impl RegistryBlobs for CachedBlobs {
    fn last(&self, digest: &Digest, count: u64) -> Result<Vec<u8>> {
        let mut file = self.file(digest)?;
        let mut bytes = Vec::new();
        let size = file.metadata().map_err(|cause| unreadable(digest, cause))?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(count)))
            .and_then(|_| file.take(count).read_to_end(&mut bytes))
            .map_err(|cause| unreadable(digest, cause))?;
        Ok(bytes)
    }
}

impl BlobSource for CachedBlobs {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.file(digest)?))
    }
}
