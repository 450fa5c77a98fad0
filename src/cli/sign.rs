//! `pack sign`: a publisher's signature beside a manifest.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::password;
use super::terminal::{Terminal, shown};
use crate::error::Result;
use crate::manifest::FILE_NAME;
use crate::signature::SecretKey;
use crate::task::sign::{self, Report};

/// Sign a manifest, in minisign's format
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack sign --key release.key                     writes manifest.json.minisig
  minisign -V -p release.pub -m manifest.json     the stock program agrees

Publish the .minisig file beside the manifest.")]
pub(super) struct SignArgs {
    /// The manifest
    #[arg(default_value = FILE_NAME)]
    manifest: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE", default_value = "pack.key")]
    key: PathBuf,
}

pub(super) fn run(args: &SignArgs, terminal: &Terminal) -> Result<u8> {
    let key = || SecretKey::read(&args.key, password::ask);
    let Report { signature, comment } = sign::run(&args.manifest, key)?;
    terminal.document(
        &json!({ "manifest": shown::path(&args.manifest), "signature": shown::path(&signature), "comment": comment }),
    )?;
    terminal.text(&format!("{}: {comment}", signature.display()))?;
    Ok(0)
}
