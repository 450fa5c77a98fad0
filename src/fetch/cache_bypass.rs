//! How to get past caches: what to try when a complete response has the wrong bytes.

use std::hash::{BuildHasher, RandomState};

use url::Url;

/// The name of the query parameter that makes a URL unique.
const NONCE: &str = "pack-fresh";

/// How a request gets past the caches between here and the origin server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CacheBypass {
    /// Caches may answer.
    #[default]
    None,
    /// With `Cache-Control: no-cache` (RFC 9111, section 5.2.1.4), which caches should obey. The URL stays
    /// as it is, for a signed one allows no change.
    NoCache,
    /// And with a query parameter that was never used before, so that no cache holds a response.
    UniqueUrl,
}

impl CacheBypass {
    /// The next stronger one.
    pub(super) fn next(self) -> Option<CacheBypass> {
        match self {
            CacheBypass::None => Some(CacheBypass::NoCache),
            CacheBypass::NoCache => Some(CacheBypass::UniqueUrl),
            CacheBypass::UniqueUrl => None,
        }
    }

    /// Whether the request says `no-cache`.
    pub(super) fn is_active(self) -> bool {
        self != CacheBypass::None
    }

    /// The URL to request.
    pub(super) fn url(self, url: &Url) -> Url {
        let mut url = url.clone();
        if self == CacheBypass::UniqueUrl {
            // The system seeds each RandomState: all that is needed is a value that no cache knows.
            let nonce = RandomState::new().hash_one(std::time::SystemTime::now());
            url.query_pairs_mut().append_pair(NONCE, &format!("{nonce:016x}"));
        }
        url
    }

    /// `url` without what [`CacheBypass::url`] added, which a redirect may have passed on.
    pub(super) fn stripped(mut url: Url) -> Url {
        let not_ours = |pair: &&str| pair.split_once('=').is_none_or(|(name, _)| name != NONCE);
        if let Some(query) = url.query() {
            let kept = query.split('&').filter(not_ours).collect::<Vec<_>>().join("&");
            if kept != query {
                url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
            }
        }
        url
    }

    /// Its words for the progress notes.
    pub(super) fn describe(self) -> &'static str {
        match self {
            CacheBypass::None => "as usual",
            CacheBypass::NoCache => "past caches",
            CacheBypass::UniqueUrl => "past caches, under a URL none of them knows",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_can_be_taken_off() {
        for text in ["http://host/a", "http://host/a?", "http://host/a?b", "http://host/a?b=%20&c=+"] {
            let url: Url = text.parse().expect("a URL");
            let fresh = CacheBypass::UniqueUrl.url(&url);
            assert_ne!(fresh, url);
            assert_eq!(CacheBypass::stripped(fresh).as_str().trim_end_matches('?'), text.trim_end_matches('?'));
            assert_eq!(CacheBypass::stripped(url.clone()), url);
        }
    }
}
