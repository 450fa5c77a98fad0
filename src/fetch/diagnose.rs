//! Diagnosis of wrong content. Where its size alone showed that it is wrong, it was not read. When no source helped, its
//! digest is worth one more transfer, for the error alone: it tells which version a cache holds.

use std::io::{self, Write};

use url::Url;

use super::cache_bypass::CacheBypass;
use super::error::ActualSize;
use super::http::{Http, Request};
use crate::digest::{BoundedWriter, Descriptor, HashingWriter};

/// Whether wrong content of this size is read: not if it is much larger than the artifact.
pub(super) fn is_worth(size: ActualSize, expected: u64) -> bool {
    match size {
        ActualSize::Exactly(size) | ActualSize::MoreThan(size) => size <= limit(expected),
    }
}

fn limit(expected: u64) -> u64 {
    expected.saturating_mul(2).saturating_add(1 << 20)
}

/// The descriptor of what `url` has in place of an artifact of `expected` bytes; `None` if it cannot be read within
/// [`Options::stall`](super::Options::stall), is too large, or has the right size after all: that is for the next run.
pub(super) async fn descriptor(http: &Http, url: &Url, expected: u64) -> Option<Descriptor> {
    tokio::time::timeout(http.options().stall, read(http, url, expected)).await.ok()?
}

async fn read(http: &Http, url: &Url, expected: u64) -> Option<Descriptor> {
    let mut response = http.get(url, &Request { bypass: CacheBypass::NoCache, ..Request::default() }).await.ok()?;
    if response.total.is_some_and(|total| total == expected || total > limit(expected)) {
        return None;
    }
    let mut writer = HashingWriter::new(BoundedWriter::new(io::sink(), limit(expected)));
    while let Some(piece) = response.chunk().await.ok()? {
        writer.write_all(&piece).ok()?;
    }
    let actual = writer.finish().1;
    let size = actual.size;
    let is_whole = response.end_is_certain() && response.total.is_none_or(|total| total == size) && size != expected;
    is_whole.then_some(actual)
}
