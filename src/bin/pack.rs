//! The door for those with a network: every command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pack::cli::main()
}
