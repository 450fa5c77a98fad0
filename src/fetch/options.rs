//! The options of fetching.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::cosign_key::CosignKey;
use crate::manifest::registry_ref::RegistryRef;

/// How to fetch. `Default` is what `pack` does without options, except that it has no cache.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many artifacts at once. Default 6, as browsers do with one server.
    pub jobs: usize,
    /// How many connections at most for one big artifact. Default 8; 1 never requests ranges in parallel.
    pub connections: usize,
    /// How many connections at most, in all, besides the first of each artifact. Default 16.
    pub extra_connections: usize,
    /// An artifact that takes longer than this gets more connections. Default 250 ms: over a fast link the file is
    /// complete before that.
    pub spread_after: Duration,
    /// No range for a connection of its own is shorter than this, in bytes. Default 1 MiB.
    pub range_bytes: u64,
    /// Where artifacts are kept between folders and versions; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Base URLs that are tried after an artifact's own URLs: each holds artifacts directly under their names.
    pub mirrors: Vec<Url>,
    /// Registries that are asked before others, for the same images.
    pub registry_mirrors: Vec<RegistryMirror>,
    /// Registries, as `HOST` or `HOST:PORT`, that are spoken to without TLS.
    pub insecure_registries: Vec<String>,
    /// The key by which an image in a registry must have been signed with cosign, where it is pinned. What is pinned is
    /// bound by its digest, and needs none.
    pub cosign_key: Option<CosignKey>,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub cacert: Option<PathBuf>,
    /// The most bytes a second over all connections.
    pub limit_rate: Option<u64>,
    /// How long a server may send nothing before the connection is given up; also the time in which a response must
    /// start. Default 30 s. In that time at least [`Options::slowest`] × its seconds must arrive.
    pub stall: Duration,
    /// The slowest a connection may be, in bytes a second, on average over [`Options::stall`]. Default 100.
    pub slowest: u64,
    /// How long connecting may take. Default 15 s.
    pub connect: Duration,
    /// How often all URLs of an artifact are tried again without progress. Default 5.
    pub retries: usize,
    /// The pause before the first retry; it doubles each time, with jitter. Default 500 ms.
    pub pause: Duration,
    /// The longest pause. A server that sends a longer `Retry-After` is not asked again before that is over.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            jobs: 6,
            connections: 8,
            extra_connections: 16,
            spread_after: Duration::from_millis(250),
            range_bytes: 1 << 20,
            cache: None,
            mirrors: Vec::new(),
            registry_mirrors: Vec::new(),
            insecure_registries: Vec::new(),
            cosign_key: None,
            cacert: None,
            limit_rate: None,
            stall: Duration::from_secs(30),
            slowest: 100,
            connect: Duration::from_secs(15),
            retries: 5,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// A registry that has the images of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryMirror {
    /// Whose images, such as `docker.io`.
    pub registry: String,
    /// Where they are: `HOST[:PORT][/PATH]`, below which the repositories have their names.
    pub mirror: String,
}

impl FromStr for RegistryMirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give a registry and its mirror, such as docker.io=mirror.example:5000/hub".to_owned();
        let (registry, mirror) = text.split_once('=').ok_or_else(wrong)?;
        // Whatever repository stands behind them.
        let is_host = |place: &str| RegistryRef::parse(&format!("oci://{place}/x:1")).is_ok();
        if registry.contains('/') || !is_host(registry) || !is_host(mirror.trim_end_matches('/')) {
            return Err(wrong());
        }
        Ok(RegistryMirror { registry: registry.to_owned(), mirror: mirror.trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_of_a_registry_is_a_host_and_perhaps_a_path() {
        let read = |text: &str| text.parse::<RegistryMirror>().map(|it| (it.registry, it.mirror));
        let pair = |one: &str, other: &str| Ok((one.to_owned(), other.to_owned()));
        assert_eq!(read("docker.io=m.example:5000/hub/"), pair("docker.io", "m.example:5000/hub"));
        assert_eq!(read("localhost:1=127.0.0.1:2"), pair("localhost:1", "127.0.0.1:2"));
        for wrong in
            ["docker.io", "=m.example", "docker.io=", "docker.io/a=m.example", "docker.io=http://m.example", "a=b"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
