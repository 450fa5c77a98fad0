//! `pack site`: the life of a product on its host.

mod configure;
mod install;
mod looking;
mod publisher;
mod upkeep;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::terminal::Terminal;
use super::trust::KeyArgs;
use crate::error::Result;
use crate::progress::Progress;
use crate::site::{Interruption, Signals};
use crate::task::site::at_work::AtWork;

/// Install, update, take back and look after a product on this host
#[derive(Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
What a bundle is run with goes here: 'sh x.run --set port=8081' is 'pack site install x.run --set port=8081',
and 'sh x.run status' is 'pack site status'.

A change ends in the new version, or in the old one with its database as it was. One that a power cut broke
off comes to its end at the next boot, or with the next command."
)]
pub(super) struct SiteArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Look at bundle and host, and say what would be done; nothing is changed
    Preflight(install::BundleArgs),
    /// Install a bundle, or update to it
    Install(Box<install::InstallArgs>),
    /// Update what is installed to a newer bundle
    Update(Box<install::InstallArgs>),
    /// Go back to the version before, database included
    Rollback(upkeep::RollbackArgs),
    /// How the services are; exit 1 unless all are up
    Status(NameArgs),
    /// Start every service again, with the operator's stack file read again
    Restart(upkeep::RestartArgs),
    /// Take the stack away; data stays, and 'restart' brings it back
    Stop(upkeep::ChangeArgs),
    /// What the services say
    Logs(looking::LogsArgs),
    /// Save the database; with --whole all that is this host's own
    Backup(upkeep::BackupArgs),
    /// Put back what 'backup' saved; the present database is saved first
    Restore(upkeep::RestoreArgs),
    /// The product's configuration
    Get(configure::GetArgs),
    /// Change the configuration and start the services again; undone where they do not come up
    Set(configure::SetArgs),
    /// Move data to where another host keeps it, as the product does that
    External(configure::ExternalArgs),
    /// Look at the host for known causes of trouble
    Doctor(NameArgs),
    /// Remove the product; with --purge its data too
    Uninstall(upkeep::UninstallArgs),
    /// What was delivered last
    Receipt(NameArgs),
    /// Bring changes to their end that something broke off; runs at boot
    Recover(NameArgs),
}

/// Which product.
#[derive(Args)]
struct NameArgs {
    /// The product [default: the only one of this host]
    #[arg(long)]
    name: Option<String>,
}

impl NameArgs {
    fn get(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Whether a verb's first word is the bundle.
pub(super) fn takes_bundle(verb: &OsStr) -> bool {
    ["preflight", "install", "update"].iter().any(|known| *known == verb)
}

/// Whether a verb takes `--name`.
pub(super) fn takes_name(verb: &OsStr) -> bool {
    !takes_bundle(verb) && !verb.to_string_lossy().starts_with('-')
}

pub(super) fn run(args: &SiteArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    match &args.verb {
        Verb::Preflight(args) => install::preflight(args, terminal),
        Verb::Install(args) => install::run(args, false, terminal, signals),
        Verb::Update(args) => install::run(args, true, terminal, signals),
        Verb::Rollback(args) => upkeep::rollback(args, terminal, signals),
        Verb::Status(args) => looking::status(args, terminal),
        Verb::Restart(args) => upkeep::restart(args, terminal, signals),
        Verb::Stop(args) => upkeep::stop(args, terminal, signals),
        Verb::Logs(args) => looking::logs(args, terminal),
        Verb::Backup(args) => upkeep::backup(args, terminal, signals),
        Verb::Restore(args) => upkeep::restore(args, terminal, signals),
        Verb::Get(args) => configure::get(args, terminal),
        Verb::Set(args) => configure::set(args, terminal, signals),
        Verb::External(args) => configure::external(args, terminal, signals),
        Verb::Doctor(args) => looking::doctor(args, terminal),
        Verb::Uninstall(args) => upkeep::uninstall(args, terminal, signals),
        Verb::Receipt(args) => looking::receipt(args, terminal),
        Verb::Recover(args) => upkeep::recover(args, terminal, signals),
    }
}

/// Makes a change: signals are put off, for it ends in good order or comes back.
fn at_work<T>(
    terminal: &Terminal,
    signals: Signals,
    timeout: Option<u64>,
    deed: impl FnOnce(&AtWork<'_>) -> Result<T>,
) -> Result<T> {
    let interruption: Interruption = signals.defer();
    let progress: Box<dyn Progress> = terminal.progress();
    deed(&AtWork { progress: progress.as_ref(), interruption: &interruption, timeout })
}

/// What is typed as `NAME=VALUE`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
