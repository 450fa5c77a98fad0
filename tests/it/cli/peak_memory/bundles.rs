//! Bundles that are made to take much.

use std::fs;
use std::path::Path;

use super::{MIB, assert_peaks, scratch};
use crate::support::craft::{bundle_of_folder, with_frames, with_index_text};
use crate::support::images::gzip;
use crate::support::{File, expect, file, noise, through, write_product};
use pack::bundle::{Contents, FileContent};
use pack::digest::{Descriptor, Digest};
use pack::image::AnalysisOptions;
use serde_json::Value;

/// What can be done with a bundle.
const OF_BUNDLE: &[&[&str]] = &[
    &["verify", "x.run"],
    &["inspect", "x.run"],
    &["inspect", "x.run", "--json"],
    &["extract", "x.run", "out"],
    &["load", "x.run"],
    &["cat", "x.run", "a"],
];
/// The same, where all of it must be proved.
const OF_BUNDLE_WITH_KEY: &[&[&str]] = &[
    &["verify", "x.run", "--pubkey", "k.pub"],
    &["extract", "x.run", "out", "--pubkey", "k.pub"],
    &["load", "x.run", "--pubkey", "k.pub"],
    &["cat", "x.run", "a", "--pubkey", "k.pub"],
];

/// The bundle of these files, signed, with what `change` makes of its contents.
fn signed(folder: &Path, files: &[File], change: impl FnOnce(&mut Contents)) -> Vec<u8> {
    let product = folder.join("p");
    let _ = fs::remove_dir_all(&product);
    fs::create_dir(&product).expect("a folder");
    write_product(&product, "1.0.0", files);
    if !folder.join("k.key").exists() {
        expect(0, folder, &["keygen", "--no-password", "k"]);
    }
    expect(0, folder, &["sign", "p/manifest.json", "--key", "k.key"]);
    bundle_of_folder(&product, &AnalysisOptions::default(), change)
}

/// A bundle of one file, whose recipe is what `change` makes of it.
fn with_recipe(folder: &Path, packed: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let bytes = signed(folder, &[file("a", "engine", packed)], |contents| {
        let found = contents.files.iter_mut().find(|file| file.path.as_str().ends_with(".recipe"));
        let found = found.expect("a recipe");
        let FileContent::Bytes(own) = &found.content else { panic!("a recipe is in memory") };
        let recipe = change(own);
        found.descriptor = Descriptor::of(&recipe[..]);
        found.content = FileContent::Bytes(recipe);
    });
    fs::write(folder.join("x.run"), bytes).expect("written");
}

/// The index with 300,000 empty files more.
fn with_entries(json: &[u8]) -> Vec<u8> {
    let mut index: Value = serde_json::from_slice(json).expect("JSON");
    let entries = index["entries"].as_array_mut().expect("a list");
    let mut entry = entries.last().expect("an entry").clone();
    let number = |entry: &Value, key: &str| entry[key].as_u64().expect("a number");
    entry["offset"] = (number(&entry, "offset") + number(&entry, "size")).into();
    entry["size"] = 0.into();
    entry["digest"] = Digest::of(b"").to_string().into();
    entries.extend((0..300_000).map(|number| {
        entry["path"] = format!("a{number}").into();
        entry.clone()
    }));
    index.to_string().into_bytes()
}

/// The index with 31,000,000 numbers under a key that nobody knows.
fn with_numbers(json: &[u8]) -> Vec<u8> {
    let mut index: Value = serde_json::from_slice(json).expect("JSON");
    index["more"] = vec![0; 31 << 20].into();
    index.to_string().into_bytes()
}

#[test]
fn an_index_at_its_limit() {
    let folder = scratch();
    let path = folder.path().join("x.run");
    let bytes = signed(folder.path(), &[file("a", "file", noise(1, 350_000))], |_| ());
    for (form, bytes) in [
        ("entries", with_index_text(&bytes, with_entries)),
        ("numbers", with_index_text(&bytes, with_numbers)),
        ("frames", with_frames(&bytes, 1, |_| ())),
    ] {
        assert!(bytes.len() as u64 > 32 * MIB && bytes.len() as u64 <= 72 * MIB, "{form}: {}", bytes.len());
        fs::write(&path, bytes).expect("written");
        let commands = [OF_BUNDLE, OF_BUNDLE_WITH_KEY].concat();
        assert_peaks(&format!("an index of 64 MiB, of {form}"), 64, folder.path(), &commands);
        // Both are in memory.
        assert_peaks("two of them", 2 * 64, folder.path(), &[&["diff", "x.run", "x.run"]]);
    }
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// What all of unpacking has as its limit, in MiB: with what every command may take beyond its limit, it is the 300 MiB that
/// a site is promised.
const SITE: u64 = 300 - 128;
/// The most that a recipe may take, in MiB; `docs/security.md` has it too.
const RECIPE: u64 = 128;

#[test]
fn a_recipe_at_its_limit() {
    let folder = scratch();
    let packed = gzip(&noise(1, 200_000), 6);
    let literal = RECIPE * MIB - 4_096;
    // One part of all that; and as many parts as there may be.
    for parts in [1, 400_000] {
        let mut recipe = b"pack recipe 1\n".to_vec();
        number(&mut recipe, literal);
        recipe.extend(Digest::of(&packed).as_bytes());
        number(&mut recipe, parts);
        let each = literal / parts - if parts == 1 { 0 } else { 8 };
        for _ in 0..parts {
            recipe.push(0);
            number(&mut recipe, each);
            recipe.resize(recipe.len() + each as usize, b'x');
        }
        with_recipe(folder.path(), &packed, |_| recipe);
        assert_peaks("a recipe at its limit", SITE, folder.path(), &[OF_BUNDLE, OF_BUNDLE_WITH_KEY].concat());
    }
}

#[test]
fn a_large_recipe_that_compresses() {
    let folder = scratch();
    // What is rebuilt goes far before it is found to be another file.
    let content: Vec<u8> = noise(1, 90 << 20).iter().map(|byte| byte & 0x3f).collect();
    let packed = through("gzip", &["-n", "-1", "-c"], &content).expect("gzip runs");
    assert!(packed.len() > 65 << 20, "{}", packed.len());
    // Just what takes nothing from frames and compressors; and more.
    for size in [15 << 20, 64 << 20] {
        with_recipe(folder.path(), &packed, |own| {
            let head = b"pack recipe 1\n".len();
            let parts = head + own[head..].iter().take_while(|byte| **byte >= 0x80).count() + 1 + 32;
            let mut recipe = own[..parts].to_vec();
            number(&mut recipe, 2);
            assert_eq!(own[parts], 1, "the recipe has one part");
            recipe.extend(&own[parts + 1..]);
            recipe.push(0);
            number(&mut recipe, size);
            recipe.resize(recipe.len() + size as usize, b'x');
            recipe
        });
        let commands = [OF_BUNDLE, OF_BUNDLE_WITH_KEY].concat();
        assert_peaks(&format!("a recipe of {} MiB that compresses", size >> 20), SITE, folder.path(), &commands);
    }
}

#[test]
fn frames_at_their_limit() {
    let folder = scratch();
    let path = folder.path().join("x.run");
    for (form, content) in [("zeros", vec![0; 250 << 20]), ("noise", noise(1, 250 << 20))] {
        let bytes = signed(folder.path(), &[file("a", "file", content)], |_| ());
        fs::write(&path, with_frames(&bytes, 64 << 20, |_| ())).expect("written");
        // The same version with other content is not put over it.
        let _ = fs::remove_dir_all(folder.path().join("out"));
        let commands = [OF_BUNDLE, OF_BUNDLE_WITH_KEY].concat();
        assert_peaks(&format!("four frames of 64 MiB, of {form}"), SITE, folder.path(), &commands);
    }
}
