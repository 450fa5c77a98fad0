//! `pack extract`: the folder back, or some of it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::terminal::{Terminal, counted, shown};
use super::trust::{KeyArgs, signed_document};
use crate::error::Result;
use crate::task::extract::{self, Options, Report};

/// Give the folder back, byte for byte, or some of its files; never runs anything
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack extract hello-1.0.0-x86_64.run out              everything
  pack extract hello-1.0.0-x86_64.run out hello.sh     one file
  sh hello-1.0.0-x86_64.run pack extract out           with the pack inside the bundle")]
pub(super) struct ExtractArgs {
    /// The bundle
    bundle: PathBuf,
    /// The folder to extract into; made when it is not there
    dir: PathBuf,
    /// Only these files
    names: Vec<String>,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &ExtractArgs, terminal: &Terminal) -> Result<u8> {
    let options = Options {
        bundle: args.bundle.clone(),
        dir: args.dir.clone(),
        names: args.names.clone(),
        trust: args.key.read()?,
    };
    let progress = terminal.progress();
    let Report { bundle, signed, files, bytes, plain } = extract::run(&options, progress.as_ref())?;
    drop(progress);
    if !plain.is_empty() {
        terminal.note(&format!(
            "packed without originals, these came back as plain docker archives, which no manifest knows: {}; \
             load them with 'docker load', or from the bundle with 'pack load'",
            plain.join(", ")
        ));
    }
    let index = bundle.index();
    terminal.document(&json!({
        "bundle": shown::path(&args.bundle),
        "folder": shown::path(&args.dir),
        "signature": signed_document(&signed),
        "files": files,
        "bytes": bytes,
        "plain": plain,
    }))?;
    terminal.text(&format!(
        "{}: {} of {} {}, {}\n{signed}",
        args.dir.display(),
        counted(files as u64, "file"),
        index.name,
        index.version,
        terminal.throughput(bytes)
    ))?;
    Ok(0)
}
