//! `pack-site`, the program that a bundle carries: the commands for a machine without a network.
//!
//! Nothing here, and nothing that it calls, reaches the network or packs; so the linker leaves all of that out.

use clap::{Parser, Subcommand};

use super::terminal::Terminal;
use super::volumes::VolumesArgs;
use super::{OutputArgs, Program, cat, extract, inspect, launch, load, repair, run, site, verify};
use crate::error::Result;
use crate::site::Signals;

/// Checks, shows and unpacks a bundle, on a machine without a network.
///
/// The part of pack that a bundle carries for its site.
#[derive(Parser)]
#[command(name = "pack", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
To make a bundle, take the whole of pack.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not the bytes that were promised.")]
pub(super) struct OnSite {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    volumes: VolumesArgs,
    #[command(subcommand)]
    command: SiteCommand,
}

#[derive(Subcommand)]
enum SiteCommand {
    Verify(verify::VerifyArgs),
    Inspect(inspect::InspectArgs),
    Extract(extract::ExtractArgs),
    Cat(cat::CatArgs),
    Load(load::LoadArgs),
    Repair(repair::RepairArgs),
    Site(site::SiteArgs),
    #[command(hide = true)]
    Launch(launch::LaunchArgs),
}

impl Program for OnSite {
    fn output(&self) -> OutputArgs {
        self.output
    }

    fn volumes(&self) -> &VolumesArgs {
        &self.volumes
    }

    fn dispatch(self, terminal: &Terminal, signals: Signals) -> Result<u8> {
        match self.command {
            SiteCommand::Verify(args) => verify::run(&args, terminal),
            SiteCommand::Inspect(args) => inspect::run(&args, terminal),
            SiteCommand::Extract(args) => extract::run(&args, terminal),
            SiteCommand::Cat(args) => cat::run(&args, terminal),
            SiteCommand::Load(args) => load::run_bundle(&args, terminal),
            SiteCommand::Repair(args) => repair::run(&args, terminal),
            SiteCommand::Site(args) => site::run(&args, terminal, signals),
            SiteCommand::Launch(args) => launch::run(args, terminal, signals, run::<OnSite>),
        }
    }
}
