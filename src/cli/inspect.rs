//! `pack inspect`: what is inside a bundle.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::terminal::{Terminal, bytes, counted};
use crate::bundle::{Bundle, CarriedArtifact, CarriedImage, Form, Index};
use crate::digest::Digest;
use crate::error::Result;
use crate::image;

/// Show what is inside a bundle
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack inspect hello-1.0.0-x86_64.run
  pack inspect --json hello-1.0.0-x86_64.run
  sh hello-1.0.0-x86_64.run pack inspect

Reads the index only; 'pack verify' checks every byte.")]
pub(super) struct InspectArgs {
    /// The bundle
    bundle: PathBuf,
}

pub(super) fn run(args: &InspectArgs, terminal: &Terminal) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    let index = bundle.index();
    let payload_at = index.header_size + 1;
    let escape = format!("tail -c +{payload_at} {} | zstd -dc | tar -x", args.bundle.display());
    terminal.document(&json!({
        "bundle": args.bundle,
        "size": bundle.length()?,
        "payloadAt": payload_at,
        "escapeHatch": escape,
        "index": index,
        "images": images_json(index),
        "adds": index.artifacts.iter().map(|one| (one.name.to_string(), added(index, one).into())).collect::<Map<_, _>>(),
    }))?;
    terminal.text(&format!(
        "{} {} for {}\n\nbundle    {}\nsize      {} ({} bytes)\nruntime   {}\npayload   {} in {}, {} unpacked\nrun       {}\npacked by {}\n",
        index.name,
        index.version,
        index.platform,
        args.bundle.display(),
        bytes(bundle.length()?),
        bundle.length()?,
        bytes(index.header_size),
        bytes(index.payload_size()),
        counted(index.frames.len() as u64, "frame"),
        bytes(index.raw_size),
        index.run.as_ref().map_or("nothing", |run| run.as_str()),
        index.packed_by,
    ))?;
    let rows = index.artifacts.iter().map(|artifact| {
        let digest = if terminal.verbose() { artifact.digest.to_string() } else { artifact.digest.short() };
        vec![
            artifact.name.to_string(),
            artifact.kind.to_string(),
            bytes(artifact.size),
            format!("{:o}", artifact.mode),
            match &artifact.kept {
                Some(why) => format!("as it is: {why}"),
                None => artifact.form.as_str().to_owned(),
            },
            bytes(added(index, artifact)),
            digest,
        ]
    });
    terminal.table(&["NAME", "KIND", "SIZE", "MODE", "CARRIED", "ADDS", "DIGEST"], rows.collect())?;
    images(index, terminal)?;
    terminal.text(&format!("\nwithout pack, with stock tools:\n  {escape}"))?;
    Ok(0)
}

/// How many bytes of the payload, unpacked, are there for this artifact alone.
fn added(index: &Index, artifact: &CarriedArtifact) -> u64 {
    if artifact.form == Form::File {
        return artifact.size;
    }
    let users =
        |id: &Digest| index.artifacts.iter().filter(|one| one.form != Form::File && one.images.contains(id)).count();
    let own = |image: &&CarriedImage| artifact.images.contains(&image.id) && users(&image.id) == 1;
    let mut seen = HashSet::new();
    let layers = index.images.iter().filter(own).flat_map(|image| &image.layers);
    let layers = layers.filter(|layer| sharers(index, &layer.diff_id).all(|image| artifact.images.contains(&image.id)));
    let layers: u64 = layers.filter(|layer| seen.insert(layer.diff_id)).map(|layer| layer.blob_size()).sum();
    let recipe = index.entry(&image::recipe_path(&artifact.digest)).map_or(0, |entry| entry.size);
    let blobs = artifact.blobs.iter().filter_map(|blob| index.entry(&image::other_blob_path(blob)));
    layers + recipe + blobs.map(|entry| entry.size).sum::<u64>()
}

/// The carried images that have a layer.
fn sharers<'a>(index: &'a Index, diff_id: &'a Digest) -> impl Iterator<Item = &'a CarriedImage> {
    index.images.iter().filter(move |image| image.layers.iter().any(|layer| layer.diff_id == *diff_id))
}

fn images(index: &Index, terminal: &Terminal) -> Result<()> {
    if index.images.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    for image in &index.images {
        let shown = |digest: &Digest| if terminal.verbose() { digest.to_string() } else { digest.short() };
        let name = if image.tags.is_empty() { "(no tag)".to_owned() } else { image.tags.join(", ") };
        let size = image.layers.iter().map(|layer| layer.size).sum();
        rows.push(vec![name, bytes(size), counted(image.layers.len() as u64, "layer"), shown(&image.id)]);
        for layer in &image.layers {
            let others: Vec<&str> = sharers(index, &layer.diff_id)
                .filter(|other| other.id != image.id)
                .map(|other| other.tags.first().map_or("(no tag)", String::as_str))
                .collect();
            let shared = if others.is_empty() { String::new() } else { format!("shared with {}", others.join(", ")) };
            rows.push(vec!["  layer".to_owned(), bytes(layer.size), shared, shown(&layer.diff_id)]);
        }
    }
    terminal.text("")?;
    terminal.table(&["IMAGE", "UNPACKED", "", "DIGEST"], rows)
}

fn images_json(index: &Index) -> Value {
    let layer = |diff_id: &Digest, size: u64| {
        let by: Vec<&Digest> = sharers(index, diff_id).map(|image| &image.id).collect();
        json!({ "diffId": diff_id, "size": size, "images": by })
    };
    let image = |image: &CarriedImage| {
        let layers: Vec<Value> = image.layers.iter().map(|one| layer(&one.diff_id, one.size)).collect();
        json!({ "tags": image.tags, "id": image.id, "platform": image.platform, "layers": layers })
    };
    index.images.iter().map(image).collect()
}
