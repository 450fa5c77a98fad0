//! `pack man`: the manual pages.

use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;

use super::terminal::Terminal;
use crate::error::{Error, Result};

/// Print the manual page of pack, or of one of its commands
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack man | man -l -
  pack man bundle > pack-bundle.1")]
pub(super) struct ManArgs {
    /// The command
    command: Option<String>,
}

pub(super) fn run(args: &ManArgs, mut command: Command, terminal: &Terminal) -> Result<u8> {
    command.build();
    let page = match &args.command {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).filter(|found| !found.is_hide_set()).cloned();
            found.ok_or_else(|| Error::usage("pack has no such command").fact("command", name).hint("pack --help"))?
        }
    };
    let mut roff = Vec::new();
    Man::new(page)
        .render(&mut roff)
        .map_err(|cause| Error::failed("cannot write the manual page").fact("cause", cause).hint("pack --help"))?;
    terminal.page(&roff, |page| json!({ "page": page }))?;
    Ok(0)
}
