//! `pack inspect`: what is inside a bundle.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::terminal::{Terminal, bytes};
use crate::bundle::Bundle;
use crate::error::Result;

/// Show what is inside a bundle
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack inspect hello-1.0.0-x86_64.run
  pack inspect --json hello-1.0.0-x86_64.run
  sh hello-1.0.0-x86_64.run pack inspect

Reads the index only; 'pack verify' checks every byte.")]
pub(super) struct InspectArgs {
    /// The bundle
    bundle: PathBuf,
}

pub(super) fn run(args: &InspectArgs, terminal: &Terminal) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    let index = bundle.index();
    let payload_at = index.header_size + 1;
    let escape = format!("tail -c +{payload_at} {} | zstd -dc | tar -x", args.bundle.display());
    terminal.document(&json!({
        "bundle": args.bundle,
        "size": bundle.length()?,
        "payloadAt": payload_at,
        "escapeHatch": escape,
        "index": index,
    }))?;
    terminal.text(&format!(
        "{} {} for {}\n\nbundle    {}\nsize      {} ({} bytes)\nruntime   {}\npayload   {} in {} frames, {} unpacked\nrun       {}\npacked by {}\n",
        index.name,
        index.version,
        index.platform,
        args.bundle.display(),
        bytes(bundle.length()?),
        bundle.length()?,
        bytes(index.header_size),
        bytes(index.payload_size()),
        index.frames.len(),
        bytes(index.raw_size),
        index.run.as_ref().map_or("nothing", |run| run.as_str()),
        index.packed_by,
    ))?;
    let rows = index.artifacts.iter().map(|artifact| {
        let digest = if terminal.verbose() { artifact.digest.to_string() } else { artifact.digest.short() };
        vec![
            artifact.name.to_string(),
            artifact.kind.to_string(),
            bytes(artifact.size),
            format!("{:o}", artifact.mode),
            digest,
        ]
    });
    terminal.table(&["NAME", "KIND", "SIZE", "MODE", "DIGEST"], rows.collect())?;
    terminal.text(&format!("\nwithout pack, with stock tools:\n  {escape}"))?;
    Ok(0)
}
