//! `pack extract`: the folder back, or some of it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::terminal::{Terminal, counted};
use crate::bundle::{Bundle, extract_all, extract_some, no_such_file};
use crate::error::Result;
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::release::Folder;

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
}

pub(super) fn run(args: &ExtractArgs, terminal: &Terminal) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    bundle.manifest()?;
    let index = bundle.index();
    let known = |name: &str| matches!(name, FILE_NAME | SIGNATURE_NAME) || index.artifact(name).is_some();
    if let Some(unknown) = args.names.iter().find(|name| !known(name)) {
        return Err(no_such_file(&bundle, unknown));
    }
    let progress = terminal.progress("extracting");
    if args.names.is_empty() {
        extract_all(&bundle, &Folder::at(&args.dir), progress.as_ref())?;
    } else {
        extract_some(
            &bundle,
            |path| args.names.iter().any(|name| name == path.as_str()),
            &args.dir,
            progress.as_ref(),
        )?;
    }
    drop(progress);
    let is_wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|wanted| wanted == name);
    let plain = index.artifacts.iter().filter(|artifact| artifact.carried.is_exported());
    let plain: Vec<&str> = plain.map(|artifact| artifact.name.as_str()).filter(|name| is_wanted(name)).collect();
    if !plain.is_empty() {
        terminal.note(&format!(
            "packed without originals, these came back as plain docker archives, which no manifest knows: {}; \
             load them with 'docker load', or from the bundle with 'pack load'",
            plain.join(", ")
        ));
    }
    let count = if args.names.is_empty() { index.artifacts.len() } else { args.names.len() };
    terminal.document(&json!({ "bundle": args.bundle, "folder": args.dir, "files": count, "plain": plain }))?;
    terminal.text(&format!(
        "{}: {} of {} {}",
        args.dir.display(),
        counted(count as u64, "file"),
        index.name,
        index.version
    ))?;
    Ok(0)
}
