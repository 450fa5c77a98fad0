//! `pack lock`: the publisher pins what a manifest lists.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::network::{self, NetworkArgs};
use super::terminal::Terminal;
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::manifest::edit::with_pins;
use crate::manifest::{Artifact, FILE_NAME, Manifest};
use crate::release::read_manifest_text;
use crate::staged_file::StagedFile;

/// Fetch what is not pinned and write its size and digest into the manifest, in place
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack lock                    ./manifest.json
  pack lock release.json
  pack lock --update           pin everything anew, for a new version

The publisher's step, and the only one that trusts a first answer. Everything else in the file stays as
it is; run twice, it changes nothing. Run it again after an interruption: it goes on where it was.")]
pub(super) struct LockArgs {
    /// The manifest
    #[arg(default_value = FILE_NAME)]
    manifest: PathBuf,
    /// Fetch what is pinned already too, and write what it is now
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(super) fn run(args: &LockArgs, terminal: &Terminal) -> Result<u8> {
    if network::is_meant_as_url(&args.manifest.to_string_lossy()) {
        return Err(Error::usage("a manifest is pinned in place, and a URL is no place to write to")
            .hint("download the manifest, then: pack lock manifest.json"));
    }
    // The file itself, not a link to it, is what gets new content.
    let path = args.manifest.canonicalize().doing("find the manifest", &args.manifest)?;
    let text = read_manifest_text(&path).doing("read the manifest", &path)?;
    let manifest = Manifest::parse(text, &args.manifest.display().to_string())?;
    let open: Vec<(usize, Artifact)> = manifest
        .artifacts()
        .iter()
        .cloned()
        .enumerate()
        .filter(|(_, artifact)| args.update || artifact.pin.is_none_or(|pin| pin.size.is_none()))
        // What is to be pinned anew is fetched as if it never was.
        .map(|(place, artifact)| (place, Artifact { pin: artifact.pin.filter(|_| !args.update), ..artifact }))
        .collect();
    let (pins, failure) = if open.is_empty() {
        (Vec::new(), None)
    } else {
        let base = network::manifest_url(Some(&path.display().to_string()))?;
        let progress = terminal.progress("pinning");
        let open: Vec<(usize, &Artifact)> = open.iter().map(|(place, artifact)| (*place, artifact)).collect();
        args.network.fetcher()?.pin(&open, &base, progress.as_ref())
    };
    let pinned = with_pins(&manifest, &pins)?;
    if pinned != manifest.text() {
        replace(&path, manifest.text(), &pinned)?;
    }
    let rows = pins.iter().map(|(place, pin)| (&manifest.artifacts()[*place], pin));
    if let Some(error) = failure {
        // What was pinned is right whatever became of the others, and stays.
        let names: Vec<&str> = rows.map(|(artifact, _)| artifact.name.as_str()).collect();
        return Err(if names.is_empty() { error } else { error.fact("pinned all the same", names.join(", ")) });
    }
    terminal.document(&json!({
        "manifest": args.manifest,
        "changed": pinned != manifest.text(),
        "pinned": rows.clone().map(|(artifact, pin)| json!({
            "name": artifact.name, "platform": artifact.platform, "size": pin.size, "digest": pin.digest,
        })).collect::<Vec<_>>(),
    }))?;
    if pins.is_empty() {
        terminal.text(&format!("{}: every artifact is pinned already", args.manifest.display()))?;
    } else {
        let cells = |(artifact, pin): (&Artifact, &Descriptor)| {
            vec![artifact.name.to_string(), pin.size.to_string(), pin.digest.to_string()]
        };
        terminal.table(&["NAME", "BYTES", "DIGEST"], rows.map(cells).collect())?;
    }
    Ok(0)
}

/// Replaces the manifest at `path`, which must still have the text `old`: somebody may have edited it while
/// its artifacts were fetched.
fn replace(path: &Path, old: &str, new: &str) -> Result<()> {
    // Two runs of this command do not get past here at once.
    let mut whole = StagedFile::create(path)?;
    if read_manifest_text(path).doing("read the manifest", path)? != old {
        return Err(Error::failed("the manifest has changed while its artifacts were fetched")
            .fact("manifest", path.display())
            .hint("nothing was written: run 'pack lock' again"));
    }
    let mode = fs::metadata(path).doing("look at the manifest", path)?.permissions().mode() & 0o777;
    whole.file().write_all(new.as_bytes()).doing("write", path)?;
    whole.place(mode)
}
