//! `pack init`: a new manifest out of what a publisher has.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use semver::Version;
use serde_json::{Value, json};

use super::platform::platform;
use super::terminal::{Column, Terminal, counted, shown};
use crate::error::Result;
use crate::manifest::ProductName;
use crate::path::shell_word;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::task::gather::Found;
use crate::task::init::{self, Options, Target};

/// Write a new manifest out of stack files, folders, URLs and images
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack init compose.yaml           it, every image in it, and a product.yaml for 'pack site'
  pack init --name shop release/   every file of a folder, each with the kind it seems to be
  pack init compose.yaml docker-24.0.9.tgz https://downloads.example.com/tool.tar.gz
  pack init -o shop redis:6.2      shop/manifest.json with an image of Docker Hub
  pack init compose.yaml docker-daemon:shop/web:1     an image that only the engine here has

A source is a stack or Compose file (.yaml, .yml), a folder, any other file, a URL, an image, or one of
the Docker or podman here (docker-daemon:IMAGE:TAG). What was guessed is printed: correct it in the manifest. Then 'pack lock' pins what is listed.")]
pub(super) struct InitArgs {
    /// Stack files, folders, files, URLs and images
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<OsString>,
    /// The product's name [default: that in the stack file, else that of the folder]
    #[arg(long)]
    name: Option<ProductName>,
    /// The product's version
    #[arg(long, default_value = "1.0.0")]
    version: Version,
    /// The platform that images are for [default: this machine's]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    /// The folder to write manifest.json into [default: this one]
    #[arg(short, long, value_name = "DIR", conflicts_with = "manifest")]
    output: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

pub(super) fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8> {
    let target = match (&args.manifest, &args.output) {
        (Some(file), _) => Target::File(file.clone()),
        (None, Some(folder)) => Target::Folder(folder.clone()),
        (None, None) => Target::Folder(".".into()),
    };
    let options = Options {
        sources: args.sources.clone(),
        name: args.name.clone(),
        version: args.version.clone(),
        platform: args.platform,
        target,
    };
    let report = init::run(&options, progress(terminal).as_ref())?;
    terminal.document(&json!({
        "manifest": shown::path(&report.manifest),
        "name": report.name.as_str(),
        "version": args.version.to_string(),
        "run": report.run,
        "artifacts": documents(&report.found),
        "product": report.product.as_deref().map(shown::path),
        "notes": report.notes,
        "next": next(&report.manifest),
    }))?;
    table(&report.found, terminal)?;
    notes(&report.notes, terminal);
    let count = counted(report.found.len() as u64, "artifact");
    let run = report.run.map(|run| format!(", runs {run}")).unwrap_or_default();
    terminal.text(&format!("{}: {} {}, {count}{run}", report.manifest.display(), report.name, args.version))?;
    tell_next(report.product.as_deref(), &report.manifest, terminal)?;
    Ok(0)
}

/// What reads the sources reports to.
pub(super) fn progress(terminal: &Terminal) -> Box<dyn Progress> {
    terminal.progress_of_what_is_listed()
}

/// Artifacts as documents.
pub(super) fn documents(found: &[Found]) -> Vec<Value> {
    let document = |one: &Found| {
        json!({
            "name": one.artifact.id.name,
            "kind": one.artifact.kind,
            "platform": one.artifact.id.platform,
            "source": one.source,
        })
    };
    found.iter().map(document).collect()
}

/// Shows artifacts with the kinds that were guessed.
pub(super) fn table(found: &[Found], terminal: &Terminal) -> Result<()> {
    let cells = |one: &Found| {
        let platform = one.artifact.id.platform.map(|platform| platform.to_string()).unwrap_or_default();
        vec![one.artifact.id.name.to_string(), one.artifact.kind.to_string(), platform, one.source.clone()]
    };
    let columns = [
        Column::shortened("NAME"),
        Column::whole("KIND"),
        Column::whole("PLATFORM").spare(),
        Column::shortened("FROM").spare(),
    ];
    terminal.table(&columns, &found.iter().map(cells).collect::<Vec<_>>())
}

/// Shows what is worth a line.
pub(super) fn notes(notes: &[String], terminal: &Terminal) {
    notes.iter().for_each(|note| terminal.note(note));
}

/// The commands that follow.
pub(super) fn next(manifest: &Path) -> [String; 2] {
    let word = shell_word(manifest);
    [format!("pack lock {word}"), format!("pack bundle --manifest {word}")]
}

/// Shows the commands that follow.
pub(super) fn tell_next(product: Option<&Path>, manifest: &Path, terminal: &Terminal) -> Result<()> {
    if let Some(product) = product {
        terminal.text(&format!("{}: written, to be read through and completed", product.display()))?;
    }
    terminal.text("next:")?;
    next(manifest).iter().try_for_each(|command| terminal.text(&format!("  {command}")))
}
