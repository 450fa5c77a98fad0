//! `pack diff`: what differs between two versions, and what someone who has the one lacks of the other.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::platform::platform;
use super::terminal::{Column, Terminal, bytes, counted, shown};
use super::trust::{KeyArgs, signed_document};
use crate::digest::Digest;
use crate::error::Result;
use crate::platform::Platform;
use crate::task::diff::artifacts::{ArtifactChange, Change};
use crate::task::diff::carry::Carry;
use crate::task::diff::images::{ImageChange, LayerChanges, LayerContent};
use crate::task::diff::side::{Listed, Side, Unknown};
use crate::task::diff::{self, Options, Report};

/// Show what differs between two manifests, folders or bundles
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack diff old/manifest.json new/manifest.json
  pack diff hello-portable hello-1.1.0-x86_64.run     what a bundle has that this folder has not
  pack diff --json hello-1.0.0-x86_64.run hello-1.1.0-x86_64.run

A manifest alone does not say which images and layers its archives have: then they are unknown. Of
a folder the archives of images are read and compared with their digests, of other files the sizes;
of a bundle the index is read, and with --pubkey all of it is proved first. 'pack verify' checks
every byte.

Exits with 0 whatever differs: with --json, 'same' says whether anything does.")]
pub(super) struct DiffArgs {
    /// What somebody has: a manifest, a folder that 'pack download' made, or a bundle
    old: PathBuf,
    /// What comes after it: one of the three too
    new: PathBuf,
    /// Compare the artifacts of this platform [default: that of the folder or bundle; of two manifests, all]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: &DiffArgs, terminal: &Terminal) -> Result<u8> {
    let trust = args.key.read()?;
    let options = Options { old: args.old.clone(), new: args.new.clone(), platform: args.platform, trust };
    let progress = terminal.progress();
    let report = diff::run(&options, progress.as_ref())?;
    drop(progress);
    terminal.document(&document(args, &report))?;
    summary(args, &report, terminal)?;
    artifacts(&report.artifacts, terminal)?;
    if let Ok(changes) = &report.images {
        images(changes, terminal)?;
    }
    if let (Ok(changes), true) = (&report.layers, terminal.verbose()) {
        layers(changes, terminal)?;
    }
    Ok(0)
}

fn summary(args: &DiffArgs, report: &Report, terminal: &Terminal) -> Result<()> {
    let Report { old, new, .. } = report;
    let product = |side: &Side| format!("{} {}", side.manifest.name(), side.manifest.version());
    let side = |path: &Path, side: &Side| {
        let platform = side.platform.map_or_else(String::new, |platform| format!(" for {platform}"));
        format!("{}, the {} {}{platform}, {}", product(side), side.form.as_str(), path.display(), side.signed)
    };
    let of = |change: Change| report.artifacts.iter().filter(move |one| one.change() == change).count();
    let files = counts(of);
    let unknown = |why: &Unknown| format!("unknown: {}", reason(*why));
    let images = report
        .images
        .as_ref()
        .map_or_else(unknown, |changes| counts(|change| changes.iter().filter(|one| one.change == change).count()));
    let layers = report.layers.as_ref().map_or_else(unknown, |LayerChanges { added, removed, unchanged }| {
        let part = |layers: &[LayerContent], word: &str| match layers.len() {
            0 => None,
            count => Some(format!("{count} {word} ({})", bytes(total(layers)))),
        };
        let parts = [part(added, "added"), part(removed, "removed"), part(unchanged, "unchanged")];
        joined(parts.into_iter().flatten().collect())
    });
    terminal.text(&format!(
        "old       {}\nnew       {}\nartifacts {files}\nimages    {images}\nlayers    {layers}\nto carry  {}\n",
        side(&args.old, old),
        side(&args.new, new),
        carried(&report.carry),
    ))
}

/// How many of each change there are.
fn counts(of: impl Fn(Change) -> usize) -> String {
    let parts = Change::ALL.into_iter().map(|change| (of(change), change.as_str()));
    joined(parts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect())
}

fn joined(parts: Vec<String>) -> String {
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn total(layers: &[LayerContent]) -> u64 {
    layers.iter().map(|layer| layer.size).sum()
}

/// Why images are not known.
fn reason(why: Unknown) -> &'static str {
    match why {
        Unknown::NoFiles => "a manifest alone does not say what is in its archives",
        Unknown::NotPinned => "an archive is not pinned, and what lies in its place need not be it",
        Unknown::NotBeside => "an archive does not lie beside its detached bundle",
        Unknown::NotListed => "the index of a bundle does not list them",
    }
}

fn carried(carry: &Carry) -> String {
    let Carry { files, bytes: size, unsized_files, bytes_without_known_layers } = carry;
    if *files == 0 {
        return "nothing: every file is there".to_owned();
    }
    let unknown = match unsized_files.len() as u64 {
        0 => String::new(),
        count => format!(", and {} of unknown size", counted(count, "file")),
    };
    let sized = counted(files - unsized_files.len() as u64, "file");
    let smaller = bytes_without_known_layers.filter(|smaller| smaller < size);
    let smaller = smaller.map_or_else(String::new, |smaller| {
        format!("; at most {} without the layers that the old one has", bytes(smaller))
    });
    format!("{} in {sized}{unknown}{smaller}", bytes(*size))
}

fn artifacts(changes: &[ArtifactChange], terminal: &Terminal) -> Result<()> {
    let size = |listed: Option<&Listed>| match listed {
        None => String::new(),
        Some(listed) => listed.size.map_or_else(|| "unknown".to_owned(), bytes),
    };
    let rows = changes.iter().map(|change| {
        vec![
            change.change().as_str().to_owned(),
            change.latest().id.to_string(),
            size(change.before()),
            size(change.after()),
            detail(change, terminal.verbose()),
        ]
    });
    let columns = [
        Column::state("STATE"),
        Column::shortened("NAME"),
        Column::whole("OLD"),
        Column::whole("NEW"),
        Column::shortened("DETAIL").spare(),
    ];
    let unchanged = Change::Unchanged.as_str();
    terminal.table_of_files(&columns, &rows.collect::<Vec<_>>(), |row| row[0] != unchanged)
}

/// Digests, former names, and what is not pinned.
fn detail(change: &ArtifactChange, verbose: bool) -> String {
    let digest = |listed: &Listed| match listed.digest {
        None => "not pinned".to_owned(),
        Some(digest) => shown_digest(&digest, verbose),
    };
    match change {
        ArtifactChange::Added(one) | ArtifactChange::Removed(one) => digest(one),
        ArtifactChange::Both(Change::Moved, old, _) => format!("was {}", old.id),
        ArtifactChange::Both(Change::Unchanged, _, new) => digest(new),
        ArtifactChange::Both(Change::Unpinned, old, new) => match (old.digest, new.digest) {
            (None, None) => "not pinned in both".to_owned(),
            (None, Some(_)) => "not pinned in the old one".to_owned(),
            _ => "not pinned in the new one".to_owned(),
        },
        ArtifactChange::Both(_, old, new) => format!("{} → {}", digest(old), digest(new)),
    }
}

fn shown_digest(digest: &Digest, verbose: bool) -> String {
    if verbose { digest.to_string() } else { digest.short() }
}

fn images(changes: &[ImageChange], terminal: &Terminal) -> Result<()> {
    let shown = |id: Option<Digest>| id.map_or_else(String::new, |id| shown_digest(&id, terminal.verbose()));
    let is_listed = |change: &&ImageChange| terminal.verbose() || change.change != Change::Unchanged;
    let rows = changes.iter().filter(is_listed).map(|change| {
        let layers = match change.new_layers as u64 {
            0 => String::new(),
            count => format!("{} in {}", bytes(change.new_bytes), counted(count, "layer")),
        };
        let name = change.reference.clone().unwrap_or_else(|| "(no tag)".to_owned());
        vec![change.change.as_str().to_owned(), name, layers, shown(change.old), shown(change.new)]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        Column::state("STATE"),
        Column::shortened("IMAGE"),
        Column::whole("NEW LAYERS").spare(),
        Column::digest("OLD ID").spare(),
        Column::digest("NEW ID").spare(),
    ];
    terminal.text("")?;
    terminal.table(&columns, &rows)
}

fn layers(changes: &LayerChanges, terminal: &Terminal) -> Result<()> {
    let LayerChanges { added, removed, unchanged } = changes;
    let of = [(added, Change::Added), (removed, Change::Removed), (unchanged, Change::Unchanged)];
    let rows = of.into_iter().flat_map(|(layers, change)| {
        layers.iter().map(move |layer| vec![change.as_str().to_owned(), bytes(layer.size), layer.diff_id.to_string()])
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    terminal.text("")?;
    terminal.table(&[Column::state("STATE"), Column::whole("UNPACKED"), Column::digest("LAYER")], &rows)
}

fn document(args: &DiffArgs, report: &Report) -> Value {
    let side = |path: &Path, side: &Side| {
        json!({
            "path": shown::path(path),
            "form": side.form.as_str(),
            "name": side.manifest.name().as_str(),
            "version": side.manifest.version(),
            "platform": side.platform,
            "signature": signed_document(&side.signed),
            "imagesUnknown": side.images().err().map(Unknown::as_str),
        })
    };
    let listed = |listed: &Listed| {
        json!({
            "name": listed.id.name,
            "platform": listed.id.platform,
            "kind": listed.kind,
            "size": listed.size,
            "digest": listed.digest,
        })
    };
    let artifact = |change: &ArtifactChange| {
        json!({
            "state": change.change().as_str(),
            "name": change.latest().id.name,
            "platform": change.latest().id.platform,
            "old": change.before().map(listed),
            "new": change.after().map(listed),
        })
    };
    let layers = |layers: &[LayerContent]| {
        layers.iter().map(|layer| json!({ "diffId": layer.diff_id, "size": layer.size })).collect::<Vec<_>>()
    };
    let image = |change: &ImageChange| {
        json!({
            "state": change.change.as_str(),
            "reference": change.reference,
            "old": change.old,
            "new": change.new,
            "newLayers": { "count": change.new_layers, "size": change.new_bytes },
        })
    };
    let of_layers = |changes: &LayerChanges| {
        json!({
            "added": layers(&changes.added),
            "removed": layers(&changes.removed),
            "unchanged": layers(&changes.unchanged),
        })
    };
    let unsized_files = report.carry.unsized_files.iter();
    json!({
        "old": side(&args.old, &report.old),
        "new": side(&args.new, &report.new),
        "same": report.is_same(),
        "artifacts": report.artifacts.iter().map(artifact).collect::<Vec<_>>(),
        "images": report.images.as_ref().ok().map(|changes| changes.iter().map(image).collect::<Vec<_>>()),
        "layers": report.layers.as_ref().ok().map(of_layers),
        "carry": {
            "files": report.carry.files,
            "bytes": report.carry.bytes,
            "sizeUnknown": unsized_files.map(|id| json!({ "name": id.name, "platform": id.platform })).collect::<Vec<_>>(),
            "bytesWithoutKnownLayers": report.carry.bytes_without_known_layers,
        },
    })
}
