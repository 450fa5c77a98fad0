//! `pack inspect`: what is inside a bundle.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::terminal::{Column, Terminal, bytes, counted, shown};
use super::trust::{KeyArgs, signed_document};
use crate::bundle::{Carried, Footprint, Index};
use crate::digest::Digest;
use crate::error::Result;
use crate::image::Image;
use crate::image_ref::ImageRef;
use crate::manifest::Manifest;
use crate::release::State;
use crate::task::inspect;

/// How many images that share a layer are listed with it: all of them, with each of them, would be the square.
const MOST_LISTED: usize = 64;

/// Show what is inside a bundle
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack inspect hello-1.0.0-x86_64.run
  pack inspect --json hello-1.0.0-x86_64.run
  sh hello-1.0.0-x86_64.run pack inspect

Reads the index and the manifest only, and with --pubkey proves all of it first; 'pack verify' checks every byte.")]
pub(super) struct InspectArgs {
    /// The bundle
    bundle: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

/// What `--json` prints. The index is in memory once: as a `Value` it would take some ten times as much.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    adds: Map<String, Value>,
    /// Of those that it takes from its folder, as far as their sizes tell.
    beside: Map<String, Value>,
    bundle: String,
    description: Option<&'a str>,
    escape_hatch: &'a str,
    homepage: Option<&'a str>,
    images: Value,
    index: &'a Index,
    originals: u64,
    payload_at: u64,
    signature: Option<Value>,
    size: u64,
    stores: Map<String, Value>,
    /// The files that the payload lies in, where it is not in the bundle's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<Value>,
}

pub(super) fn run(args: &InspectArgs, terminal: &Terminal) -> Result<u8> {
    let progress = terminal.progress();
    let report = inspect::run(&args.bundle, &args.key.read()?, progress.as_ref())?;
    drop(progress);
    let inspect::Report { bundle, manifest, signed, size, payload_at, originals, beside, footprints } = &report;
    let index = bundle.index();
    let file = args.bundle.display();
    let volumes: Vec<String> = (0..bundle.volumes().len()).map(|number| bundle.volume_name(number)).collect();
    let escape = match volumes[..] {
        [] => format!("tail -c +{payload_at} {file} | zstd -dc | tar -x"),
        _ => format!("cat {file}.0* | zstd -dc | tar -x"),
    };
    let each = |of: fn(&Footprint) -> u64| {
        let names = index.artifacts.iter().map(|artifact| artifact.name.to_string());
        names.zip(footprints.iter().map(|share| of(share).into())).collect::<Map<_, _>>()
    };
    terminal.document(&Document {
        adds: each(|share| share.unpacked),
        beside: beside.iter().map(|(name, state)| (name.to_string(), state.as_str().into())).collect(),
        bundle: shown::path(&args.bundle),
        description: manifest.as_ref().and_then(Manifest::description),
        escape_hatch: &escape,
        homepage: manifest.as_ref().and_then(Manifest::homepage),
        images: images_json(index),
        index,
        originals: *originals,
        payload_at: *payload_at,
        signature: signed.as_ref().map(signed_document),
        size: *size,
        stores: each(|share| share.stored),
        volumes: volumes
            .iter()
            .zip(bundle.volumes())
            .map(|(name, volume)| json!({ "name": name, "size": volume.size, "digest": volume.digest }))
            .collect(),
    })?;
    let volumes = match volumes[..] {
        [] => String::new(),
        _ => format!("volumes   {}\n", volumes.join(", ")),
    };
    let about = manifest.as_ref().map(|manifest| [manifest.description(), manifest.homepage()]).unwrap_or_default();
    terminal.text(&format!(
        "{} {} for {}\n{}\nbundle    {}\nsize      {} ({} bytes)\n{volumes}runtime   {}\npayload   {} in {}, {} unpacked\noriginals {}: the payload is {} % of them\nrun       {}\nsignature {}\npacked by {}\n",
        index.name,
        index.version,
        index.platform,
        about.into_iter().flatten().map(|line| format!("{line}\n")).collect::<String>(),
        args.bundle.display(),
        bytes(*size),
        size,
        bytes(index.header_size),
        bytes(index.payload_size()),
        counted(index.frames.len() as u64, "frame"),
        bytes(index.raw_size),
        bytes(*originals),
        100 * index.payload_size() / (*originals).max(1),
        index.run.as_ref().map_or("nothing", |run| run.as_str()),
        signed.as_ref().map_or("cannot be read: the bundle is damaged".to_owned(), ToString::to_string),
        index.packed_by,
    ))?;
    let rows = index.artifacts.iter().zip(footprints).map(|(artifact, share)| {
        let digest = if terminal.verbose() { artifact.digest.to_string() } else { artifact.digest.short() };
        vec![
            artifact.name.to_string(),
            artifact.kind.to_string(),
            bytes(artifact.size),
            format!("{:o}", artifact.mode),
            match &artifact.carried {
                Carried::File { reason: Some(why) } => format!("as it is: {why}"),
                Carried::Detached { .. } => {
                    let state = beside.iter().find(|(name, _)| *name == artifact.name).map(|(_, state)| state);
                    match state {
                        Some(State::Ok) => "detached: lies beside it".to_owned(),
                        state => format!("detached: {}", state.map_or("", State::as_str)),
                    }
                }
                other => other.as_str().to_owned(),
            },
            bytes(share.unpacked),
            bytes(share.stored),
            digest,
        ]
    });
    let columns = [
        Column::shortened("NAME"),
        Column::whole("KIND").spare(),
        Column::whole("SIZE"),
        Column::whole("MODE").spare(),
        Column::shortened("CARRIED").spare(),
        Column::whole("ADDS").spare(),
        Column::whole("STORED").spare(),
        Column::digest("DIGEST").spare(),
    ];
    terminal.table(&columns, &rows.collect::<Vec<_>>())?;
    images(index, terminal)?;
    terminal.text(&format!("\nwithout pack, with stock tools:\n  {escape}"))?;
    Ok(0)
}

fn images(index: &Index, terminal: &Terminal) -> Result<()> {
    if index.images.is_empty() {
        return Ok(());
    }
    let name_of = |image: &Image| image.tags.first().map_or("(no tag)", ImageRef::as_str).to_owned();
    let sharers = index.sharers();
    let mut rows = Vec::new();
    for image in &index.images {
        let shown = |digest: &Digest| if terminal.verbose() { digest.to_string() } else { digest.short() };
        let name = if image.tags.is_empty() {
            "(no tag)".to_owned()
        } else {
            image.tags.iter().map(ImageRef::as_str).collect::<Vec<_>>().join(", ")
        };
        let size = image.layers.iter().map(|layer| layer.size).sum();
        rows.push(vec![name, bytes(size), counted(image.layers.len() as u64, "layer"), shown(&image.id)]);
        for layer in &image.layers {
            let all: &[&Image] = sharers.get(&layer.diff_id).map_or(&[], Vec::as_slice);
            let others = || all.iter().filter(|other| other.id != image.id);
            let shared = match all.len() {
                _ if !index.is_in_layout(image) => None,
                0 | 1 => None,
                2 => others().map(|one| format!("shared with {}", name_of(one))).next(),
                many if terminal.verbose() && many <= MOST_LISTED => {
                    Some(format!("shared with {}", others().map(|one| name_of(one)).collect::<Vec<_>>().join(", ")))
                }
                many => Some(format!("shared with {} other images", many - 1)),
            };
            let packed = layer.packed.map(|packed| format!("carried under its own {}", packed.codec.name()));
            let shared = shared.into_iter().chain(packed).collect::<Vec<_>>().join(", ");
            rows.push(vec!["  layer".to_owned(), bytes(layer.size), shared, shown(&layer.diff_id)]);
        }
    }
    terminal.text("")?;
    let columns = [
        Column::shortened("IMAGE"),
        Column::whole("UNPACKED"),
        Column::shortened("").spare(),
        Column::digest("DIGEST").spare(),
    ];
    terminal.table(&columns, &rows)
}

fn images_json(index: &Index) -> Value {
    let sharers = index.sharers();
    let layer = |diff_id: &Digest, size: u64| {
        let by: &[&Image] = sharers.get(diff_id).map_or(&[], Vec::as_slice);
        let first: Vec<&Digest> = by.iter().take(MOST_LISTED).map(|image| &image.id).collect();
        json!({ "diffId": diff_id, "size": size, "images": first, "imagesInAll": by.len() })
    };
    let image = |image: &Image| {
        let layers: Vec<Value> = image.layers.iter().map(|one| layer(&one.diff_id, one.size)).collect();
        json!({ "tags": image.tags, "id": image.id, "platform": image.platform, "layers": layers })
    };
    index.images.iter().map(image).collect()
}
