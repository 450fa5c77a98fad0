//! What the launcher of a bundle calls: the product's script, or `pack` itself on this bundle.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::Terminal;
use super::trust::KeyArgs;
use super::{CommandLine, site};
use crate::bundle::{Bundle, look_for_volumes_in};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::manifest::Kind;
use crate::path::shell_word;
use crate::site::Signals;
use crate::site::lifecycle::Place;
use crate::task::run_on_site;
use crate::task::site::installed::{self, Judge};

/// Commands that take the bundle as their first word.
const ON_THIS_BUNDLE: [&str; 6] = ["cat", "extract", "inspect", "load", "repair", "verify"];

/// First words that are not the product's unless `--` stands before them, and what they mean after `pack`: looking must
/// not install. Some are those of other self-extracting files.
const NOT_FOR_THE_PRODUCT: [(&str, &str); 14] = [
    ("verify", "verify"),
    ("check", "verify"),
    ("test", "verify"),
    ("inspect", "inspect"),
    ("info", "inspect"),
    ("list", "inspect"),
    ("noexec", "extract DIR"),
    ("keep", "extract DIR"),
    ("target", "extract DIR"),
    ("tar", "extract DIR"),
    ("extract", "extract DIR"),
    ("cat", "cat NAME"),
    ("load", "load"),
    ("repair", "repair"),
];

/// Commands on a bundle that only the `pack` of a publisher has.
const OF_THE_PUBLISHER: [&str; 3] = ["cut", "parity", "transfer"];

/// Called by the launcher at the beginning of a bundle
#[derive(Args)]
pub(super) struct LaunchArgs {
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
pub(super) fn run(mut args: LaunchArgs, terminal: &Terminal, signals: Signals, pack: CommandLine) -> Result<u8> {
    let mut words = std::mem::take(&mut args.words);
    while take_key(&mut words, &mut args.key, &args.bundle)? || take_volumes(&mut words, &args.bundle)? {}
    let first = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    if first == "pack" {
        return Ok(pack(on_this_bundle(&args.bundle, &words[1..], args.key.typed()), signals));
    }
    let bundle = Bundle::open(&args.bundle)?;
    if bundle.index().artifacts.iter().any(|artifact| artifact.kind == Kind::Product) {
        let line = for_the_engine(&bundle, &words, args.key.typed());
        let runs_script = bundle.index().run.is_some();
        if runs_script || site::takes_bundle(&line[2]) {
            match installed::judge(&bundle.index().name)? {
                Judge::Host(judge) => {
                    terminal.note(&tr!("this host's own pack judges the bundle: {}", judge.display()));
                    let line = if runs_script { launched(&args, &words) } else { line[1..].to_vec() };
                    return Err(installed::hand_over(&judge, &line));
                }
                Judge::Gone(judge) => terminal.note(&tr!(
                    "this host's own pack, which judges a bundle before anything of it runs, is gone or not root's alone ({}): the \
                     pack in this bundle judges it itself; who doubts the bundle stops here, and puts a pack that they trust there",
                    judge.display()
                )),
                Judge::This => {}
            }
        }
        if runs_script {
            // The product's own script knows words of its own, and calls the engine. It is as good as the key says.
            refuse_what_is_not_for_the_product(&args.bundle, &words)?;
            let trust = installed::trusted(&Place::named(&bundle.index().name)?, &args.key.read()?)?;
            return run_on_site::run(&bundle, &words, &trust, signals, terminal.progress());
        }
        // What follows reads it again: its index need not be in memory twice.
        drop(bundle);
        return Ok(pack(line, signals));
    }
    match first {
        "--" => drop(words.remove(0)),
        "--help" | "-h" | "help" => {
            terminal.text(&both_worlds(&bundle))?;
            if bundle.index().run.is_none() {
                return Ok(0);
            }
        }
        _ => refuse_what_is_not_for_the_product(&args.bundle, &words)?,
    }
    run_on_site::run(&bundle, &words, &args.key.read()?, signals, terminal.progress())
}

/// What was typed, for the `pack` of this host.
fn launched(args: &LaunchArgs, words: &[OsString]) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec!["launch".into(), "--bundle".into(), args.bundle.clone().into()];
    line.extend(args.key.typed().into_iter().flat_map(|key| [OsStr::new("--pubkey"), key]).map(OsStr::to_owned));
    line.push("--".into());
    line.extend(words.iter().cloned());
    line
}

/// Takes `--pubkey KEY` off the beginning, if it is there: there it is for `pack`, not for the product.
fn take_key(words: &mut Vec<OsString>, key: &mut KeyArgs, bundle: &Path) -> Result<bool> {
    match take_option(words, b"--pubkey") {
        Taken::No => return Ok(false),
        Taken::Bare => {
            let file = shell_word(bundle);
            return Err(Error::usage(tr!("--pubkey needs a key"))
                .hint(tr!("sh {file} --pubkey release.pub; for the product: sh {file} -- --pubkey", file)));
        }
        Taken::With(typed) => key.set(typed),
    }
    Ok(true)
}

/// Takes `--volumes DIR` off the beginning, if it is there, as [`take_key`].
fn take_volumes(words: &mut Vec<OsString>, bundle: &Path) -> Result<bool> {
    match take_option(words, b"--volumes") {
        Taken::No => return Ok(false),
        Taken::Bare => {
            let file = shell_word(bundle);
            return Err(Error::usage(tr!("--volumes needs a folder"))
                .hint(tr!("sh {file} --volumes /media/other; for the product: sh {file} -- --volumes", file)));
        }
        Taken::With(folder) => look_for_volumes_in([folder.into()]),
    }
    Ok(true)
}

/// What became of an option at the beginning of a line.
enum Taken {
    /// It is not there.
    No,
    /// It is there, and nothing follows it.
    Bare,
    /// Its value.
    With(OsString),
}

fn take_option(words: &mut Vec<OsString>, option: &[u8]) -> Taken {
    let Some(rest) = words.first().and_then(|word| word.as_bytes().strip_prefix(option)) else { return Taken::No };
    let typed = match rest {
        [] if words.len() > 1 => Taken::With(words.remove(1)),
        [] => Taken::Bare,
        [b'=', value @ ..] => Taken::With(OsStr::from_bytes(value).to_owned()),
        _ => return Taken::No,
    };
    words.remove(0);
    typed
}

/// What is typed after the name of a bundle whose product `pack` itself looks after: `pack site VERB …`. Without a verb it
/// is installed.
fn for_the_engine(bundle: &Bundle, words: &[OsString], key: Option<&OsStr>) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec!["pack".into(), "site".into()];
    let first = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let (verb, rest) = match first.as_str() {
        "--help" | "-h" | "help" => (OsStr::new("--help"), &words[..0]),
        word if word.is_empty() || word.starts_with('-') => (OsStr::new("install"), words),
        _ => (words[0].as_os_str(), &words[1..]),
    };
    line.push(verb.to_owned());
    if site::takes_bundle(verb) {
        line.push(bundle.path().into());
        line.extend(key.into_iter().flat_map(|key| [OsStr::new("--pubkey"), key]).map(OsStr::to_owned));
    } else if site::takes_name(verb) {
        // What the bundle is of, and not what else this host has.
        line.extend(["--name".into(), bundle.index().name.clone().into()]);
    }
    line.extend(rest.iter().cloned());
    line
}

/// Looks behind options that `pack` has before its command.
fn refuse_what_is_not_for_the_product(bundle: &Path, words: &[OsString]) -> Result<()> {
    let mut typed = words.iter().map(|word| word.to_string_lossy());
    let mut first = typed.next().unwrap_or_default();
    loop {
        match first.as_ref() {
            "-q" | "--quiet" | "-v" | "--verbose" | "--json" => {}
            "--lang" => drop(typed.next()),
            word if word.starts_with("--lang=") => {}
            _ => break,
        }
        first = typed.next().unwrap_or_default();
    }
    let bare = first.strip_prefix("--").unwrap_or(&first).to_lowercase();
    let bare = bare.split('=').next().unwrap_or_default();
    let file = shell_word(bundle);
    let meant = NOT_FOR_THE_PRODUCT.iter().find(|(word, _)| *word == bare);
    let command = match meant {
        Some((_, meant)) => format!("sh {file} pack {meant}"),
        None if OF_THE_PUBLISHER.contains(&bare) => format!("pack {bare} {file}"),
        None => return Ok(()),
    };
    Err(Error::usage(tr!("'{first}' could be meant for pack or for the product: nothing was run", first))
        .fact("for pack", &command)
        .fact("for the product", format_args!("sh {file} -- {first}"))
        .hint(command))
}

/// What can be typed after a bundle's name.
fn both_worlds(bundle: &Bundle) -> String {
    let (index, file) = (bundle.index(), shell_word(bundle.path()));
    let run = match &index.run {
        Some(run) => tr!("checks every byte, then runs its {run} with ARGS", run),
        None => tr!("this bundle runs nothing"),
    };
    tr!(
        "{name} {version} for {platform}, in one file:\n
  sh {file} [ARGS...]             {run}
  sh {file} -- ARGS...            the same, where ARGS begin with a word of pack
  sh {file} --pubkey KEY [ARGS…]  the same, if KEY signed it
  sh {file} pack verify           checks every byte
  sh {file} pack inspect          shows what is inside
  sh {file} pack extract DIR      gives the files back
  sh {file} pack cat NAME         writes one of them to standard output
  sh {file} pack load             loads the images into Docker
  sh {file} pack --help           shows all that pack does here
",
        name = index.name,
        version = index.version,
        platform = index.platform,
        file,
        run
    )
}

/// `pack verify …` typed after a bundle's name means `pack verify BUNDLE …`.
fn on_this_bundle(bundle: &Path, words: &[OsString], key: Option<&OsStr>) -> Vec<OsString> {
    let mut line: Vec<OsString> = vec!["pack".into()];
    line.extend(words.iter().cloned());
    let verb = words.iter().position(|word| !word.to_string_lossy().starts_with('-'));
    if let Some(verb) = verb
        && ON_THIS_BUNDLE.iter().any(|known| *known == words[verb])
    {
        let key = key.into_iter().flat_map(|key| [OsStr::new("--pubkey"), key]);
        line.splice(verb + 2..verb + 2, key.chain([bundle.as_os_str()]).map(OsStr::to_owned));
    }
    line
}
