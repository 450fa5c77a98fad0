//! Bundles made by hand: the format written a second time, so that tests can write wrong ones.

use std::fs;
use std::path::Path;

use pack::bundle::{BundleSpec, Carried, CarriedArtifact, FileContent, PayloadFile, Preset, write};
use pack::digest::{Descriptor, Digest};
use pack::manifest::{Kind, Manifest};
use pack::platform::Platform;
use pack::progress::Silent;
use serde_json::Value;

/// The trailer's length in bytes.
pub const TRAILER: usize = 8 + 8 + 4 + 8 + 8 + 32 + 8;

/// Writes a small bundle whose launcher and runtime are a few bytes, so that every byte can be tried.
pub fn small_bundle(path: &Path, header: &[u8], files: &[super::File]) {
    bundle_of(path, header, files, files);
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

fn bundle_of(path: &Path, header: &[u8], pinned: &[super::File], files: &[super::File]) {
    let text = super::manifest("1.0.0", pinned).to_string();
    let manifest = Manifest::parse(text.clone(), "test").expect("valid");
    let source = |path: &str, mode, content: &[u8]| PayloadFile {
        path: path.parse().expect("a safe name"),
        mode,
        descriptor: Descriptor::of(content),
        content: FileContent::Bytes(content.to_vec()),
    };
    let mut sources = vec![source("manifest.json", 0o644, text.as_bytes())];
    sources.extend(files.iter().map(|file| source(file.name, 0o644, &file.content)));
    let artifacts = files
        .iter()
        .map(|file| CarriedArtifact {
            name: file.name.parse().expect("a safe name"),
            kind: if file.kind == "script" { Kind::Script } else { Kind::File },
            size: file.content.len() as u64,
            mode: 0o644,
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
    let number = |at: usize| u64::from_le_bytes(trailer[at..at + 8].try_into().expect("8 bytes"));
    let (index_offset, index_size) = (number(20) as usize, number(28) as usize);
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
