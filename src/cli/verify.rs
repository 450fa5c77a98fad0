//! `pack verify`: every artifact of a folder, or every byte of a bundle.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::authentic;
use super::locate;
use super::terminal::{Terminal, bytes, counted};
use super::trust::{KeyArgs, Trust};
use crate::bundle::{self, Bundle, BundlePart, Damage};
use crate::error::{Class, Result};
use crate::platform::Platform;
use crate::release::{self, Row, State};

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
    match &args.target {
        Some(path) if !path.is_dir() => verify_bundle(path, &trust, terminal),
        target => verify_folder(target.as_deref(), args.platform, &trust, terminal),
    }
}

fn verify_folder(path: Option<&Path>, platform: Option<Platform>, trust: &Trust, terminal: &Terminal) -> Result<u8> {
    let folder = locate::folder(path)?;
    let manifest = folder.expect_manifest()?;
    trust.check_folder(&folder, &manifest, terminal)?;
    let platform = locate::platform_of(&folder, platform)?;
    let rows = {
        let progress = terminal.progress("verifying");
        release::verify(&folder, &manifest.select(platform)?, progress.as_ref())?
    };
    let good = rows.iter().all(|row| row.state == State::Ok);
    terminal.document(&json!({
        "folder": folder.root(),
        "name": manifest.name().as_str(),
        "version": manifest.version(),
        "platform": platform,
        "ok": good,
        "artifacts": rows.iter().map(row_document).collect::<Vec<_>>(),
    }))?;
    terminal.table(&["STATE", "NAME", "SIZE", "DETAIL"], rows.iter().map(row_cells).collect())?;
    let wrong = rows.iter().filter(|row| row.state != State::Ok).count();
    if good {
        let all =
            format!("{} {}: {}, all ok", manifest.name(), manifest.version(), counted(rows.len() as u64, "artifact"));
        terminal.text(&all)?;
        return Ok(0);
    }
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

fn verify_bundle(path: &Path, trust: &Trust, terminal: &Terminal) -> Result<u8> {
    let bundle = Bundle::open(path)?;
    let damage = check(&bundle, terminal)?;
    if damage.is_empty() {
        authentic::check(trust, &bundle, terminal)?;
    }
    let index = bundle.index();
    let hit = |name: &str| damage.iter().any(|damage| damage.files.iter().any(|file| file == name));
    let state = |name: &str| if hit(name) { "damaged" } else { "ok" };
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
    let header_state = if damage.iter().any(|damage| damage.part == BundlePart::Header) { "damaged" } else { "ok" };
    let mut rows = vec![row(header_state, "(launcher and runtime)", index.header_size, index.header_digest.short())];
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
        terminal.text(&format!(
            "{} {}: {} bytes, every one accounted for",
            index.name,
            index.version,
            bundle.length()?
        ))?;
        return Ok(0);
    }
    for damage in &damage {
        terminal.note(&damage_line(damage));
    }
    terminal.note("copy the bundle again, and compare there and here: sha256sum -c FILE.run.sha256");
    Ok(Class::Integrity.exit_code())
}

/// Checks all of a bundle and shows how far it is.
pub(super) fn check(bundle: &Bundle, terminal: &Terminal) -> Result<Vec<Damage>> {
    let progress = terminal.progress("verifying");
    bundle::verify(bundle, progress.as_ref())
}

/// One damaged part in one line.
pub(super) fn damage_line(damage: &Damage) -> String {
    let part = match damage.part {
        BundlePart::Header => "launcher and runtime".to_owned(),
        BundlePart::Frame(number) => format!("frame {number}, which holds {}", damage.files.join(", ")),
    };
    format!(
        "damaged: {} from {} on ({part}): expected {}, found {}",
        counted(damage.size, "byte"),
        damage.offset,
        damage.expected,
        damage.actual.map_or("what cannot be read".to_owned(), |actual| actual.to_string())
    )
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
