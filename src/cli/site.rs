//! What the launcher of a bundle calls: the product's script, or `pack` itself on this bundle.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Run;
use super::terminal::Terminal;
use super::verify::{check, damage_line};
use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::scratch::Scratch;
use crate::site::{self, Signals};

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
    /// What was typed after the bundle's name
    #[arg(last = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Does what the launcher asks for; `pack` runs what was typed after that word.
pub(super) fn run(args: SiteArgs, terminal: &Terminal, signals: Signals, pack: Run) -> Result<u8> {
    let home = Scratch::new(made_by_the_launcher(args.home)?);
    match args.words.split_first() {
        Some((first, rest)) if first == "pack" => Ok(pack(on_this_bundle(&args.bundle, rest), signals)),
        _ => run_script(&args.bundle, home.path(), &args.words, terminal, signals),
    }
}

/// `home`, where it can only be what a launcher made for this very process: it is removed with all that is in it.
fn made_by_the_launcher(home: PathBuf) -> Result<PathBuf> {
    let named = home.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pack."));
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    // Where there is no /proc, the launcher still starts its runtime by its whole name.
    let own = std::env::current_exe().ok().or_else(|| std::env::args_os().next().map(PathBuf::from));
    let own = own.as_deref().and_then(identity);
    if named && home.is_absolute() && own.is_some() && own == identity(&home.join("pack")) {
        return Ok(home);
    }
    Err(Error::usage("this is not the folder that a bundle's launcher made")
        .fact("home", home.display())
        .hint("'pack site' is only for the launcher: run the bundle itself, with sh FILE.run"))
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

fn run_script(path: &Path, home: &Path, words: &[OsString], terminal: &Terminal, signals: Signals) -> Result<u8> {
    let bundle = Bundle::open(path)?;
    let damage = check(&bundle, terminal)?;
    if let Some(first) = damage.first() {
        return Err(Error::integrity("the bundle is damaged: nothing was run")
            .fact("path", path.display())
            .fact("reason", damage_line(first))
            .fact("damaged parts", damage.len())
            .hint("copy it again from where it was made, and compare there and here: sha256sum -c FILE.run.sha256"));
    }
    site::run(&bundle, home, words, signals)
}
