//! `pack add`: more artifacts in a manifest.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::init::{documents, next, notes, progress, table, tell_next};
use super::platform::platform;
use super::terminal::{Terminal, counted, shown};
use crate::error::Result;
use crate::platform::Platform;
use crate::task::add::{self, Options};

/// Add stack files, folders, URLs and images to a manifest
#[derive(Args)]
#[command(
    override_usage = "pack add [OPTIONS] [MANIFEST] <SOURCE>...",
    after_help = "\
Examples:
  pack add redis:6.2                    to ./manifest.json
  pack add release.json docs/ https://downloads.example.com/tool.tar.gz
  pack add --platform arm64 redis:6.2   the same image for another platform
  pack add docker-daemon:shop/web:1     an image that only the engine here has

What is in the manifest already stays as it is, also in order and layout. A name that is there is
refused; an image of a stack file that is there is the one that is meant. Then 'pack lock' pins what
is new."
)]
pub(super) struct AddArgs {
    /// The manifest [default: manifest.json], then stack files, folders, files, URLs and images
    #[arg(required = true, value_name = "SOURCE")]
    words: Vec<OsString>,
    /// The manifest, where its name does not end in .json
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The platform that images are for [default: this machine's]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
}

pub(super) fn run(args: &AddArgs, terminal: &Terminal) -> Result<u8> {
    let options = Options { manifest: args.manifest.clone(), words: args.words.clone(), platform: args.platform };
    let report = add::run(&options, progress(terminal).as_ref())?;
    terminal.document(&json!({
        "manifest": shown::path(&report.manifest),
        "changed": report.changed,
        "added": documents(&report.found),
        "product": report.product.as_deref().map(shown::path),
        "notes": report.notes,
        "next": next(&report.manifest),
    }))?;
    notes(&report.notes, terminal);
    if !report.changed {
        terminal.text(&format!("{}: everything is in it already", report.manifest.display()))?;
        return Ok(0);
    }
    table(&report.found, terminal)?;
    let count = counted(report.found.len() as u64, "artifact");
    terminal.text(&format!("{}: {count} added", report.manifest.display()))?;
    tell_next(report.product.as_deref(), &report.manifest, terminal)?;
    Ok(0)
}
