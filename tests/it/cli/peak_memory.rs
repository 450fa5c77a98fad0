//! How much memory each command takes of input that is made to take much: the table in docs/security.md, "Peak memory per
//! hostile class". `cargo test --test it peak_memory -- --nocapture` prints it.

#![expect(clippy::print_stderr, reason = "the figures are what it is run for")]

mod archives;
mod bundles;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::craft::forged_bundle;
use crate::support::fault::{Reply, serve};
use crate::support::{PACK, expect, file, skip, stand_in, texts};
use pack::digest::Digest;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// The peak resident memory in MiB of `pack words` in `folder`; `None`, and a line that says so, where it is not measured.
fn peak(folder: &Path, words: &[&str]) -> Option<u64> {
    peak_of(folder, &[&[PACK], words].concat())
}

/// As [`peak`], of a program that becomes `pack`.
fn peak_of(folder: &Path, program: &[&str]) -> Option<u64> {
    let engine = stand_in(folder, "docker", "[ \"$1\" = load ] && exec cat >/dev/null\n[ \"$1\" = version ]");
    // A temporary folder of everybody's may be memory itself.
    let run = Command::new("/usr/bin/time")
        .args(["-f", "%M", "-o", "peak", "timeout", "300"])
        .args(program)
        .current_dir(folder)
        .env("PATH", engine)
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .output();
    let Ok(output) = run else {
        skip("/usr/bin/time is not installed");
        return None;
    };
    let code = output.status.code().unwrap_or(-1);
    assert!((0..=3).contains(&code), "{program:?}: exit {code}\n{}", texts(&output).1);
    let peak = fs::read_to_string(folder.join("peak")).expect("written");
    let kib: u64 = peak.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number");
    let said = texts(&output).1;
    let said = said.lines().find(|line| line.contains("error:")).unwrap_or_default();
    eprintln!("{:>5} MiB  exit {code}  pack {}  {said}", kib >> 10, program[1..].join(" "));
    Some(kib >> 10)
}

/// Each of these commands takes at most `limit` MiB and 128 more.
#[track_caller]
fn assert_peaks(class: &str, limit: u64, folder: &Path, commands: &[&[&str]]) {
    eprintln!("{class} (limit {limit} MiB)");
    for words in commands {
        let Some(peak) = peak(folder, words) else { return };
        assert!(peak <= limit + 128, "{class}: pack {words:?} takes {peak} MiB");
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").expect("a temporary folder")
}

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
fn a_file_to_be_pinned_without_an_end() {
    let folder = scratch();
    let server = serve(|_| Reply::new(200, "x").endless());
    let url = server.url("a").to_string();
    let unpinned = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0",
                           "artifacts": [{ "name": "a", "kind": "file", "urls": [url] }] });
    fs::write(folder.path().join("manifest.json"), unpinned.to_string()).expect("written");
    // Its bytes go to the disk, of which there is an end: 400,000 blocks of 512 bytes.
    for words in ["lock manifest.json", "lock --no-cache manifest.json"] {
        eprintln!("a file to be pinned without an end (limit 0 MiB)");
        // What is kept nowhere would go on for ever.
        let line = format!("ulimit -f 400000; timeout 10 {PACK} {words} --retries 0; true");
        let Some(peak) = peak_of(folder.path(), &["sh", "-c", &line]) else { return };
        assert!(peak <= 128, "pack {words} takes {peak} MiB");
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
