//! `pack download`: a folder with exactly the bytes that a manifest pins.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::network::NetworkArgs;
use super::terminal::{Terminal, bytes};
use super::trust::KeyArgs;
use crate::error::Result;
use crate::fetch::How;
use crate::platform::Platform;
use crate::task::download::{self, Listed, Listing, Options, Report};
use crate::task::manifest_url::manifest_url;

/// Fetch what a manifest pins: keeps what is right, gets what is missing or stale
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack download                                    ./manifest.json, else the one built in
  pack download https://example.com/manifest.json  from a server
  pack download --list                             what to fetch by hand
  pack download --list --show-credentials          with URLs that work as they are, secrets and all
  pack download --mirror https://mirror.example.com/files/

Run it again after an interruption: what came so far is not fetched twice. Proxies come from http_proxy,
https_proxy, all_proxy (SOCKS too) and no_proxy.")]
pub(super) struct DownloadArgs {
    /// The manifest, or its URL [default: ./manifest.json, else the one built in]
    #[arg(value_name = "MANIFEST|URL")]
    manifest: Option<OsString>,
    /// The folder [default: ./NAME-portable]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Fetch the artifacts of this platform [default: the folder's, else this machine's]
    #[arg(long)]
    platform: Option<Platform>,
    /// Only print names, URLs, sizes and digests, to fetch by other means. User, password and the values of
    /// queries are left out of the URLs
    #[arg(long)]
    list: bool,
    /// With --list: print the URLs whole, so that signed ones work. Keep that list as secret as a password
    #[arg(long, requires = "list")]
    show_credentials: bool,
    /// Let an older version, or other content of the same version, replace what is in the folder
    #[arg(long)]
    allow_downgrade: bool,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(super) fn run(args: &DownloadArgs, terminal: &Terminal) -> Result<u8> {
    let options = Options {
        // A wrong key is told before anything is fetched.
        trust: args.key.read()?,
        network: args.network.options()?,
        manifest: manifest_url(args.manifest.as_deref())?,
        dir: args.dir.clone(),
        platform: args.platform,
        allow_downgrade: args.allow_downgrade,
    };
    let progress = terminal.progress();
    if args.list {
        let listing = download::list(&options, args.show_credentials, progress.as_ref())?;
        drop(progress);
        show_listing(&listing, terminal)?;
    } else {
        let report = download::run(&options, progress.as_ref())?;
        drop(progress);
        show(&report, terminal)?;
    }
    Ok(0)
}

fn show(report: &Report, terminal: &Terminal) -> Result<()> {
    let wire: u64 = report.artifacts.iter().map(|outcome| outcome.wire_bytes).sum();
    terminal.document(&json!({
        "folder": report.folder.root(),
        "name": report.manifest.name().as_str(),
        "version": report.manifest.version(),
        "wireBytes": wire,
        "artifacts": report.artifacts,
    }))?;
    let rows = report.artifacts.iter().map(|outcome| {
        let from = match (outcome.from_cache, &outcome.url) {
            (true, _) => "cache",
            (false, Some(url)) => url.as_str(),
            (false, None) => "",
        };
        vec![outcome.how.as_str().to_owned(), outcome.name.clone(), bytes(outcome.size), from.to_owned()]
    });
    terminal.table(&["HOW", "NAME", "SIZE", "FROM"], rows.collect())?;
    let count = |how| report.artifacts.iter().filter(|outcome| outcome.how == how).count();
    terminal.text(&format!(
        "{}: {} {}: {} kept, {} fetched, {} replaced; {} over the network",
        report.folder.root().display(),
        report.manifest.name(),
        report.manifest.version(),
        count(How::Kept),
        count(How::Fetched),
        count(How::Replaced),
        bytes(wire)
    ))
}

/// Everything that is needed to fetch by hand; an unpinned artifact is listed too.
fn show_listing(listing: &Listing, terminal: &Terminal) -> Result<()> {
    terminal.document(&json!({
        "name": listing.manifest.name().as_str(),
        "version": listing.manifest.version(),
        "platform": listing.platform,
        "artifacts": listing.artifacts.iter().map(|Listed { artifact, urls }| json!({
            "name": artifact.name,
            "kind": artifact.kind,
            "urls": urls,
            "size": artifact.pin.and_then(|pin| pin.size),
            "digest": artifact.pin.map(|pin| pin.digest),
        })).collect::<Vec<_>>(),
    }))?;
    let mut rows = Vec::new();
    for Listed { artifact, urls } in &listing.artifacts {
        let size = artifact.pin.and_then(|pin| pin.size).map_or("?".to_owned(), |size| size.to_string());
        let digest = artifact.pin.map_or("unpinned".to_owned(), |pin| pin.digest.to_string());
        for (number, url) in urls.iter().enumerate() {
            rows.push(if number == 0 {
                vec![artifact.name.to_string(), size.clone(), digest.clone(), url.clone()]
            } else {
                vec![String::new(), String::new(), String::new(), url.clone()]
            });
        }
    }
    terminal.table(&["NAME", "BYTES", "DIGEST", "URL"], rows)
}
