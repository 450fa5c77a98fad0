//! `pack lock`: the publisher pins what a manifest lists.

use std::path::PathBuf;

use clap::Args;
use semver::Version;
use serde_json::json;

use super::network::NetworkArgs;
use super::terminal::{Column, Terminal, counted, shown};
use super::trust::OwnKeyArgs;
use crate::digest::Descriptor;
use crate::error::{Error, Result};
use crate::fetch::{self, CosignKey};
use crate::manifest::FILE_NAME;
use crate::path::shell_word;
use crate::task::check_pins::{self, Compared, Report, Row, State};
use crate::task::lock::{self, NewPin, Options, Update};

/// Fetch what is not pinned and write its size and digest into the manifest, in place
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack lock                    ./manifest.json
  pack lock release.json
  pack lock --update           pin everything again
  pack lock --update=web.tar.gz           pin this one again, whatever its server has now
  pack lock --set-version 1.1.0           a new version: what has ${version} in its URL is pinned again
  pack lock --cosign-key cosign.pub       only images that this key has signed
  pack lock --check            is everything pinned, and still what every source has?

The publisher's step, and the only one that trusts a first answer. Everything else in the file stays as
it is; run twice, it changes nothing. Run it again after an interruption: it goes on where it was.")]
pub(super) struct LockArgs {
    /// The manifest
    #[arg(default_value = FILE_NAME)]
    manifest: PathBuf,
    /// Fetch what is pinned already too, and write what it is now; with a name only that artifact, as often as is wanted
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    update: Option<Vec<String>>,
    /// Write this version into the manifest, and pin again what has another URL with it
    #[arg(long, value_name = "VERSION", conflicts_with = "check")]
    set_version: Option<Version>,
    /// Write nothing, ask every source, and say what is not pinned (exit code 3), has moved (3) or could not be asked (1)
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Pin an image in a registry only if cosign signed it with this key (PEM): its public part, such as cosign.pub
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    cosign_key: Option<PathBuf>,
    #[command(flatten)]
    key: OwnKeyArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

pub(super) fn run(args: &LockArgs, terminal: &Terminal) -> Result<u8> {
    if args.check {
        return check(args, terminal);
    }
    let options = Options {
        manifest: args.manifest.clone(),
        update: match &args.update {
            None => Update::No,
            Some(names) if names.is_empty() => Update::All,
            Some(names) => Update::Only(names.clone()),
        },
        set_version: args.set_version.clone(),
        network: fetch::Options {
            cosign_key: args.cosign_key.as_deref().map(CosignKey::read).transpose()?,
            ..args.network.options()?
        },
        trust: args.key.read()?,
    };
    let report = lock::run(&options, terminal.progress_of_what_is_listed().as_ref())?;
    terminal.document(&json!({
        "manifest": shown::path(&args.manifest),
        "version": report.version.to_string(),
        "changed": report.changed,
        "saved": report.saved.iter().map(|id| &id.name).collect::<Vec<_>>(),
        "pinned": report.pinned.iter().map(|pin| json!({
            "name": pin.id.name,
            "platform": pin.id.platform,
            "size": pin.descriptor.size,
            "digest": pin.descriptor.digest,
            "tags": pin.tags.iter().map(|tag| json!({
                "url": tag.reference.to_string(),
                "manifest": tag.manifest,
            })).collect::<Vec<_>>(),
            "cosignKey": pin.cosign_key,
        })).collect::<Vec<_>>(),
    }))?;
    if report.pinned.is_empty() && report.changed {
        terminal.text(&format!("{}: version {}, every artifact as it was", args.manifest.display(), report.version))?;
    } else if report.pinned.is_empty() {
        terminal.text(&format!("{}: every artifact is pinned already", args.manifest.display()))?;
        for id in &report.saved {
            terminal.text(&format!("{id}: its file was missing, and is saved again"))?;
        }
    } else {
        let cells = |pin: &NewPin| {
            let Descriptor { digest, size } = pin.descriptor;
            vec![pin.id.name.to_string(), size.to_string(), digest.to_string()]
        };
        let columns = [Column::shortened("NAME"), Column::whole("BYTES"), Column::digest("DIGEST")];
        terminal.table(&columns, &report.pinned.iter().map(cells).collect::<Vec<_>>())?;
        let size = report.pinned.iter().map(|pin| pin.descriptor.size).sum();
        let count = counted(report.pinned.len() as u64, "artifact");
        terminal.text(&format!("{}: {count} pinned, {}", args.manifest.display(), terminal.throughput(size)))?;
        if let Some(key) = report.pinned.iter().find_map(|pin| pin.cosign_key) {
            let count = report.pinned.iter().filter(|pin| pin.cosign_key.is_some()).count() as u64;
            terminal.text(&format!(
                "{}: {} signed with the key {key}",
                args.manifest.display(),
                counted(count, "image")
            ))?;
        }
    }
    Ok(0)
}

fn check(args: &LockArgs, terminal: &Terminal) -> Result<u8> {
    let options = check_pins::Options {
        manifest: args.manifest.clone(),
        network: args.network.options()?,
        trust: args.key.read()?,
    };
    let report = check_pins::run(&options, terminal.progress_of_what_is_listed().as_ref())?;
    let row = |row: &Row| {
        json!({
            "name": row.id.name,
            "platform": row.id.platform,
            "state": row.state.as_str(),
            "url": row.url,
            "pinned": row.pinned,
            "found": row.found.and_then(Compared::digest),
            "foundSize": match row.found { Some(Compared::Size(size)) => Some(size), _ => None },
            "compared": row.found.map(Compared::as_str),
            "error": match &row.state { State::Failed(error) => Some(error.title()), _ => None },
        })
    };
    let error = problem(&report, args);
    terminal.document(&json!({
        "manifest": shown::path(&args.manifest),
        "ok": report.is_good(),
        "error": error.as_ref().map(Error::title),
        "artifacts": report.rows.iter().map(row).collect::<Vec<_>>(),
    }))?;
    let cells = |row: &Row| {
        let pinned = row.pinned.map(|digest| digest.to_string()).unwrap_or_default();
        let found = match row.found {
            Some(Compared::Size(size)) => format!("{size} bytes"),
            found => found.and_then(Compared::digest).map(|digest| digest.to_string()).unwrap_or_default(),
        };
        let url = row.url.clone().unwrap_or_default();
        vec![row.state.as_str().to_owned(), row.id.name.to_string(), url, pinned, found]
    };
    let columns = [
        Column::state("STATE"),
        Column::shortened("NAME"),
        Column::shortened("SOURCE").spare(),
        Column::digest("PINNED"),
        Column::digest("NOW"),
    ];
    let is_shown = |row: &&Row| terminal.verbose() || !matches!(row.state, State::AsPinned);
    terminal.table(&columns, &report.rows.iter().filter(is_shown).map(cells).collect::<Vec<_>>())?;
    match error {
        Some(error) => {
            // The document is printed already.
            terminal.problem(&error);
            Ok(error.class().exit_code())
        }
        None => {
            let all = counted(report.rows.len() as u64, "source");
            terminal.text(&format!("{}: {all} asked, all pinned and as they were", args.manifest.display()))?;
            Ok(0)
        }
    }
}

/// What is wrong: what has moved or is not pinned, else what could not be asked.
fn problem(report: &Report, args: &LockArgs) -> Option<Error> {
    let moved = report.moved();
    let also = |error: Error, (row, other): (&Row, &Error)| {
        let url = row.url.as_deref().unwrap_or_default();
        error.fact("also failed", format_args!("{}: {url}: {}", row.id, other.title()))
    };
    if moved > 0 {
        let file = shell_word(&args.manifest);
        let of = report.rows.len();
        let error = Error::integrity(format_args!("{moved} of {of} not pinned, or not as they were"))
            .fact("manifest", args.manifest.display())
            .hint(format_args!("see what became of them; if that is meant, pin them: pack lock --update {file}"));
        return Some(report.failures().fold(error, also));
    }
    let mut failures = report.failures();
    let (row, first) = failures.next()?;
    // The first says all that it knows.
    let said = first.facts().iter().fold(Error::failed(first.title()), |error, (name, value)| error.fact(name, value));
    let said = if first.facts().iter().any(|(name, _)| *name == "url") {
        said
    } else {
        said.fact("url", row.url.as_deref().unwrap_or_default())
    };
    let hint = first.hint_text().unwrap_or("see that it can be reached, then run the same command again");
    Some(failures.fold(said.hint(hint), also))
}
