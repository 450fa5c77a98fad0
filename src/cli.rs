//! The command line: what can be typed, and who does it. One file a command.

mod add;
mod bundle;
mod cache;
mod cat;
mod completions;
mod cut;
mod diff;
mod download;
mod extract;
mod help;
mod init;
mod inspect;
mod keygen;
mod launch;
mod load;
mod lock;
mod man;
mod network;
mod on_site;
mod parity;
mod password;
mod platform;
mod repair;
mod schema;
mod sign;
mod site;
mod system;
mod terminal;
mod transfer;
mod trust;
mod typed_line;
mod verify;
mod volumes;
mod wrong_usage;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::error::{Class, Result};
use crate::language::{self, Language};
use crate::site::Signals;
use terminal::Terminal;
use volumes::VolumesArgs;

/// Carries a product across an air gap.
///
/// Downloads a versioned manifest of artifacts, rejects anything stale or damaged, packs it all into one
/// self-extracting bundle, and on a server with no network one command checks and installs it.
#[derive(Parser)]
#[command(name = "pack", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Life of a bundle:
  pack init compose.yaml          the publisher begins a manifest with what is there
  pack lock manifest.json         the publisher pins what the manifest lists
  pack download manifest.json     on a machine with a network: exactly those bytes
  pack bundle                     one file for the USB stick
  sh NAME-VERSION-ARCH.run        on site: checked, then installed
  pack site status                and looked after

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not the bytes that were promised.")]
struct Cli {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    volumes: VolumesArgs,
    #[command(subcommand)]
    command: Command,
}

/// How results and progress are shown.
#[derive(Args, Clone, Copy)]
struct OutputArgs {
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Show no progress and no summary, only what goes wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Show more detail
    #[arg(short, long, global = true)]
    verbose: bool,
    /// The language to speak, en or zh [default: by LC_ALL, LC_MESSAGES, LANG]
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = a_language)]
    lang: Option<Language>,
}

#[derive(Subcommand)]
enum Command {
    Init(init::InitArgs),
    Add(add::AddArgs),
    Lock(lock::LockArgs),
    Download(Box<download::DownloadArgs>),
    Verify(verify::VerifyArgs),
    Bundle(Box<bundle::BundleArgs>),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Extract(extract::ExtractArgs),
    Cat(cat::CatArgs),
    Load(load::LoadArgs),
    Parity(parity::ParityArgs),
    Repair(repair::RepairArgs),
    Cut(cut::CutArgs),
    Transfer(transfer::TransferArgs),
    Keygen(keygen::KeygenArgs),
    Sign(sign::SignArgs),
    Cache(cache::CacheArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Schema(schema::SchemaArgs),
    Site(site::SiteArgs),
    #[command(hide = true)]
    Launch(launch::LaunchArgs),
}

/// One of the two programs: what can be typed to it, and who does it.
trait Program: Parser {
    /// How results and progress are shown.
    fn output(&self) -> OutputArgs;

    /// Where a bundle's volumes are.
    fn volumes(&self) -> &VolumesArgs;

    /// Does what was typed; the exit code.
    fn dispatch(self, terminal: &Terminal, signals: Signals) -> Result<u8>;
}

impl Program for Cli {
    fn output(&self) -> OutputArgs {
        self.output
    }

    fn volumes(&self) -> &VolumesArgs {
        &self.volumes
    }

    fn dispatch(self, terminal: &Terminal, signals: Signals) -> Result<u8> {
        match self.command {
            Command::Init(args) => init::run(&args, terminal),
            Command::Add(args) => add::run(&args, terminal),
            Command::Lock(args) => lock::run(&args, terminal),
            Command::Download(args) => download::run(&args, terminal),
            Command::Verify(args) => verify::run(&args, terminal),
            Command::Bundle(args) => bundle::run(&args, terminal),
            Command::Inspect(args) => inspect::run(&args, terminal),
            Command::Diff(args) => diff::run(&args, terminal),
            Command::Extract(args) => extract::run(&args, terminal),
            Command::Cat(args) => cat::run(&args, terminal),
            Command::Load(args) => load::run(&args, terminal),
            Command::Parity(args) => parity::run(&args, terminal),
            Command::Repair(args) => repair::run(&args, terminal),
            Command::Cut(args) => cut::run(&args, terminal),
            Command::Transfer(args) => transfer::run(&args, terminal),
            Command::Keygen(args) => keygen::run(&args, terminal),
            Command::Sign(args) => sign::run(&args, terminal),
            Command::Cache(args) => cache::run(&args, terminal),
            Command::Completions(args) => completions::run(&args, &mut Cli::command(), terminal),
            Command::Man(args) => man::run(&args, Cli::command(), terminal),
            Command::Schema(args) => schema::run(&args, terminal),
            Command::Site(args) => site::run(&args, terminal, signals),
            Command::Launch(args) => launch::run(args, terminal, signals, run::<Cli>),
        }
    }
}

/// Runs `pack` with this process's arguments.
pub fn main() -> ExitCode {
    start(run::<Cli>)
}

/// Runs `pack-site` with this process's arguments: the commands for a site, and no code that needs a network or
/// packs.
pub fn site_main() -> ExitCode {
    start(run::<on_site::OnSite>)
}

/// Runs a command line; its exit code.
type CommandLine = fn(Vec<OsString>, Signals) -> u8;

fn start(run: CommandLine) -> ExitCode {
    // Before anything else: in this very function there is little on the stack.
    if let Err(error) = system::check_stack() {
        let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
        Terminal::new(json, false, false).error(&error);
        return ExitCode::from(error.class().exit_code());
    }
    crate::image::silence_caught_panics();
    if let Some(done) = crate::image::serve_confined(io::stdin().lock(), io::stdout().lock()) {
        return if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // Also where the file that it was started from has no name any more, as in a bundle.
    crate::image::confine(|| crate::image::confined("/proc/self/exe"));
    match crate::site::watch() {
        Ok(signals) => ExitCode::from(run(std::env::args_os().collect(), signals)),
        Err(error) => {
            Terminal::plain().error(&error);
            ExitCode::from(error.class().exit_code())
        }
    }
}

/// Runs one command line of a program; its exit code.
fn run<P: Program>(words: Vec<OsString>, signals: Signals) -> u8 {
    // What follows '--' is somebody else's.
    let ours: Vec<&OsString> = words.iter().take_while(|word| *word != "--").collect();
    let json = ours.iter().any(|word| *word == "--json");
    // Known before clap reads the line, whose own texts are in that language too.
    language::speak(if json { Language::English } else { language_of(&ours) });
    let command = help::in_the_readers_language(P::command());
    let parsed = command.try_get_matches_from(words).and_then(|matches| P::from_arg_matches(&matches));
    let program = match parsed {
        Ok(program) => program,
        Err(error) => {
            if json && error.kind() == ErrorKind::DisplayVersion {
                let version = serde_json::json!({ "name": "pack", "version": env!("CARGO_PKG_VERSION") });
                // As below.
                let _ = Terminal::new(json, false, false).document(&version);
                return 0;
            }
            if let Some(told) = wrong_usage::in_the_readers_language(&error) {
                Terminal::new(json, false, false).error(&told);
                return Class::Usage.exit_code();
            }
            // Help and version come this way too. Nobody is left to tell when even this cannot be printed.
            let _ = error.print();
            if !error.use_stderr() {
                return 0;
            }
            Terminal::new(json, false, false).error_document(&wrong_usage::in_english(&error));
            return Class::Usage.exit_code();
        }
    };
    let OutputArgs { json, quiet, verbose, .. } = program.output();
    let terminal = Terminal::new(json, quiet, verbose);
    program.volumes().apply(&terminal);
    match system::check().and_then(|()| program.dispatch(&terminal, signals)) {
        Ok(code) => code,
        Err(error) => {
            terminal.error(&error);
            error.class().exit_code()
        }
    }
}

/// The language that a command line asks for, or else the environment.
fn language_of(words: &[&OsString]) -> Language {
    let asked = words.iter().enumerate().find_map(|(place, word)| {
        let word = word.to_str()?;
        word.strip_prefix("--lang=").or_else(|| words.get(place + 1).filter(|_| word == "--lang")?.to_str())
    });
    asked.map_or_else(Language::of_environment, Language::of_locale)
}

fn a_language(word: &str) -> Result<Language, String> {
    match word {
        "en" => Ok(Language::English),
        "zh" => Ok(Language::Chinese),
        _ => Err("it is en or zh".to_owned()),
    }
}
