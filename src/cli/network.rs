//! The options that every fetching command footprints, and where a manifest is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use super::terminal::quantity;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fetch::{Options, RegistryMirror};

/// More threads or connections than this help nobody and look like an attack to servers.
const MOST_AT_ONCE: usize = 64;

/// A day in seconds: a longer stall is none that anybody waits for.
const DAY: u64 = 24 * 60 * 60;

/// How to fetch.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    /// How many artifacts at once
    #[arg(long, value_name = "N", default_value_t = Options::default().jobs, value_parser = a_few)]
    jobs: usize,
    /// How many connections at most for one big artifact
    #[arg(long, value_name = "N", default_value_t = Options::default().connections, value_parser = a_few)]
    connections: usize,
    /// Ask this base URL too, after an artifact's own URLs; may be given more than once
    #[arg(long = "mirror", value_name = "BASE")]
    mirrors: Vec<String>,
    /// Ask MIRROR for the images of the registry HOST, and HOST only where MIRROR fails; may be given more than once
    #[arg(long = "registry-mirror", value_name = "HOST=MIRROR")]
    registry_mirrors: Vec<RegistryMirror>,
    /// Speak to this registry without TLS, passwords and all; may be given more than once. One on this machine needs no
    /// such word
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    insecure_registries: Vec<String>,
    /// Trust these certificate authorities (PEM) besides the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// The most bytes a second over all connections; K, M and G are understood
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_rate: Option<u64>,
    /// Give up a connection on which nothing arrives for this many seconds, at most a day
    #[arg(long, value_name = "SECONDS", default_value_t = Options::default().stall.as_secs())]
    stall: u64,
    /// How often to try again without progress
    #[arg(long, value_name = "N", default_value_t = Options::default().retries)]
    retries: usize,
    /// Neither use nor fill the cache of artifacts
    #[arg(long)]
    no_cache: bool,
}

impl NetworkArgs {
    /// How to fetch.
    pub(super) fn options(&self) -> Result<Options> {
        let usual = Options::default();
        Ok(Options {
            jobs: self.jobs,
            connections: self.connections,
            // One big artifact alone gets all the connections it may have.
            extra_connections: usual.extra_connections.max(self.connections - 1),
            mirrors: self.mirrors.iter().map(|base| mirror(base)).collect::<Result<_>>()?,
            registry_mirrors: self.registry_mirrors.clone(),
            insecure_registries: self.insecure_registries.clone(),
            cacert: self.cacert.clone(),
            limit_rate: self.limit_rate,
            stall: Duration::from_secs(self.stall.clamp(1, DAY)),
            retries: self.retries,
            cache: if self.no_cache { None } else { Cache::default_root() },
            ..usual
        })
    }
}

/// The URL of a mirror: its last part is a folder, whether or not it was typed with a slash. The option's own parser
/// would repeat the word that it cannot read, password and all.
fn mirror(base: &str) -> Result<Url> {
    let wrong = |reason: String| {
        Error::usage("the mirror's URL cannot be used")
            .fact("reason", reason)
            .hint("give a URL such as https://mirror.example/product/")
    };
    let mut url = Url::parse(base).map_err(|why| wrong(why.to_string()))?;
    if !matches!(url.scheme(), "http" | "https" | "file") {
        return Err(wrong("it is neither http nor https nor file".to_owned()));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn a_few(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MOST_AT_ONCE).contains(count));
    count.ok_or_else(|| format!("give a number from 1 to {MOST_AT_ONCE}"))
}

/// Bytes a second, as in `500K` or `20M` (decimal units).
fn rate(text: &str) -> Result<u64, String> {
    let rate = quantity(text).filter(|&rate| rate > 0);
    rate.ok_or_else(|| "give bytes a second, such as 500K or 20M".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct NetworkCommand {
        #[command(flatten)]
        network: NetworkArgs,
    }

    #[test]
    fn a_rate_is_a_whole_number_with_a_decimal_unit() {
        for (text, bytes) in [("7", 7), ("500K", 500_000), ("2k", 2_000), ("20M", 20_000_000), ("1G", 1_000_000_000)] {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        let most = u64::MAX.to_string();
        assert_eq!(rate(&most), Ok(u64::MAX));
        for text in
            ["", "0", "0K", "K", "1.5M", "20MB", "20 M", "-1", " 5", "fast", &format!("{most}0"), &format!("{most}K")]
        {
            assert!(rate(text).is_err_and(|why| why.contains("such as 500K or 20M")), "{text}");
        }
    }

    #[test]
    fn one_artifact_gets_the_connections_asked_for() {
        let extra = |words: &[&str]| {
            let words = [&["pack"], words].concat();
            let options =
                NetworkCommand::try_parse_from(words).expect("right words").network.options().expect("usable");
            (options.connections, options.extra_connections)
        };
        assert_eq!(extra(&[]), (8, 16));
        assert_eq!(extra(&["--connections", "64"]), (64, 63));
        assert_eq!(extra(&["--connections", "1"]), (1, 16));
    }
}
