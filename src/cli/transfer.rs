//! `pack transfer`: a bundle onto a stick, and read back from it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::parity::amount;
use super::password;
use super::terminal::{Terminal, bytes, counted, shown};
use super::trust::KeyArgs;
use super::volumes::{somebody_sits, typed_answer, volume_size};
use crate::error::{Error, Result, inert};
use crate::language::tr;
use crate::parity::layout::Asked;
use crate::path::shell_word;
use crate::signature::SecretKey;
use crate::task::transfer::{self, AskForStick, NextStick, Options, Transferred, heal};

/// Copy a bundle onto a stick, and read it back from there
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack transfer hello-1.0.0-x86_64.run /media/stick
  pack transfer x.run /media/one /media/two      a copy onto each; or, where one has no room for it, laid over both
  pack transfer x.run /media/stick --from-volume 1     over several sticks in one socket, one after the other
  pack transfer x.run /media/stick --parity fill       and beside it as much parity as there is room for
  pack transfer x.run /media/stick --heal damage.json  writes only what 'pack verify --map' found damaged there
  pack transfer x.run /media/stick --volume-size 4G    in x.run.001, x.run.002, …, none larger
  pack transfer --key release.key x.run /media/stick   signs the receipt

Checksum, signature and parity beside the bundle go with it. Broken off or unplugged, the same command goes on
and writes only what is not right yet.")]
pub(super) struct TransferArgs {
    /// The bundle
    bundle: PathBuf,
    /// Folders on sticks
    #[arg(required = true, value_name = "DEST")]
    destinations: Vec<PathBuf>,
    /// Divide the bundle: x.run, and x.run.001, x.run.002, … beside it, none larger than this; K, M and G are understood
    /// [default: one file, where the medium takes it]
    #[arg(long, value_name = "SIZE", value_parser = volume_size)]
    volume_size: Option<u64>,
    /// Lay the bundle over several sticks, from this volume on: the first one is 1
    #[arg(long, value_name = "N")]
    from_volume: Option<usize>,
    /// Make parity on the stick, so much of the bundle in percent; 'fill' for as much as there is room for
    #[arg(long, value_name = "PERCENT", value_parser = amount, conflicts_with_all = ["volume_size", "from_volume"])]
    parity: Option<Asked>,
    /// Write only what this damage map names, which 'pack verify --map' made of the bundle on the stick
    #[arg(long, value_name = "MAP", conflicts_with_all = ["volume_size", "from_volume", "parity", "key"])]
    heal: Option<PathBuf>,
    /// Sign the receipt with this secret key
    #[arg(long, value_name = "KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    publisher: KeyArgs,
}

pub(super) fn run(args: &TransferArgs, terminal: &Terminal) -> Result<u8> {
    if let Some(map) = &args.heal {
        return heal(args, map, terminal);
    }
    let signer = args.key.as_deref().map(|key| SecretKey::read(key, password::ask)).transpose()?;
    let options = Options {
        bundle: args.bundle.clone(),
        destinations: args.destinations.clone(),
        volume_size: args.volume_size,
        from_volume: args.from_volume,
        ask: somebody_sits(terminal).then_some(ask as AskForStick),
        parity: args.parity,
        signer,
        trust: args.publisher.read()?,
    };
    let progress = terminal.progress();
    let (mut copies, mut sticks) = (Vec::new(), Vec::new());
    transfer::run(&options, progress.as_ref(), |copy| {
        // Said at once: the next stick may take long, and this one can go.
        copies.push(json!({
            "bundle": shown::path(&copy.path),
            "volumes": copy.part,
            "receiptFile": shown::path(&copy.receipt_file),
            "signatureFile": copy.signature_file.as_deref().map(shown::path),
            "receipt": copy.receipt,
        }));
        terminal.text(&line(&copy))?;
        sticks.extend(copy.part.is_some().then_some(copy.path));
        Ok(())
    })?;
    drop(progress);
    terminal.document(&json!({ "copies": copies }))?;
    if let [first, others @ ..] = &sticks[..]
        && !others.is_empty()
    {
        let folders = others.iter().filter_map(|path| path.parent());
        let words: String = folders.map(|folder| format!(" --volumes {}", shell_word(folder))).collect();
        terminal.text(&format!("with all of the sticks plugged in: sh {}{words}", shell_word(first)))?;
    }
    Ok(0)
}

/// Puts right what a map says is damaged.
fn heal(args: &TransferArgs, map: &Path, terminal: &Terminal) -> Result<u8> {
    let [folder] = &args.destinations[..] else {
        return Err(Error::usage("a damage map is that of one stick").fact("map", map.display()).hint(format_args!(
            "name that one only: pack transfer {} {} --heal {}",
            shell_word(&args.bundle),
            shell_word(args.destinations.first().map_or(Path::new("."), PathBuf::as_path)),
            shell_word(map)
        )));
    };
    let progress = terminal.progress();
    let report = heal::run(&args.bundle, map, folder, progress.as_ref())?;
    drop(progress);
    terminal.document(&json!({
        "bundle": shown::path(&report.path),
        "ranges": report.ranges,
        "written": report.written,
        "files": report.files.iter().map(|file| shown::path(file)).collect::<Vec<_>>(),
    }))?;
    terminal.text(&format!(
        "{}: {} in {} written and read back from the medium; only these were looked at. To check all of it: pack verify {}",
        report.path.display(),
        bytes(report.written),
        counted(report.ranges as u64, "range"),
        shell_word(&report.path)
    ))?;
    Ok(0)
}

/// Asks whoever sits there for the next stick.
fn ask(next: &NextStick<'_>) -> Option<PathBuf> {
    let last = shell_word(next.last);
    let why = next.why.map(|why| format!("{}\n", inert(why))).unwrap_or_default();
    let (names, size) = (next.volumes.join(", "), bytes(next.size));
    let text = tr!(
        "{why}Still to be written: {names} ({size}). Put the next stick into {last} and press Enter, or type its folder; q gives up: ",
        why,
        names,
        size,
        last
    );
    match typed_answer(&text)?.as_str() {
        "" => Some(next.last.to_owned()),
        "q" => None,
        folder => Some(folder.into()),
    }
}

/// A finished medium, in a line.
fn line(copy: &Transferred) -> String {
    let receipt = &copy.receipt;
    let size: u64 = receipt.files.iter().map(|file| file.size).sum();
    let rate = |count: u64, seconds: f64| bytes((count as f64 / seconds.max(0.001)) as u64);
    let part = copy.part.as_ref().filter(|part| !part.is_empty());
    let with = part.map(|part| format!(" with {}", part.join(", "))).unwrap_or_default();
    format!(
        "{}{with}: {}, {} of it written at {}/s, all read back from the medium at {}/s: safe to unplug",
        copy.path.display(),
        bytes(size),
        bytes(receipt.written),
        rate(receipt.written, receipt.write_seconds),
        rate(size, receipt.read_seconds)
    )
}
