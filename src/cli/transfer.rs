//! `pack transfer`: a bundle onto a stick, and read back from it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::password;
use super::terminal::{Terminal, bytes, shown};
use super::trust::KeyArgs;
use super::volumes::volume_size;
use crate::error::Result;
use crate::signature::SecretKey;
use crate::task::transfer::{self, Options, Transferred};

/// Copy a bundle onto a stick, and read it back from there
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack transfer hello-1.0.0-x86_64.run /media/stick
  pack transfer x.run /media/one /media/two      onto two, one after the other
  pack transfer x.run /media/stick --volume-size 4G    in x.run.001, x.run.002, …, none larger
  pack transfer --key release.key x.run /media/stick   signs the receipt

Checksum, signature and parity beside the bundle go with it. Broken off or unplugged, the same command goes on
and writes only what is not right yet.")]
pub(super) struct TransferArgs {
    /// The bundle
    bundle: PathBuf,
    /// Folders on sticks
    #[arg(required = true, value_name = "DEST")]
    destinations: Vec<PathBuf>,
    /// Divide the bundle: x.run, and x.run.001, x.run.002, … beside it, none larger than this; K, M and G are understood
    /// [default: one file, where the medium takes it]
    #[arg(long, value_name = "SIZE", value_parser = volume_size)]
    volume_size: Option<u64>,
    /// Sign the receipt with this secret key
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    publisher: KeyArgs,
}

pub(super) fn run(args: &TransferArgs, terminal: &Terminal) -> Result<u8> {
    let signer = args.key.as_deref().map(|key| SecretKey::read(key, password::ask)).transpose()?;
    let options = Options {
        bundle: args.bundle.clone(),
        destinations: args.destinations.clone(),
        volume_size: args.volume_size,
        signer,
        trust: args.publisher.read()?,
    };
    let progress = terminal.progress();
    let mut copies = Vec::new();
    transfer::run(&options, progress.as_ref(), |copy| {
        // Said at once: the next stick may take long, and this one can go.
        copies.push(json!({
            "bundle": shown::path(&copy.path),
            "receiptFile": shown::path(&copy.receipt_file),
            "signatureFile": copy.signature_file.as_deref().map(shown::path),
            "receipt": copy.receipt,
        }));
        terminal.text(&line(&copy))
    })?;
    drop(progress);
    terminal.document(&json!({ "copies": copies }))?;
    Ok(0)
}

/// A finished medium, in a line.
fn line(copy: &Transferred) -> String {
    let receipt = &copy.receipt;
    let size: u64 = receipt.files.iter().map(|file| file.size).sum();
    let rate = |count: u64, seconds: f64| bytes((count as f64 / seconds.max(0.001)) as u64);
    format!(
        "{}: {}, {} of it written at {}/s, all read back from the medium at {}/s: safe to unplug",
        copy.path.display(),
        bytes(size),
        bytes(receipt.written),
        rate(receipt.written, receipt.write_seconds),
        rate(size, receipt.read_seconds)
    )
}
