//! `pack verify`: every artifact of a folder, or every byte of a bundle.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::terminal::{Terminal, bytes, counted};
use super::trust::KeyArgs;
use crate::bundle::{BundlePart, Damage};
use crate::error::{Class, Result};
use crate::platform::Platform;
use crate::release::{Folder, Row, State};
use crate::task::locate;
use crate::task::verify::{self, BundleReport, FolderReport};

/// Check every artifact of a folder, or every byte of a bundle
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack verify                                   the folder that 'pack download' made here
  pack verify dataflux-func-portable            another folder
  pack verify hello-1.0.0-x86_64.run            a bundle
  sh hello-1.0.0-x86_64.run pack verify         a bundle, with the pack inside it
  pack verify --pubkey release.pub x.run        and signed by its publisher

Exits with 3 when anything is missing, truncated, different or unexpected.")]
pub(super) struct VerifyArgs {
    /// The folder or bundle [default: the folder of the manifest here]
    target: Option<PathBuf>,
    /// Check the artifacts of this platform [default: the folder's]
    #[arg(long)]
    platform: Option<Platform>,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &VerifyArgs, terminal: &Terminal) -> Result<u8> {
    let trust = args.key.read()?;
    let progress = terminal.progress();
    match &args.target {
        Some(path) if !path.is_dir() => {
            let report = verify::bundle(path, &trust, progress.as_ref())?;
            drop(progress);
            show_bundle(path, &report, terminal)
        }
        target => {
            let folder = locate::folder(target.as_deref())?;
            let report = verify::folder(&folder, args.platform, &trust, progress.as_ref())?;
            drop(progress);
            show_folder(&folder, &report, terminal)
        }
    }
}

fn show_folder(folder: &Folder, report: &FolderReport, terminal: &Terminal) -> Result<u8> {
    let (manifest, rows) = (&report.manifest, &report.files);
    terminal.document(&json!({
        "folder": folder.root(),
        "name": manifest.name().as_str(),
        "version": manifest.version(),
        "platform": report.platform,
        "ok": report.is_good(),
        "artifacts": rows.iter().map(row_document).collect::<Vec<_>>(),
    }))?;
    terminal.table(&["STATE", "NAME", "SIZE", "DETAIL"], rows.iter().map(row_cells).collect())?;
    if report.is_good() {
        let count = counted(rows.len() as u64, "artifact");
        terminal.text(&format!("{} {}: {count}, all ok", manifest.name(), manifest.version()))?;
        return Ok(0);
    }
    let wrong = report.wrong();
    let hint = if rows.iter().all(|row| matches!(row.state, State::Ok | State::Unexpected)) {
        "remove what does not belong there"
    } else {
        "get what is missing or wrong with: pack download MANIFEST"
    };
    terminal.note(&format!("not as it should be: {wrong} of {}; {hint}", counted(rows.len() as u64, "file")));
    Ok(Class::Integrity.exit_code())
}

fn row_document(row: &Row) -> Value {
    json!({
        "name": row.name,
        "state": row.state.as_str(),
        "expected": { "size": row.expected_size, "digest": row.expected_digest },
        "actual": { "size": row.actual_size, "digest": row.actual_digest },
        "cause": row.cause,
    })
}

fn row_cells(row: &Row) -> Vec<String> {
    let detail = match row.state {
        State::Truncated => {
            format!("{} of {}", row.actual_size.unwrap_or(0), counted(row.expected_size.unwrap_or(0), "byte"))
        }
        State::Mismatch => match (row.expected_digest, row.actual_digest) {
            (Some(expected), Some(actual)) => format!("expected {expected}, found {actual}"),
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
    let BundleReport { bundle, damage } = report;
    let index = bundle.index();
    let word = |is_whole: bool| if is_whole { "ok" } else { "damaged" };
    let state = |name: &str| word(report.is_whole(name));
    terminal.document(&json!({
        "bundle": path,
        "name": index.name,
        "version": index.version,
        "platform": index.platform,
        "ok": damage.is_empty(),
        "artifacts": index.artifacts.iter().map(|artifact| json!({
            "name": artifact.name,
            "state": state(artifact.name.as_str()),
            "size": artifact.size,
            "digest": artifact.digest,
            "comesBackExactly": !artifact.carried.is_exported(),
        })).collect::<Vec<_>>(),
        "damage": damage.iter().map(damage_document).collect::<Vec<_>>(),
    }))?;
    let row = |state: &str, name: &str, size: u64, detail: String| {
        vec![state.to_owned(), name.to_owned(), bytes(size), detail]
    };
    let header = word(report.is_header_whole());
    let mut rows = vec![row(header, "(launcher and runtime)", index.header_size, index.header_digest.short())];
    rows.extend(index.artifacts.iter().map(|artifact| {
        let detail = if artifact.carried.is_exported() {
            "comes back as a plain docker archive".to_owned()
        } else {
            artifact.digest.short()
        };
        row(state(artifact.name.as_str()), artifact.name.as_str(), artifact.size, detail)
    }));
    terminal.table(&["STATE", "NAME", "SIZE", "DIGEST"], rows)?;
    if damage.is_empty() {
        let size = bundle.length()?;
        terminal.text(&format!("{} {}: {size} bytes, every one accounted for", index.name, index.version))?;
        return Ok(0);
    }
    for damage in damage {
        terminal.note(&damage.to_string());
    }
    terminal.note("copy the bundle again, and compare there and here: sha256sum -c FILE.run.sha256");
    Ok(Class::Integrity.exit_code())
}

fn damage_document(damage: &Damage) -> Value {
    json!({
        "part": match damage.part { BundlePart::Header => "header".to_owned(), BundlePart::Frame(number) => format!("frame {number}") },
        "offset": damage.offset,
        "size": damage.size,
        "expected": damage.expected,
        "actual": damage.actual,
        "files": damage.files,
    })
}
