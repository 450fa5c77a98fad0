//! `pack cut`: out of a good copy of a bundle what another has lost.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::terminal::{Terminal, bytes, counted, shown};
use crate::error::Result;
use crate::path::shell_word;
use crate::task::cut;

/// Cut what a damaged copy has lost out of a good one
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack verify --map damage.json /media/stick/x.run         on site: what is wrong
  pack cut x.run --map damage.json -o damage.patch         where the bundle is whole
  pack repair /media/stick/x.run --with damage.patch       on site again")]
pub(super) struct CutArgs {
    /// The bundle, a copy that is whole
    bundle: PathBuf,
    /// What 'pack verify --map' wrote about the damaged copy
    #[arg(long, value_name = "FILE")]
    map: PathBuf,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(args: &CutArgs, terminal: &Terminal) -> Result<u8> {
    let progress = terminal.progress();
    let report = cut::run(&args.bundle, &args.map, &args.output, progress.as_ref())?;
    drop(progress);
    terminal.document(&json!({
        "patch": shown::path(&report.path),
        "size": report.length,
        "ranges": report.map.ranges.len(),
        "bytes": report.map.bytes(),
    }))?;
    terminal.text(&format!(
        "{}: {}, {} of {}\nwhere the bundle is damaged: pack repair {} --with {}",
        report.path.display(),
        bytes(report.length),
        counted(report.map.ranges.len() as u64, "range"),
        report.map.bundle,
        shell_word(report.map.bundle.as_ref()),
        shell_word(&report.path)
    ))?;
    Ok(0)
}
