//! How much memory each command takes of input that is made to take much: the table in docs/security.md, "Peak memory per
//! hostile class". `cargo test --test it peak_memory -- --nocapture` prints it.

#![expect(clippy::print_stderr, reason = "the figures are what it is run for")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::craft::{bundle_of_folder, forged_bundle, with_index, with_stream};
use crate::support::fault::{Reply, serve};
use crate::support::images::{Made, Member, docker_archive, image, layer, tar};
use crate::support::{PACK, expect, file, noise, skip, stand_in, texts, through, write_product};
use pack::bundle::FileContent;
use pack::digest::{Descriptor, Digest};
use pack::image::AnalysisOptions;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// The peak resident memory in MiB of `pack words` in `folder`; `None`, and a line that says so, where it is not measured.
fn peak(folder: &Path, words: &[&str]) -> Option<u64> {
    let engine = stand_in(folder, "docker", "[ \"$1\" = load ] && exec cat >/dev/null\n[ \"$1\" = version ]");
    // A temporary folder of everybody's may be memory itself.
    let run = Command::new("/usr/bin/time")
        .args(["-f", "%M", "-o", "peak", "timeout", "300", PACK])
        .args(words)
        .current_dir(folder)
        .env("PATH", engine)
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .output();
    let Ok(output) = run else {
        skip("/usr/bin/time is not installed");
        return None;
    };
    let code = output.status.code().unwrap_or(-1);
    assert!((0..=3).contains(&code), "{words:?}: exit {code}\n{}", texts(&output).1);
    let peak = fs::read_to_string(folder.join("peak")).expect("written");
    let kib: u64 = peak.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number");
    let said = texts(&output).1;
    let said = said.lines().find(|line| line.contains("error:")).unwrap_or_default();
    eprintln!("{:>5} MiB  exit {code}  pack {}  {said}", kib >> 10, words.join(" "));
    Some(kib >> 10)
}

/// What `pack bundle` takes by itself in MiB: frames before and after compressing, and the compressors of two cores.
const COMPRESSORS: u64 = 64;

/// Each of these commands takes at most `limit` MiB and 128 more.
#[track_caller]
fn assert_peaks(class: &str, limit: u64, folder: &Path, commands: &[&[&str]]) {
    eprintln!("{class} (limit {limit} MiB)");
    for words in commands {
        let Some(peak) = peak(folder, words) else { return };
        let own = if words[0] == "bundle" { COMPRESSORS } else { 0 };
        assert!(peak <= limit + own + 128, "{class}: pack {words:?} takes {peak} MiB");
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").expect("a temporary folder")
}

/// What can be done with a bundle.
const OF_BUNDLE: &[&[&str]] = &[
    &["verify", "x.run"],
    &["inspect", "x.run"],
    &["extract", "x.run", "out"],
    &["load", "x.run"],
    &["cat", "x.run", "a"],
];
/// What can be done with a folder, and makes a bundle of it.
const OF_FOLDER: &[&[&str]] = &[&["verify", "p"], &["load", "p"], &["bundle", "p", "-o", "made.run"]];

#[test]
fn a_manifest_at_its_limit() {
    let folder = scratch();
    let artifact = |number: usize| {
        let url = format!("https://example.com/{number}/{}", "x".repeat(200));
        json!({ "name": format!("a{number}"), "kind": "file", "urls": [url], "size": 1, "digest": Digest::of(b"x") })
    };
    let many: Vec<Value> = (0..10_000).map(artifact).collect();
    let full = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": many }).to_string();
    assert!(full.len() as u64 <= 4 * MIB && full.len() as u64 > 3 * MIB, "{}", full.len());
    let nested = format!("{{\"schemaVersion\":1,\"artifacts\":{}", "[".repeat(4_000_000));
    let numbers = format!("{{\"schemaVersion\":1,\"artifacts\":[{}0]}}", "0,".repeat(2_000_000));
    for text in [&full, &nested, &numbers] {
        fs::create_dir_all(folder.path().join("p")).expect("a folder");
        fs::write(folder.path().join("p/manifest.json"), text).expect("written");
        fs::write(folder.path().join("manifest.json"), text).expect("written");
        let of_manifest: &[&[&str]] = &[&["download", "--list", "manifest.json"], &["lock", "manifest.json"]];
        assert_peaks("a manifest of 4 MiB", 4, folder.path(), &[OF_FOLDER, of_manifest].concat());
    }
}

#[test]
fn an_index_at_its_limit() {
    let folder = scratch();
    let path = folder.path().join("x.run");
    let files = [file("a", "file", "a")];
    for form in ["entries", "numbers"] {
        forged_bundle(&path, &files, &files);
        with_index(&path, |index| {
            if form == "numbers" {
                index["more"] = vec![0; 31 << 20].into();
                return;
            }
            let entry = index["entries"][0].clone();
            let more = (0..300_000).map(|number| {
                let mut entry = entry.clone();
                entry["path"] = format!("a{number}").into();
                entry
            });
            index["entries"].as_array_mut().expect("a list").extend(more);
        });
        let size = fs::metadata(&path).expect("there").len();
        assert!(size > 32 * MIB && size < 65 * MIB, "{form}: {size}");
        assert_peaks("an index of 64 MiB", 64, folder.path(), OF_BUNDLE);
    }
}

/// The bundle of one file, and of it the recipe that `change` makes of the file's.
fn with_recipe(folder: &Path, original: &[u8], recipe: Vec<u8>) {
    let packed = through("gzip", &["-n", "-c"], original).expect("gzip runs");
    write_product(&folder.join("p"), "1.0.0", &[file("a", "engine", packed)]);
    expect(0, folder, &["sign", "p/manifest.json", "--key", "k.key"]);
    let bytes = bundle_of_folder(&folder.join("p"), &AnalysisOptions::default(), |contents| {
        let found = contents.files.iter_mut().find(|file| file.path.as_str().ends_with(".recipe"));
        let found = found.expect("a recipe");
        found.descriptor = Descriptor::of(&recipe[..]);
        found.content = FileContent::Bytes(recipe);
    });
    fs::write(folder.join("x.run"), bytes).expect("written");
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The most that a recipe may take, in MiB; `docs/security.md` has it too.
const RECIPE: u64 = 128;

#[test]
fn a_recipe_at_its_limit() {
    let folder = scratch();
    fs::create_dir(folder.path().join("p")).expect("a folder");
    expect(0, folder.path(), &["keygen", "--no-password", "k"]);
    let original = noise(1, 200_000);
    let packed = through("gzip", &["-n", "-c"], &original).expect("gzip runs");
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
        with_recipe(folder.path(), &original, recipe);
        // The frames that it is read from have a limit of their own; half a recipe more would be found.
        let proved: &[&[&str]] = &[&["verify", "x.run", "--pubkey", "k.pub"]];
        assert_peaks("a recipe at its limit", RECIPE + 64, folder.path(), &[OF_BUNDLE, proved].concat());
    }
}

#[test]
fn a_frame_at_its_limit() {
    let folder = scratch();
    let files = [file("a", "file", vec![0; 60 << 20])];
    let path = folder.path().join("x.run");
    forged_bundle(&path, &files, &files);
    let bytes = with_stream(&fs::read(&path).expect("read"), |_| ());
    fs::write(&path, bytes).expect("written");
    assert_peaks("frames of 64 MiB", 280, folder.path(), OF_BUNDLE);
}

/// A folder of one archive of images under this name.
fn with_archive(folder: &Path, archive: Vec<u8>) {
    let _ = fs::remove_dir_all(folder.join("p"));
    fs::create_dir(folder.join("p")).expect("a folder");
    write_product(&folder.join("p"), "1.0.0", &[file("a", "image", archive)]);
}

fn one() -> Made {
    image("probe/one:1", vec![layer(1, 50_000)])
}

#[test]
fn an_archive_that_unpacks_to_very_much() {
    let folder = scratch();
    let bomb = tar(&[("layer", Member::File(&vec![0; 1 << 30]))]);
    for (class, limit, program, words) in [
        ("zstd with a window of 128 MiB", 128, "zstd", &["-c", "--long=27", "-T1"][..]),
        ("xz with a dictionary of 64 MiB", 70, "xz", &["-c", "--lzma2=preset=0,dict=64MiB", "-T1"]),
        ("gzip of zeros", 0, "gzip", &["-c", "-1"]),
    ] {
        let Some(packed) = through(program, words, &bomb) else { return skip(&format!("{program} is not installed")) };
        with_archive(folder.path(), packed);
        assert_peaks(class, limit, folder.path(), OF_FOLDER);
    }
}

#[test]
fn an_archive_of_long_headers_and_many_names() {
    let folder = scratch();
    let plain = docker_archive(&[one()]);
    let mut headers = Vec::new();
    for number in 0..30 {
        let mut builder = tar::Builder::new(Vec::new());
        let value = vec![b'x'; (1 << 20) - 100];
        builder.append_pax_extensions([("comment", &value[..])]).expect("memory");
        headers.extend(builder.get_ref());
        headers.extend(&tar(&[(&format!("small-{number}"), Member::File(b"x"))])[..1024]);
    }
    headers.extend(&plain);
    with_archive(folder.path(), headers);
    assert_peaks("tar headers of 1 MiB, 30 of them", 32, folder.path(), OF_FOLDER);
    let names: Vec<String> = (0..50_000).map(|number| format!("{number:090}")).collect();
    let members: Vec<(&str, Member)> = names.iter().map(|name| (name.as_str(), Member::File(b""))).collect();
    let mut many = tar(&members);
    many.truncate(many.len() - 1024);
    many.extend(&plain);
    with_archive(folder.path(), many);
    assert_peaks("50,000 names", 32, folder.path(), OF_FOLDER);
}

#[test]
fn a_server_that_sends_heads_and_documents_without_end() {
    let folder = scratch();
    for (class, limit) in [("an endless head", 0), ("an endless manifest", 4)] {
        let server = serve(move |_| match limit {
            0 => Reply::new(200, "x").endless_head(),
            _ => Reply::new(200, "[0,").endless(),
        });
        let url = server.url("manifest.json").to_string();
        let pinned = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0",
                             "artifacts": [{ "name": "a", "kind": "file", "urls": [url], "size": 1, "digest": Digest::of(b"x") }] });
        fs::write(folder.path().join("pinned.json"), pinned.to_string()).expect("written");
        let unpinned = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0",
                               "artifacts": [{ "name": "a", "kind": "file", "urls": [url] }] });
        fs::write(folder.path().join("unpinned.json"), unpinned.to_string()).expect("written");
        // What is being pinned may have any size: only its head is bounded.
        let lock: &[&[&str]] = &[&["lock", "--retries", "1", "unpinned.json"]];
        let commands: &[&[&str]] = &[
            &["download", "--no-cache", "--retries", "1", "--dir", "out", &url],
            &["download", "--no-cache", "--retries", "1", "--dir", "out", "pinned.json"],
            &["download", "--retries", "1", "--dir", "out", "pinned.json"],
        ];
        let commands = [commands, if limit == 0 { lock } else { &[] }].concat();
        assert_peaks(class, limit, folder.path(), &commands);
    }
}

#[test]
fn a_signature_or_checksum_without_end() {
    let folder = scratch();
    let files = [file("a", "file", "a")];
    forged_bundle(&folder.path().join("x.run"), &files, &files);
    expect(0, folder.path(), &["keygen", "--no-password", "k"]);
    for name in ["x.run.sha256", "x.run.sha256.minisig"] {
        let mut large = fs::File::create(folder.path().join(name)).expect("a file");
        large.write_all(b"x").expect("written");
        large.set_len(3 << 30).expect("a sparse file");
    }
    let key = ["--pubkey", "k.pub"];
    for words in [["verify", "x.run"], ["load", "x.run"], ["inspect", "x.run"]] {
        assert_peaks("a signature of 3 GiB", 0, folder.path(), &[&[&words[..], &key].concat()[..]]);
    }
}
