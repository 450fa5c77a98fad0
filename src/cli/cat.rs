//! `pack cat`: one file out of a bundle, on standard output.

use std::path::PathBuf;

use clap::Args;

use super::terminal::Terminal;
use super::trust::KeyArgs;
use crate::bundle::Wanted;
use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::task::cat::{self, CatOptions};

/// Write one file of a bundle to standard output
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack cat hello-1.0.0-x86_64.run calendar.tsv | head
  sh dataflux-func-1.0.0-x86_64.run pack cat docker-stack.example.yaml
  pack cat --decompress dataflux-func-1.0.0-x86_64.run docker-18.06.3-ce.tgz | tar -t

When it fails, the output is not the whole file: look at the exit code (in bash: set -o pipefail).")]
pub(super) struct CatArgs {
    /// Without the gzip, zstd or xz around it; faster, for nothing is compressed only to be decompressed
    #[arg(long)]
    decompress: bool,
    /// The bundle
    bundle: PathBuf,
    /// The file's name
    name: String,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &CatArgs, terminal: &Terminal) -> Result<u8> {
    if terminal.json() {
        return Err(Error::usage("what 'pack cat' prints is the file, not a document").hint(format_args!(
            "type it without --json; what is in it: pack inspect --json {}",
            shell_word(&args.bundle)
        )));
    }
    let wanted = if args.decompress { Wanted::Decompressed } else { Wanted::Original };
    let trust = args.key.read()?;
    let progress = terminal.progress();
    let options = CatOptions { bundle: &args.bundle, name: &args.name, wanted };
    terminal.stream(|out| cat::run(options, &trust, out, progress.as_ref()))?;
    Ok(0)
}
