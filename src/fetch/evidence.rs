//! What a server has in place of an artifact. Where its size alone gave it away nobody read it; when nothing helped,
//! its digest is worth one more transfer, for the error alone: it tells which version a cache is holding on to.

use url::Url;

use super::fault::Came;
use super::http::{Ask, Http};
use crate::digest::{Digest, Hasher};

/// Whether a wrong answer of so many bytes is read: not when it is much more than was ever meant to come.
pub(super) fn is_worth(size: Came, expected: u64) -> bool {
    match size {
        Came::All(size) | Came::MoreThan(size) => size <= limit(expected),
    }
}

fn limit(expected: u64) -> u64 {
    expected.saturating_mul(2).saturating_add(1 << 20)
}

/// Size and digest of all that `url` has in place of an artifact of `expected` bytes; `None` where it cannot be had
/// in the time in which something must come, is too much, or is the artifact after all: that is for the next run.
pub(super) async fn of(http: &Http, url: &Url, expected: u64) -> Option<(u64, Digest)> {
    // Whoever waits for the error has waited long enough.
    tokio::time::timeout(http.options().stall, read(http, url, expected)).await.ok()?
}

async fn read(http: &Http, url: &Url, expected: u64) -> Option<(u64, Digest)> {
    let mut answer = http.get(url, &Ask { past_caches: true, ..Ask::default() }).await.ok()?;
    if answer.total.is_some_and(|total| total == expected || total > limit(expected)) {
        return None;
    }
    let mut hasher = Hasher::new();
    while let Some(piece) = answer.piece().await.ok()? {
        hasher.update(&piece);
        if hasher.length() > limit(expected) {
            return None;
        }
    }
    let size = hasher.length();
    let is_whole = answer.end_is_certain() && answer.total.is_none_or(|total| total == size) && size != expected;
    is_whole.then(|| (size, hasher.finish()))
}
