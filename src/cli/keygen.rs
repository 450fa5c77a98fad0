//! `pack keygen`: a publisher's pair of keys.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::password;
use super::terminal::{Terminal, shown};
use crate::error::Result;
use crate::task::keygen::{self, Report};

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
    let password = || if args.no_password { Ok(None) } else { password::new().map(Some) };
    let Report { secret, public, key } = keygen::run(&args.name, password)?;
    terminal.document(
        &json!({ "secretKey": shown::path(&secret), "publicKeyFile": shown::path(&public), "publicKey": key }),
    )?;
    terminal.text(&format!(
        "{}: the secret key, for 'pack sign --key'; keep it to yourself\n{}: the public key, for --pubkey: {key}",
        secret.display(),
        public.display()
    ))?;
    Ok(0)
}
