//! `pack load`: images from a folder or a bundle into the container engine.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::terminal::{Terminal, shown};
use super::trust::{KeyArgs, signed_document};
use crate::error::Result;
use crate::release::Folder;
use crate::task::load::{self, Report};

/// Stream images into 'docker load'; no temporary copy
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack load dataflux-func-1.0.0-x86_64.run                   every image
  pack load dataflux-func-1.0.0-x86_64.run redis.tar.gz      one of them
  pack load dataflux-func-portable                           from the folder")]
pub(super) struct LoadArgs {
    /// The folder or bundle
    source: PathBuf,
    /// Only these artifacts
    names: Vec<String>,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &LoadArgs, terminal: &Terminal) -> Result<u8> {
    if !args.source.is_dir() {
        return run_bundle(args, terminal);
    }
    let progress = terminal.progress();
    let report = load::from_folder(&Folder::at(&args.source), &args.names, &args.key.read()?, progress.as_ref())?;
    drop(progress);
    show(args, &report, terminal)
}

/// As [`run`], of a bundle only: the archives of a folder are taken apart first, by code that a bundle's own
/// runtime does without.
pub(super) fn run_bundle(args: &LoadArgs, terminal: &Terminal) -> Result<u8> {
    let progress = terminal.progress();
    let report = load::from_bundle(&args.source, &args.names, &args.key.read()?, progress.as_ref())?;
    drop(progress);
    show(args, &report, terminal)
}

fn show(args: &LoadArgs, Report { loaded, bytes, signed }: &Report, terminal: &Terminal) -> Result<u8> {
    terminal.document(&json!({
        "source": shown::path(&args.source),
        "signature": signed_document(signed),
        "loaded": loaded,
        "bytes": bytes,
    }))?;
    let summary = match &loaded[..] {
        [] => "nothing to load: there are no images in it".to_owned(),
        names => format!("loaded {}: {}", names.join(", "), terminal.throughput(*bytes)),
    };
    terminal.text(&format!("{summary}\n{signed}"))?;
    Ok(0)
}
