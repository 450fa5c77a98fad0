//! What the launcher of a bundle calls: the product's script, or `pack` itself on this bundle.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use super::CommandLine;
use super::terminal::Terminal;
use super::trust::KeyArgs;
use crate::error::Result;
use crate::site::Signals;
use crate::task::run_on_site::{self, Home};

/// Commands that take the bundle as their first word.
const ON_THIS_BUNDLE: [&str; 5] = ["cat", "extract", "inspect", "load", "verify"];

/// Called by the launcher at the beginning of a bundle
#[derive(Args)]
pub(super) struct SiteArgs {
    /// The private folder that holds the runtime; removed at the end
    #[arg(long)]
    home: PathBuf,
    /// The bundle
    #[arg(long)]
    bundle: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    /// What was typed after the bundle's name
    #[arg(last = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Does what the launcher asks for; `pack` runs what was typed after that word.
pub(super) fn run(args: SiteArgs, terminal: &Terminal, signals: Signals, pack: CommandLine) -> Result<u8> {
    let home = Home::made_by_the_launcher(args.home, &args.bundle)?;
    match args.words.split_first() {
        Some((first, rest)) if first == "pack" => Ok(pack(on_this_bundle(&args.bundle, rest), signals)),
        _ => {
            let (trust, progress) = (args.key.read()?, terminal.progress());
            run_on_site::run(&args.bundle, &home, &args.words, &trust, signals, progress.as_ref())
        }
    }
}

/// `pack verify …` typed after a bundle's name means `pack verify BUNDLE …`.
fn on_this_bundle(bundle: &Path, words: &[OsString]) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec!["pack".into()];
    line.extend(words.iter().cloned());
    let verb = words.iter().position(|word| !word.to_string_lossy().starts_with('-'));
    if let Some(verb) = verb
        && ON_THIS_BUNDLE.iter().any(|known| *known == words[verb])
    {
        line.insert(verb + 2, bundle.into());
    }
    line
}
