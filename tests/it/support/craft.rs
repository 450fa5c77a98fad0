//! Bundles made by hand: the format written a second time, so that tests can write wrong ones.

use std::fs;
use std::path::Path;

use pack::bundle::{BundleSpec, Carried, CarriedArtifact, Contents, FileContent, PayloadFile, Preset, write};
use pack::digest::{Descriptor, Digest};
use pack::image::AnalysisOptions;
use pack::manifest::{Kind, Manifest};
use pack::platform::Platform;
use pack::progress::Silent;
use pack::release::Folder;
use serde_json::Value;

/// The trailer's length in bytes.
pub const TRAILER: usize = 8 + 8 + 4 + 8 + 8 + 32 + 8;

/// Writes a small bundle whose launcher and runtime are a few bytes, so that every byte can be tried.
pub fn small_bundle(path: &Path, header: &[u8], files: &[super::File]) {
    bundle_of(path, header, files, files);
}

/// The bundle of what `change` makes of the contents of a folder, under a launcher and runtime of a few bytes.
pub fn bundle_of_folder(folder: &Path, options: &AnalysisOptions, change: impl FnOnce(&mut Contents)) -> Vec<u8> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::at(folder);
    let manifest = folder.expect_manifest().expect("a manifest");
    let selection = manifest.select(Platform::AMD64).expect("selected");
    let mut contents = Contents::read(&folder, &manifest, &selection, options, &Silent).expect("read");
    change(&mut contents);
    let spec = BundleSpec {
        manifest: &manifest,
        platform: Platform::AMD64,
        header: b"#!/bin/sh\n# pack bundle\n".to_vec(),
        files: contents.files,
        artifacts: contents.artifacts,
        images: contents.images,
        preset: Preset::Balanced,
        cores: 2,
        publisher: None,
    };
    let path = place.path().join("x.run");
    write(spec, &path, &Silent).expect("written");
    fs::read(path).expect("read")
}

/// A bundle whose manifest and index speak of `pinned`, while the payload has the content of `forged`: every
/// frame, the index and the trailer are right for what is there.
pub fn forged_bundle(path: &Path, pinned: &[super::File], forged: &[super::File]) {
    bundle_of(path, b"#!/bin/sh\n# pack bundle\n", pinned, forged);
    with_index(path, |index| {
        for file in pinned {
            let digest = Digest::of(&file.content).to_string();
            for list in ["entries", "artifacts"] {
                let key = if list == "entries" { "path" } else { "name" };
                for item in index[list].as_array_mut().expect("a list") {
                    if item[key] == file.name {
                        item["digest"] = digest.as_str().into();
                    }
                }
            }
        }
    });
}

/// A bundle that is right in itself and has `files`, while its manifest pins `pinned`.
pub fn unbound_bundle(path: &Path, pinned: &[super::File], files: &[super::File]) {
    bundle_of(path, b"#!/bin/sh\n# pack bundle\n", pinned, files);
}

/// The bundle `bytes` with `gap` bytes between its last frame and its index, which nothing but that place is wrong with.
pub fn with_gap(bytes: &[u8], gap: usize) -> Vec<u8> {
    let at = index_place(bytes).0;
    let mut made = bytes.to_vec();
    made.splice(at..at, vec![0; gap]);
    let trailer = made.len() - TRAILER;
    made[trailer + 20..trailer + 28].copy_from_slice(&((at + gap) as u64).to_le_bytes());
    let length = made.len() as u64;
    made[trailer + 68..].copy_from_slice(&length.to_le_bytes());
    made
}

/// The bundle `bytes` with what `change` makes of its tar stream, in one frame, and every digest and length that follows
/// from it. Entries stay as they are.
pub fn with_stream(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    with_frames(bytes, usize::MAX, change)
}

/// As [`with_stream`], in frames of so many bytes.
pub fn with_frames(bytes: &[u8], size: usize, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (at, _) = index_place(bytes);
    let mut made = Vec::new();
    let with_index = with_index_text(bytes, |json| {
        let mut index: Value = serde_json::from_slice(json).expect("the index is JSON");
        let start = index["headerSize"].as_u64().expect("a number") as usize;
        let mut stream = zstd::decode_all(&bytes[start..at]).expect("frames");
        change(&mut stream);
        made.extend(&bytes[..start]);
        let mut compressor = zstd::bulk::Compressor::new(1).expect("memory");
        let frames = stream.chunks(size).map(|raw| {
            let frame = compressor.compress(raw).expect("memory");
            let offset = made.len();
            made.extend(&frame);
            serde_json::json!({
                "offset": offset, "size": frame.len(), "rawSize": raw.len(), "digest": Digest::of(&frame)
            })
        });
        index["frames"] = frames.collect();
        index["rawSize"] = stream.len().into();
        index.to_string().into_bytes()
    });
    let offset = made.len() as u64;
    made.extend(&with_index[at..]);
    let trailer = made.len() - TRAILER;
    made[trailer + 20..trailer + 28].copy_from_slice(&offset.to_le_bytes());
    let length = made.len() as u64;
    made[trailer + 68..].copy_from_slice(&length.to_le_bytes());
    made
}

/// Offset and size of the index frame.
fn index_place(bytes: &[u8]) -> (usize, usize) {
    let trailer = &bytes[bytes.len() - TRAILER..];
    let number = |at: usize| u64::from_le_bytes(trailer[at..at + 8].try_into().expect("8 bytes")) as usize;
    (number(20), number(28))
}

fn bundle_of(path: &Path, header: &[u8], pinned: &[super::File], files: &[super::File]) {
    let text = super::manifest("1.0.0", pinned).to_string();
    let manifest = Manifest::parse(text.clone(), "test").expect("valid");
    let source = |path: &str, mode, content: &[u8]| PayloadFile {
        path: path.parse().expect("a safe name"),
        mode,
        descriptor: Descriptor::of(content),
        content: FileContent::Bytes(content.to_vec()),
    };
    let kind = |file: &super::File| if file.kind == "script" { Kind::Script } else { Kind::File };
    let mut sources = vec![source("manifest.json", 0o644, text.as_bytes())];
    sources.extend(files.iter().map(|file| source(file.name, kind(file).mode(), &file.content)));
    let artifacts = files
        .iter()
        .map(|file| CarriedArtifact {
            name: file.name.parse().expect("a safe name"),
            kind: kind(file),
            size: file.content.len() as u64,
            mode: kind(file).mode(),
            digest: Digest::of(&file.content),
            carried: Carried::File { reason: None },
            images: Vec::new(),
            tags: Vec::new(),
        })
        .collect();
    let spec = BundleSpec {
        manifest: &manifest,
        platform: Platform::AMD64,
        header: header.to_vec(),
        files: sources,
        artifacts,
        images: Vec::new(),
        preset: Preset::Fast,
        cores: 2,
        publisher: None,
    };
    write(spec, path, &Silent).expect("written");
}

/// Changes a bundle's index with `change` and puts right every digest and length that follows from it, so
/// that only what the index says is wrong.
pub fn with_index(path: &Path, change: impl FnOnce(&mut Value)) {
    let bytes = with_index_text(&fs::read(path).expect("read"), |json| {
        let mut index: Value = serde_json::from_slice(json).expect("the index is JSON");
        change(&mut index);
        index.to_string().into_bytes()
    });
    fs::write(path, bytes).expect("written");
}

/// The bundle `bytes` with what `change` makes of the text of its index, and every digest and length that
/// follows from it.
pub fn with_index_text(bytes: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let trailer = &bytes[bytes.len() - TRAILER..];
    let (index_offset, index_size) = index_place(bytes);
    let json = change(&bytes[index_offset + 8..index_offset + index_size]);
    let mut made = bytes[..index_offset].to_vec();
    let mut frame = bytes[index_offset..index_offset + 4].to_vec();
    frame.extend((json.len() as u32).to_le_bytes());
    frame.extend(&json);
    made.extend(&frame);
    made.extend(&trailer[..20]);
    made.extend((index_offset as u64).to_le_bytes());
    made.extend((frame.len() as u64).to_le_bytes());
    made.extend(Digest::of(&frame).as_bytes());
    made.extend((made.len() as u64 + 8).to_le_bytes());
    made
}
