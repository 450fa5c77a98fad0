//! `pack keygen`: a publisher's pair of keys.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::password;
use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::signature;
use crate::staged_file::StagedFile;

/// Make a pair of keys for signing manifests, in minisign's format
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack keygen release              release.key (keep it secret) and release.pub (publish it)
  pack keygen --no-password ci     for a machine that signs by itself

The password is asked for without echo; without a terminal it is read from standard input.")]
pub(super) struct KeygenArgs {
    /// The files' name without its ending
    #[arg(default_value = "pack")]
    name: PathBuf,
    /// Leave the secret key without a password
    #[arg(long)]
    no_password: bool,
}

pub(super) fn run(args: &KeygenArgs, terminal: &Terminal) -> Result<u8> {
    let with_ending = |ending: &str| {
        let mut path = args.name.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (secret_path, public_path) = (with_ending(".key"), with_ending(".pub"));
    for path in [&secret_path, &public_path] {
        if path.exists() {
            return Err(Error::failed("a key is there already: it is not overwritten")
                .fact("path", path.display())
                .hint("choose another name: pack keygen NAME"));
        }
    }
    let password = if args.no_password { None } else { Some(password::new()?) };
    let (public, secret) = signature::generate(password)?;
    StagedFile::write(&secret_path, secret.as_bytes(), 0o600)?;
    StagedFile::write(&public_path, public.as_bytes(), 0o644)?;
    let key = public.lines().nth(1).unwrap_or_default();
    terminal.document(&json!({ "secretKey": secret_path, "publicKeyFile": public_path, "publicKey": key }))?;
    terminal.text(&format!(
        "{}: the secret key, for 'pack sign --key'; keep it to yourself\n{}: the public key, for --pubkey: {key}",
        secret_path.display(),
        public_path.display()
    ))?;
    Ok(0)
}
