//! `pack download`: a folder with exactly the bytes that a manifest pins.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::locate;
use super::network::{self, NetworkArgs};
use super::terminal::{Terminal, bytes};
use super::trust::{self, KeyArgs, Trust};
use crate::error::Result;
use crate::fetch::{Fetcher, How, Outcome};
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::release::{Folder, LockedFolder};

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
    manifest: Option<String>,
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
    // A wrong key is told before anything is fetched.
    let trust = args.key.read()?;
    let fetcher = args.network.fetcher()?;
    let url = network::manifest_url(args.manifest.as_deref())?;
    let plan = Plan { dir: args.dir.as_deref(), platform: args.platform, allow_downgrade: args.allow_downgrade };
    if args.list {
        let trusted = trust.fetch(&fetcher, &url, &|_| Ok(()), terminal)?;
        let platform = locate::platform_of(&plan.folder(&trusted.manifest), args.platform)?;
        return list(&trusted, &fetcher, platform, args.show_credentials, terminal);
    }
    let trusted = trust.fetch(&fetcher, &url, &|manifest| plan.accept(manifest), terminal)?;
    let folder = plan.folder(&trusted.manifest);
    let (_, outcomes) = fill(&folder, &trusted, &fetcher, &plan, terminal)?;
    show(&folder, &trusted.manifest, &outcomes, terminal)?;
    Ok(0)
}

/// What a download may do.
pub(super) struct Plan<'a> {
    /// The folder asked for.
    pub(super) dir: Option<&'a Path>,
    /// The platform asked for.
    pub(super) platform: Option<Platform>,
    /// Whether an older version may replace a newer one.
    pub(super) allow_downgrade: bool,
}

impl Plan<'_> {
    fn folder(&self, manifest: &Manifest) -> Folder {
        Folder::at(self.dir.map_or_else(|| locate::folder_name(manifest), Path::to_owned))
    }

    /// Whether `manifest` may take the place of what is in the folder.
    fn accept(&self, manifest: &Manifest) -> Result<()> {
        trust::check_succession(&self.folder(manifest), manifest, self.allow_downgrade).map(drop)
    }
}

/// Sees to it that the folder holds what the manifest pins, and nothing of the version before. It is locked, so
/// that it stays so.
pub(super) fn fill(
    folder: &Folder,
    trusted: &trust::Trusted,
    fetcher: &Fetcher,
    plan: &Plan<'_>,
    terminal: &Terminal,
) -> Result<(LockedFolder, Vec<Outcome>)> {
    let manifest = &trusted.manifest;
    let platform = locate::platform_of(folder, plan.platform)?;
    let selection = manifest.select(platform)?;
    let folder = folder.lock()?;
    // Another run may have been here since the manifest was accepted.
    let old = trust::check_succession(&folder, manifest, plan.allow_downgrade)?;
    if let Some(old) = &old {
        for name in folder.remove_conflicting(old, &selection)? {
            terminal.note(&format!("removed {name}: it is in the way of version {}", manifest.version()));
        }
    }
    let outcomes = {
        let progress = terminal.progress("fetching");
        fetcher.download(&selection, &trusted.base, &folder, progress.as_ref())?
    };
    if let Some(old) = old {
        for name in folder.remove_left_over(&old, &selection)? {
            terminal.note(&format!("removed {name}: version {} has it no more", manifest.version()));
        }
    }
    folder.write_platform(platform)?;
    folder.write_manifest(manifest, trusted.signature.as_deref())?;
    Ok((folder, outcomes))
}

fn show(folder: &Folder, manifest: &Manifest, outcomes: &[Outcome], terminal: &Terminal) -> Result<()> {
    let wire: u64 = outcomes.iter().map(|outcome| outcome.wire_bytes).sum();
    terminal.document(&json!({
        "folder": folder.root(),
        "name": manifest.name().as_str(),
        "version": manifest.version(),
        "wireBytes": wire,
        "artifacts": outcomes,
    }))?;
    let rows = outcomes.iter().map(|outcome| {
        let from = match (outcome.from_cache, &outcome.url) {
            (true, _) => "cache",
            (false, Some(url)) => url.as_str(),
            (false, None) => "",
        };
        vec![outcome.how.as_str().to_owned(), outcome.name.clone(), bytes(outcome.size), from.to_owned()]
    });
    terminal.table(&["HOW", "NAME", "SIZE", "FROM"], rows.collect())?;
    let count = |how| outcomes.iter().filter(|outcome| outcome.how == how).count();
    terminal.text(&format!(
        "{}: {} {}: {} kept, {} fetched, {} replaced; {} over the network",
        folder.root().display(),
        manifest.name(),
        manifest.version(),
        count(How::Kept),
        count(How::Fetched),
        count(How::Replaced),
        bytes(wire)
    ))
}

/// Everything that is needed to fetch by hand; an unpinned artifact is listed too.
fn list(
    trusted: &trust::Trusted,
    fetcher: &Fetcher,
    platform: Platform,
    show_credentials: bool,
    terminal: &Terminal,
) -> Result<u8> {
    let manifest = &trusted.manifest;
    let chosen = manifest.artifacts().iter().filter(|artifact| artifact.is_for(platform));
    let chosen: Vec<_> = chosen
        .map(|artifact| Ok((artifact, fetcher.urls(artifact, &trusted.base, show_credentials)?)))
        .collect::<Result<_>>()?;
    terminal.document(&json!({
        "name": manifest.name().as_str(),
        "version": manifest.version(),
        "platform": platform,
        "artifacts": chosen.iter().map(|(artifact, urls)| json!({
            "name": artifact.name,
            "kind": artifact.kind,
            "urls": urls,
            "size": artifact.pin.and_then(|pin| pin.size),
            "digest": artifact.pin.map(|pin| pin.digest),
        })).collect::<Vec<_>>(),
    }))?;
    let mut rows = Vec::new();
    for (artifact, urls) in chosen {
        let size = artifact.pin.and_then(|pin| pin.size).map_or("?".to_owned(), |size| size.to_string());
        let digest = artifact.pin.map_or("unpinned".to_owned(), |pin| pin.digest.to_string());
        for (number, url) in urls.into_iter().enumerate() {
            rows.push(if number == 0 {
                vec![artifact.name.to_string(), size.clone(), digest.clone(), url]
            } else {
                vec![String::new(), String::new(), String::new(), url]
            });
        }
    }
    terminal.table(&["NAME", "BYTES", "DIGEST", "URL"], rows)?;
    Ok(0)
}

/// Downloads for another command.
pub(super) fn for_bundle(
    manifest: &str,
    plan: &Plan<'_>,
    trust: &Trust,
    network: &NetworkArgs,
    terminal: &Terminal,
) -> Result<LockedFolder> {
    let fetcher = network.fetcher()?;
    let url = network::manifest_url(Some(manifest))?;
    let trusted = trust.fetch(&fetcher, &url, &|manifest| plan.accept(manifest), terminal)?;
    let folder = plan.folder(&trusted.manifest);
    fill(&folder, &trusted, &fetcher, plan, terminal).map(|(folder, _)| folder)
}
