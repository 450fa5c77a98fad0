//! The door on site: the program that a bundle carries, with the commands that read one.

use std::process::ExitCode;

fn main() -> ExitCode {
    pack::cli::site_main()
}
