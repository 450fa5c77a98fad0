//! `pack parity`: a file beside a bundle by which it can be repaired.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::terminal::{Terminal, bytes, counted, shown};
use crate::error::Result;
use crate::parity::layout::{Asked, SECTOR};
use crate::path::shell_word;
use crate::task::parity::{self, Outcome, Report};

/// Write what a damaged bundle can be repaired by beside it: x.run.parity
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack parity hello-1.0.0-x86_64.run                 5 % of the bundle
  pack parity --amount 20% hello-1.0.0-x86_64.run    more, for a stick that is not to be trusted
  pack parity --amount fill /media/stick/x.run       as much as there is room for

The bundle stays as it is. Carry both files; where the bundle is damaged: pack repair.")]
pub(super) struct ParityArgs {
    /// The bundle
    bundle: PathBuf,
    /// How much, in percent of the bundle: so much of it may be lost; 'fill' for as much as there is room for
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = amount)]
    amount: Asked,
}

/// The amount that was typed.
pub(super) fn amount(text: &str) -> Result<Asked, String> {
    text.parse()
}

pub(super) fn run(args: &ParityArgs, terminal: &Terminal) -> Result<u8> {
    let progress = terminal.progress();
    let outcome = parity::run(&args.bundle, args.amount, progress.as_ref())?;
    drop(progress);
    let Outcome::Made(report) = outcome else {
        terminal.document(&json!({ "bundle": shown::path(&args.bundle), "parity": null }))?;
        terminal.note(&parity::offer_second_copy(&args.bundle, &args.bundle));
        return Ok(0);
    };
    let mut document = document(&report);
    document["bundle"] = json!(shown::path(&args.bundle));
    terminal.document(&document)?;
    terminal.text(&line(&report))?;
    terminal.text(&format!("where it is damaged: pack repair {}", shell_word(&args.bundle)))?;
    Ok(0)
}

/// Parity that was made, as a document.
pub(super) fn document(report: &Report) -> Value {
    json!({
        "parity": shown::path(&report.path),
        "size": report.length,
        "sectors": report.layout.sectors(),
        "sectorSize": SECTOR,
        "groups": report.layout.groups(),
        "repairsSectors": report.layout.parity(),
    })
}

/// Parity that was made, in a line.
pub(super) fn line(report: &Report) -> String {
    let layout = &report.layout;
    format!(
        "{}: {}; it repairs up to {} of {} bytes, {} of each {}",
        report.path.display(),
        bytes(report.length),
        counted(layout.parity(), "sector"),
        SECTOR,
        layout.recovery(),
        layout.data() + layout.recovery()
    )
}
