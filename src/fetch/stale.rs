//! The ladder past caches: what to try when a complete answer has the wrong bytes.

use std::hash::{BuildHasher, RandomState};

use url::Url;

/// The name of the query that no cache knows.
const NONCE: &str = "pack-fresh";

/// How hard to ask for what the origin server has, rather than what some cache on the way kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rung {
    /// As everybody asks.
    #[default]
    Plain,
    /// With `Cache-Control: no-cache` (RFC 9111, section 5.2.1.4), which caches should obey. The URL stays
    /// as it is, for a signed one allows no change.
    NoCache,
    /// And with a query nobody used before: no cache holds an answer to that.
    Fresh,
}

impl Rung {
    /// The next harder one.
    pub(super) fn next(self) -> Option<Rung> {
        match self {
            Rung::Plain => Some(Rung::NoCache),
            Rung::NoCache => Some(Rung::Fresh),
            Rung::Fresh => None,
        }
    }

    /// Whether caches are told to keep out of it.
    pub(super) fn is_past_caches(self) -> bool {
        self != Rung::Plain
    }

    /// The URL to ask on this rung.
    pub(super) fn url(self, url: &Url) -> Url {
        let mut url = url.clone();
        if self == Rung::Fresh {
            // RandomState is seeded anew by the system: all that is needed is that no cache knows the value.
            let nonce = RandomState::new().hash_one(std::time::SystemTime::now());
            url.query_pairs_mut().append_pair(NONCE, &format!("{nonce:016x}"));
        }
        url
    }

    /// `url` without what [`Rung::url`] added, which a redirect may have handed on.
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

    /// What it is, for whoever watches.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Rung::Plain => "as usual",
            Rung::NoCache => "past caches",
            Rung::Fresh => "past caches, under a URL none of them knows",
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
            let fresh = Rung::Fresh.url(&url);
            assert_ne!(fresh, url);
            assert_eq!(Rung::stripped(fresh).as_str().trim_end_matches('?'), text.trim_end_matches('?'));
            assert_eq!(Rung::stripped(url.clone()), url);
        }
    }
}
