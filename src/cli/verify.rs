//! `pack verify`: every artifact of a folder, or every byte of a bundle.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::platform::platform;
use super::terminal::{Column, Terminal, bytes, counted, shown};
use super::trust::{KeyArgs, signed_document};
use crate::bundle::{BundlePart, Damage, compare_bundle, not_beside};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::platform::Platform;
use crate::release::{Row, State};
use crate::task::damage_map;
use crate::task::locate;
use crate::task::verify::{self, BundleReport, FolderOptions, FolderReport, get_again};

/// Check every artifact of a folder, or every byte of a bundle
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack verify                                   the folder that 'pack download' made here
  pack verify dataflux-func-portable            another folder
  pack verify DIR --manifest manifest.json      files that were fetched by hand
  pack verify hello-1.0.0-x86_64.run            a bundle
  sh hello-1.0.0-x86_64.run pack verify         a bundle, with the pack inside it
  pack verify --pubkey release.pub x.run        and signed by its publisher
  pack verify --map damage.json x.run           and writes down what is wrong, for 'pack cut'

Exits with 3 when anything is missing, truncated, a mismatch, unexpected or damaged; with 1 when all that is wrong is
that files are missing which a bundle made with --detached takes from its folder.")]
pub(super) struct VerifyArgs {
    /// The folder or bundle [default: the folder of the manifest here]
    target: Option<PathBuf>,
    /// Check the artifacts of this platform [default: the folder's]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    /// Check the folder against this manifest, as for files that were fetched by hand [default: the folder's own]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Write which ranges of the bundle are wrong into this file: by 4 KiB where parity lies beside it, else by frames
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    map: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &VerifyArgs, terminal: &Terminal) -> Result<u8> {
    let trust = args.key.read()?;
    let progress = terminal.progress_of_what_is_listed();
    match &args.target {
        Some(path) if !path.is_dir() => {
            if args.manifest.is_some() {
                return Err(Error::usage("a bundle is checked against the manifest in it, and this is not a folder")
                    .fact("path", path.display())
                    .hint(format_args!("leave --manifest out: pack verify {}", shell_word(path))));
            }
            // Parity tells what is wrong also where the bundle does not even open.
            let map = args.map.as_ref().map(|_| damage_map::by_parity(path, progress.as_ref())).transpose()?.flatten();
            if let (Some(map), Some(target)) = (&map, &args.map) {
                map.write(target)?;
            }
            let report = verify::bundle(path, &trust, progress.as_ref())?;
            drop(progress);
            if let (None, Some(target)) = (map, &args.map) {
                damage_map::by_frames(&report.bundle, &report.damage).write(target)?;
            }
            show_bundle(path, &report, terminal)
        }
        target if args.map.is_some() => {
            let target = target.as_deref().unwrap_or(Path::new("."));
            Err(Error::usage("a damage map is made of a bundle, and this is a folder")
                .fact("path", target.display())
                .hint(format_args!("leave --map out: pack verify {}", shell_word(target))))
        }
        target => {
            let folder = locate::folder(target.as_deref())?;
            let options = FolderOptions { folder, manifest: args.manifest.clone(), platform: args.platform, trust };
            let report = verify::folder(&options, progress.as_ref())?;
            drop(progress);
            show_folder(&options, &report, terminal)
        }
    }
}

fn show_folder(options: &FolderOptions, report: &FolderReport, terminal: &Terminal) -> Result<u8> {
    let (folder, manifest, rows) = (&options.folder, &report.manifest, &report.files);
    terminal.document(&json!({
        "folder": shown::path(folder.root()),
        "name": manifest.name().as_str(),
        "version": manifest.version(),
        "platform": report.platform,
        "signature": signed_document(&report.signed),
        "ok": report.is_good(),
        "artifacts": rows.iter().map(row_document).collect::<Vec<_>>(),
    }))?;
    let columns =
        [Column::state("STATE"), Column::shortened("NAME"), Column::whole("SIZE"), Column::shortened("DETAIL").spare()];
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row_cells(row, terminal.verbose())).collect();
    terminal.table_of_files(&columns, &cells, |row| row[0] != State::Ok.as_str())?;
    if report.is_good() {
        let count = counted(rows.len() as u64, "artifact");
        let read = terminal.throughput(rows.iter().filter_map(|row| row.actual_size).sum());
        let summary = format!("{} {}: {count}, all ok, {read}", manifest.name(), manifest.version());
        terminal.text(&format!("{summary}\n{}", report.signed))?;
        return Ok(0);
    }
    let wrong = report.wrong();
    let count = counted(rows.len() as u64, "file");
    let mut error = Error::integrity(format_args!("{wrong} of {count} in the folder not as the manifest says"))
        .fact("folder", folder.root().display());
    if terminal.quiet() {
        let bad = rows.iter().filter(|row| row.state != State::Ok);
        for row in bad.clone().take(MOST_FACTS) {
            error = error.fact("file", format_args!("{}: {}", row.name, row.state.as_str()));
        }
        if let Some(more) = bad.count().checked_sub(MOST_FACTS).filter(|&more| more > 0) {
            error = error.fact("file", format_args!("and {more} more"));
        }
    }
    let error = if rows.iter().all(|row| matches!(row.state, State::Ok | State::Unexpected)) {
        error.hint("remove what does not belong there, or move it to another folder")
    } else {
        error.hint(format_args!("get what is missing or wrong with: {}", get_again(options, report)))
    };
    terminal.problem(&error);
    Ok(error.class().exit_code())
}

/// How many files an error names.
const MOST_FACTS: usize = 20;

fn row_document(row: &Row) -> Value {
    json!({
        "name": row.name,
        "state": row.state.as_str(),
        "expected": { "size": row.expected_size, "digest": row.expected_digest },
        "actual": { "size": row.actual_size, "digest": row.actual_digest },
        "cause": row.cause,
    })
}

fn row_cells(row: &Row, verbose: bool) -> Vec<String> {
    let shown = |digest: Digest| if verbose { digest.to_string() } else { digest.short() };
    let detail = match row.state {
        State::Truncated => {
            format!("{} of {}", row.actual_size.unwrap_or(0), counted(row.expected_size.unwrap_or(0), "byte"))
        }
        State::Mismatch => match (row.expected_digest, row.actual_digest) {
            (Some(expected), Some(actual)) => format!("expected {}, found {}", shown(expected), shown(actual)),
            _ => match (row.expected_size, row.actual_size) {
                (Some(expected), Some(actual)) => format!("expected {}, found {actual}", counted(expected, "byte")),
                _ => "not a regular file".to_owned(),
            },
        },
        State::Unreadable => row.cause.clone().unwrap_or_default(),
        State::Ok => row.expected_digest.map(|digest| digest.short()).unwrap_or_default(),
        State::Missing | State::Unexpected => String::new(),
    };
    let size = row.actual_size.or(row.expected_size).map(bytes).unwrap_or_default();
    vec![row.state.as_str().to_owned(), row.name.clone(), size, detail]
}

fn show_bundle(path: &Path, report: &BundleReport, terminal: &Terminal) -> Result<u8> {
    let BundleReport { bundle, damage, beside, .. } = report;
    let index = bundle.index();
    let word = |is_whole: bool| if is_whole { "ok" } else { "damaged" };
    let beside_of = |name: &str| beside.iter().find(|row| row.name == name);
    let state = |name: &str| beside_of(name).map_or(word(report.is_whole(name)), |row| row.state.as_str());
    terminal.document(&json!({
        "bundle": shown::path(path),
        "name": index.name,
        "version": index.version,
        "platform": index.platform,
        "signature": report.signed.as_ref().map(signed_document),
        "ok": report.is_good(),
        "artifacts": index.artifacts.iter().map(|artifact| json!({
            "name": artifact.name,
            "state": state(artifact.name.as_str()),
            "size": artifact.size,
            "digest": artifact.digest,
            "comesBackExactly": !artifact.carried.is_exported(),
        })).collect::<Vec<_>>(),
        "damage": damage.iter().map(damage_document).collect::<Vec<_>>(),
        "beside": beside.iter().map(row_document).collect::<Vec<_>>(),
    }))?;
    let row = |state: &str, name: &str, size: u64, detail: String| {
        vec![state.to_owned(), name.to_owned(), bytes(size), detail]
    };
    let header = word(report.is_header_whole());
    let mut rows = vec![row(header, "(launcher and runtime)", index.header_size, index.header_digest.short())];
    rows.extend(index.artifacts.iter().map(|artifact| {
        if let Some(beside) = beside_of(artifact.name.as_str()) {
            return row_cells(beside, terminal.verbose());
        }
        let detail = if artifact.carried.is_exported() {
            "comes back as a plain docker archive".to_owned()
        } else {
            artifact.digest.short()
        };
        row(state(artifact.name.as_str()), artifact.name.as_str(), artifact.size, detail)
    }));
    let columns =
        [Column::state("STATE"), Column::shortened("NAME"), Column::whole("SIZE"), Column::shortened("DIGEST").spare()];
    terminal.table_of_files(&columns, &rows, |row| row[0] != "ok")?;
    if report.is_good() {
        let size = bundle.length();
        let besides: u64 = beside.iter().filter_map(|row| row.actual_size).sum();
        let (name, version, read) = (&index.name, &index.version, terminal.throughput(size + besides));
        let besides = match beside.len() {
            0 => String::new(),
            count => format!(" and {besides} in {} beside it", counted(count as u64, "file")),
        };
        let summary = format!("{name} {version}: {size} bytes{besides}, every one accounted for, {read}");
        let signed = report.signed.as_ref().map_or_else(String::new, |signed| format!("\n{signed}"));
        terminal.text(&format!("{summary}{signed}"))?;
        return Ok(0);
    }
    if damage.is_empty() {
        let wrong: Vec<Row> = beside.iter().filter(|row| row.state != State::Ok).cloned().collect();
        let error = not_beside(bundle, &wrong);
        terminal.problem(&error);
        return Ok(error.class().exit_code());
    }
    let error = Error::integrity("the bundle is damaged").fact("path", path.display());
    let error = damage.iter().fold(error, |error, damage| error.fact("reason", damage));
    let error = error.hint(compare_bundle(path));
    terminal.problem(&error);
    Ok(error.class().exit_code())
}

fn damage_document(damage: &Damage) -> Value {
    json!({
        "part": match damage.part {
            BundlePart::Header => "header".to_owned(),
            BundlePart::Frame(number) => format!("frame {number}"),
            BundlePart::Volume(number) => format!("volume {}", number + 1),
        },
        "offset": damage.offset,
        "volume": damage.volume.as_ref().map(|volume| json!({ "name": volume.name, "offset": volume.offset })),
        "size": damage.size,
        "expected": damage.expected,
        "actual": damage.actual,
        "files": damage.files,
    })
}
