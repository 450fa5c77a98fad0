//! `pack download`: a folder with exactly the bytes that a manifest pins.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::network::NetworkArgs;
use super::platform::platform;
use super::terminal::{Column, Terminal, bytes, shown};
use super::trust::{KeyArgs, signed_document};
use crate::digest::Digest;
use crate::error::Result;
use crate::fetch::{How, Outcome};
use crate::manifest::FILE_NAME;
use crate::platform::Platform;
use crate::task::download::{self, Listed, Listing, Options, Report};
use crate::task::manifest_url::{Wanted, wanted};

/// Fetch what a manifest pins: keeps what is right, gets what is missing or stale
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack download                                    ./manifest.json, else the one built in
  pack download --dir hello-portable               from where that folder came from
  pack download https://example.com/manifest.json  from a server
  pack download --list                             what to fetch by hand
  pack download --sha256sums > SHA256SUMS          for sha256sum -c SHA256SUMS
  pack download --list --show-credentials          with URLs that work as they are, secrets and all
  pack download --mirror https://mirror.example.com/files/

Run it again after an interruption: nothing is fetched twice. Proxies come from http_proxy,
https_proxy, all_proxy (SOCKS too) and no_proxy.")]
pub(super) struct DownloadArgs {
    /// The manifest, or its URL [default: where the folder came from, else ./manifest.json, else the one built in]
    #[arg(value_name = "MANIFEST|URL")]
    manifest: Option<OsString>,
    /// The folder [default: this one, if 'pack download' made it, else ./NAME-portable]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Fetch the artifacts of this platform [default: the folder's, else this machine's]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    /// Only print names, URLs, sizes and digests, to fetch by other means. User, password and the values of
    /// queries are left out of the URLs
    #[arg(long)]
    list: bool,
    /// With --list: print the URLs whole, so that signed ones work. Keep that list as secret as a password
    #[arg(long, requires = "list")]
    show_credentials: bool,
    /// Only print what 'sha256sum -c' reads, to check by other means what was fetched by other means
    #[arg(long, conflicts_with = "list")]
    sha256sums: bool,
    /// Let an older version, or other content of the same version, replace what is in the folder
    #[arg(long)]
    allow_downgrade: bool,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(super) fn run(args: &DownloadArgs, terminal: &Terminal) -> Result<u8> {
    // A wrong key fails before anything is fetched.
    let (trust, network) = (args.key.read()?, args.network.options()?);
    let Wanted { manifest, dir, is_remembered } = wanted(args.manifest.as_deref(), args.dir.as_deref())?;
    if is_remembered {
        terminal.note(&format!("the manifest is the one that the folder came from: {}", shown::url(manifest.as_str())));
    }
    let options =
        Options { trust, network, manifest, dir, platform: args.platform, allow_downgrade: args.allow_downgrade };
    let progress = terminal.progress();
    if args.sha256sums {
        let listing = download::list(&options, false, progress.as_ref())?;
        drop(progress);
        show_sums(&listing, terminal)?;
    } else if args.list {
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
        "folder": shown::path(report.folder.root()),
        "name": report.manifest.name().as_str(),
        "version": report.manifest.version(),
        "signature": signed_document(&report.signed),
        "wireBytes": wire,
        "siteProgram": report.has_program,
        "artifacts": report.artifacts,
    }))?;
    let row = |outcome: &Outcome| {
        let from = match (outcome.from_cache, &outcome.url) {
            (true, _) => "cache",
            (false, Some(url)) => &shown::url(url),
            (false, None) => "",
        };
        vec![outcome.how.as_str().to_owned(), outcome.name.clone(), bytes(outcome.size), from.to_owned()]
    };
    if terminal.verbose() || !terminal.has_listed() {
        let columns =
            [Column::state("HOW"), Column::shortened("NAME"), Column::whole("SIZE"), Column::shortened("FROM").spare()];
        let rows: Vec<Vec<String>> = report.artifacts.iter().map(row).collect();
        terminal.table_of_files(&columns, &rows, |row| row[0] != How::Kept.as_str())?;
    }
    let count = |how| report.artifacts.iter().filter(|outcome| outcome.how == how).count();
    terminal.text(&format!(
        "{}: {} {}: {} kept, {} fetched, {} replaced; {}\n{}",
        report.folder.root().display(),
        report.manifest.name(),
        report.manifest.version(),
        count(How::Kept),
        count(How::Fetched),
        count(How::Replaced),
        match wire {
            0 => format!("nothing over the network, in {}", terminal.took()),
            wire => format!("{} over the network", terminal.throughput(wire)),
        },
        report.signed
    ))
}

/// Everything that is needed to fetch by hand; an unpinned artifact is listed too.
fn show_listing(listing: &Listing, terminal: &Terminal) -> Result<()> {
    let text = listing.manifest.text();
    let digest = Digest::of(text.as_bytes());
    terminal.document(&json!({
        "name": listing.manifest.name().as_str(),
        "version": listing.manifest.version(),
        "platform": listing.platform,
        "manifest": { "name": FILE_NAME, "url": listing.url, "size": text.len(), "digest": digest },
        "artifacts": listing.artifacts.iter().map(|Listed { artifact, urls }| json!({
            "name": artifact.id.name,
            "kind": artifact.kind,
            "urls": urls,
            "size": artifact.pin.and_then(|pin| pin.size),
            "digest": artifact.pin.map(|pin| pin.digest),
        })).collect::<Vec<_>>(),
    }))?;
    let mut rows = vec![vec![FILE_NAME.to_owned(), text.len().to_string(), digest.to_string(), listing.url.clone()]];
    for Listed { artifact, urls } in &listing.artifacts {
        let size = artifact.pin.and_then(|pin| pin.size).map_or("?".to_owned(), |size| size.to_string());
        let digest = artifact.pin.map_or("unpinned".to_owned(), |pin| pin.digest.to_string());
        for (number, url) in urls.iter().enumerate() {
            rows.push(if number == 0 {
                vec![artifact.id.name.to_string(), size.clone(), digest.clone(), url.clone()]
            } else {
                vec![String::new(), String::new(), String::new(), url.clone()]
            });
        }
    }
    let columns = [Column::whole("NAME"), Column::whole("BYTES"), Column::whole("DIGEST"), Column::whole("URL")];
    terminal.table_to_copy(&columns, &rows)
}

/// The manifest and every artifact that is pinned, as `sha256sum -c` reads them in the folder.
fn show_sums(listing: &Listing, terminal: &Terminal) -> Result<()> {
    let own = (Digest::of(listing.manifest.text().as_bytes()), FILE_NAME);
    let pinned = |Listed { artifact, .. }: &Listed| artifact.pin.map(|pin| (pin.digest, artifact.id.name.to_string()));
    let unpinned = listing.artifacts.iter().filter(|listed| listed.artifact.pin.is_none());
    for Listed { artifact, .. } in unpinned {
        terminal.note(&format!("{} has no digest: it is not pinned", artifact.id.name));
    }
    let rest: Vec<(Digest, String)> = listing.artifacts.iter().filter_map(pinned).collect();
    let all = [own].into_iter().chain(rest.iter().map(|(digest, name)| (*digest, name.as_str())));
    let lines: String = all.map(|(digest, name)| format!("{}  {name}\n", digest.hex())).collect();
    terminal.page(lines.as_bytes(), |sums| json!({ "sha256sums": sums }))
}
