//! `pack sign`: a publisher's signature beside a manifest.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::password;
use super::terminal::Terminal;
use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, Manifest};
use crate::signature::{EXTENSION, SecretKey};
use crate::staged_file::StagedFile;

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
    let text = fs::read_to_string(&args.manifest).doing("read the manifest", &args.manifest)?;
    let manifest = Manifest::parse(text, &args.manifest.display().to_string())?;
    let open: Vec<_> = manifest.artifacts().iter().filter(|artifact| artifact.pin.is_none()).collect();
    if let Some(unpinned) = open.first() {
        return Err(Error::failed("only a manifest that pins everything is worth a signature")
            .fact("manifest", args.manifest.display())
            .fact("unpinned", &unpinned.name)
            .hint(format_args!("pack lock {}", args.manifest.display())));
    }
    let comment = format!("{} {}", manifest.name(), manifest.version());
    let key = SecretKey::read(&args.key, password::ask)?;
    let signature = sign_file(&args.manifest, manifest.text().as_bytes(), &key, &comment)?;
    terminal.document(&json!({ "manifest": args.manifest, "signature": signature, "comment": comment }))?;
    terminal.text(&format!("{}: {comment}", signature.display()))?;
    Ok(0)
}

/// Writes the signature of `content` beside `path`; the signature's path.
pub(super) fn sign_file(path: &Path, content: &[u8], key: &SecretKey, comment: &str) -> Result<PathBuf> {
    let signature = key.sign(content, comment)?;
    let mut target = path.as_os_str().to_owned();
    target.push(format!(".{EXTENSION}"));
    let target = PathBuf::from(target);
    StagedFile::write(&target, signature.as_bytes(), 0o644)?;
    Ok(target)
}
