//! `pack repair`: a damaged bundle is made whole where it lies.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::terminal::{Terminal, bytes, shown};
use super::trust::{KeyArgs, signed_document};
use crate::error::Result;
use crate::task::repair::{self, Options, RepairSource};

/// Make a damaged bundle whole: from its parity, a good copy, or a patch
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack repair x.run                          from x.run.parity beside it
  pack repair x.run --from /backup/x.run     from a copy that is whole
  pack repair x.run --with damage.patch      with what 'pack cut' cut out of such a copy

Only what is wrong is written, and every byte is checked afterwards. Broken off, the same command goes on.")]
pub(super) struct RepairArgs {
    /// The bundle
    bundle: PathBuf,
    /// Take what is wrong from this copy of the bundle
    #[arg(long, value_name = "BUNDLE", conflicts_with = "with")]
    from: Option<PathBuf>,
    /// Take what is wrong from this patch
    #[arg(long, value_name = "PATCH")]
    with: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &RepairArgs, terminal: &Terminal) -> Result<u8> {
    let source = match (&args.from, &args.with) {
        (Some(copy), _) => RepairSource::Copy(copy.clone()),
        (None, Some(patch)) => RepairSource::Patch(patch.clone()),
        (None, None) => RepairSource::Parity,
    };
    let options = Options { bundle: args.bundle.clone(), source, trust: args.key.read()? };
    let progress = terminal.progress();
    let report = repair::run(&options, progress.as_ref())?;
    drop(progress);
    for flaw in &report.flaws {
        terminal.note(&format!("the parity is damaged too: {flaw}; make it again when the bundle is copied"));
    }
    let signed = report.verified.signed.as_ref();
    terminal.document(&json!({
        "bundle": shown::path(&args.bundle),
        "repaired": report.written,
        "lengthWas": report.length_was,
        "parityFlaws": report.flaws,
        "signature": signed.map(signed_document),
        "ok": true,
    }))?;
    let done = match (report.written, report.length_was) {
        (0, None) => "nothing was wrong".to_owned(),
        (written, None) => format!("{} repaired", bytes(written)),
        (written, Some(length)) => format!("{} repaired, and the length, which was {length} bytes", bytes(written)),
    };
    let signed = signed.map_or_else(String::new, |signed| format!("\n{signed}"));
    terminal.text(&format!("{}: {done}; every byte is as its publisher packed it{signed}", args.bundle.display()))?;
    Ok(0)
}
