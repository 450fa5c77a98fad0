//! What is kept of earlier downloads: listed, or thrown away.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::cache::{Cache, CacheEntry, Pruned, Stray};
use crate::error::{Error, Result};

/// What to throw away; what interrupted runs left more than a day ago goes always. Without a bound, everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Only what was not used for this many days.
    pub older_than_days: Option<u64>,
    /// Only as much as is needed to keep at most this many bytes.
    pub keep_bytes: Option<u64>,
}

/// What is in the cache, or was.
#[derive(Debug)]
pub struct Report {
    /// Where the cache lies.
    pub root: PathBuf,
    /// Whole artifacts, the one that was used longest ago first.
    pub entries: Vec<CacheEntry>,
    /// What interrupted runs left.
    pub strays: Vec<Stray>,
}

/// Lists what the cache keeps.
///
/// # Errors
/// There is no place for a cache, or it cannot be read.
pub fn list() -> Result<Report> {
    let cache = usual()?;
    Ok(Report { root: cache.root().to_owned(), entries: cache.list()?, strays: cache.strays()? })
}

/// Throws away what `bounds` says; the report is of what went.
///
/// # Errors
/// There is no place for a cache, or a file cannot be removed.
pub fn prune(bounds: Bounds) -> Result<Report> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let cache = usual()?;
    let used_before = bounds
        .older_than_days
        .and_then(|days| SystemTime::now().checked_sub(DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX))));
    let everything = bounds.older_than_days.is_none() && bounds.keep_bytes.is_none();
    let keep_bytes = if everything { Some(0) } else { bounds.keep_bytes };
    let Pruned { entries, strays } = cache.prune(used_before, keep_bytes)?;
    Ok(Report { root: cache.root().to_owned(), entries, strays })
}

fn usual() -> Result<Cache> {
    Cache::default_root().map(Cache::at).ok_or_else(|| {
        Error::failed("there is no place for a cache").hint("set HOME or XDG_CACHE_HOME to an absolute path")
    })
}
