//! `pack lock`: the publisher pins what a manifest lists.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::network::NetworkArgs;
use super::terminal::{Column, Terminal, shown};
use crate::digest::Descriptor;
use crate::error::Result;
use crate::manifest::FILE_NAME;
use crate::task::lock::{self, NewPin, Options};

/// Fetch what is not pinned and write its size and digest into the manifest, in place
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack lock                    ./manifest.json
  pack lock release.json
  pack lock --update           pin everything again, for a new version

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
    let options = Options { manifest: args.manifest.clone(), update: args.update, network: args.network.options()? };
    let report = lock::run(&options, terminal.progress_of_what_is_listed().as_ref())?;
    terminal.document(&json!({
        "manifest": shown::path(&args.manifest),
        "changed": report.changed,
        "pinned": report.pinned.iter().map(|pin| json!({
            "name": pin.id.name,
            "platform": pin.id.platform,
            "size": pin.descriptor.size,
            "digest": pin.descriptor.digest,
        })).collect::<Vec<_>>(),
    }))?;
    if report.pinned.is_empty() {
        terminal.text(&format!("{}: every artifact is pinned already", args.manifest.display()))?;
    } else {
        let cells = |pin: &NewPin| {
            let Descriptor { digest, size } = pin.descriptor;
            vec![pin.id.name.to_string(), size.to_string(), digest.to_string()]
        };
        let columns = [Column::Shortened("NAME"), Column::Whole("BYTES"), Column::Whole("DIGEST")];
        terminal.table(&columns, &report.pinned.iter().map(cells).collect::<Vec<_>>())?;
    }
    Ok(0)
}
