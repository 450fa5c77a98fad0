//! `pack completions`: what a shell needs to complete our words.

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use super::terminal::Terminal;
use crate::error::Result;

/// Print the completion script for a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack completions bash > /etc/bash_completion.d/pack
  pack completions zsh > ~/.zfunc/_pack
  pack completions fish > ~/.config/fish/completions/pack.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, command: &mut Command, terminal: &Terminal) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "pack", &mut script);
    terminal.page(&script, |script| json!({ "shell": args.shell.to_string(), "script": script }))?;
    Ok(0)
}
