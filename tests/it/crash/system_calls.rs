//! Each system call of a small run fails once: the run says so, nothing wrong has a final name, and the next run finishes.

#![expect(clippy::print_stderr, reason = "how many calls failed is what a whole run is for")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::fault::{Reply, serve_files};
use crate::support::strace::{can_trace, traced};
use crate::support::{File, PACK, expect, file, manifest, noise, portable, texts};

/// What fails, and how, without any disk or network: files, folders, sockets. Not the loader's, the allocator's, or those
/// that glibc and Rust's own library end the process at (`futex`, `mmap`, `clone`).
const CALLS: [(&str, &str); 29] = [
    ("openat", "EMFILE"),
    ("read", "EIO"),
    ("pread64", "EIO"),
    ("write", "ENOSPC"),
    ("pwrite64", "ENOSPC"),
    ("writev", "EIO"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("syncfs", "EIO"),
    ("rename", "EACCES"),
    ("renameat", "EACCES"),
    ("renameat2", "EACCES"),
    ("unlink", "EACCES"),
    ("unlinkat", "EACCES"),
    ("mkdir", "ENOSPC"),
    ("mkdirat", "ENOSPC"),
    ("linkat", "EMLINK"),
    ("ftruncate", "EFBIG"),
    ("lseek", "EINVAL"),
    ("fstat", "EIO"),
    ("statx", "EIO"),
    ("getdents64", "EIO"),
    ("flock", "ENOLCK"),
    ("fchmod", "EPERM"),
    ("copy_file_range", "EIO"),
    ("socket", "EMFILE"),
    ("connect", "ENETUNREACH"),
    ("sendto", "EPIPE"),
    ("recvfrom", "ECONNRESET"),
];

/// One of how many calls is tried; `PACK_EVERY_CALL=1` tries every one.
fn step() -> usize {
    std::env::var("PACK_EVERY_CALL").map_or(47, |step| step.parse().expect("PACK_EVERY_CALL is a number"))
}

/// `pack` with `words` under `strace` with `options`: its output, and what it called, a line each.
fn calls(folder: &Path, words: &[&str], options: &[&str]) -> (Output, String) {
    let (program, cache) = ([&[PACK], words].concat(), folder.join(".cache"));
    traced(folder, &program, &[&["-f", "-yy"], options].concat(), ("XDG_CACHE_HOME", &cache))
}

/// How often the busiest thread calls each of `CALLS` between `pack`'s own start and its end.
fn counted(log: &str) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let name = call.trim_start().split('(').next().unwrap_or_default();
        if let Some(&(known, _)) = CALLS.iter().find(|&&(known, _)| known == name) {
            *counts.entry((thread, known)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, name), count) in counts {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    most
}

/// Lets one call after the other fail in a run of `pack` with `words`, each in a folder that `prepare` makes, which must
/// leave nothing that `is_right` refuses: it is asked after the run, with whether that ended well, and after the next one.
fn each_call_fails(words: &[&str], prepare: impl Fn(&Path), is_right: impl Fn(&Path, bool)) {
    let fresh = || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(folder.path());
        folder
    };
    let folder = fresh();
    let (output, log) = calls(folder.path(), words, &[]);
    assert!(output.status.success(), "{}", texts(&output).1);
    is_right(folder.path(), true);
    let (mut tried, mut failed, mut number) = (0, 0, 0);
    for (call, count) in counted(&log) {
        let error = CALLS.iter().find(|(name, _)| *name == call).map(|(_, error)| error).expect("one of them");
        for nth in 1..=count {
            number += 1;
            // The first of each, and then one of so many.
            if nth != 1 && number % step() != 0 {
                continue;
            }
            let folder = fresh();
            let what = format!("pack {words:?}, call {nth} of {call} fails with {error}");
            let inject = format!("inject={call}:error={error}:when={nth}");
            let (output, log) = calls(folder.path(), words, &["-e", &inject]);
            // Threads share the work differently each time. And where libraries wake their own threads, no disk and no network
            // can be at fault: they end the process there. A line that is resumed does not tell what it is of.
            let hit: Vec<&str> = log.lines().filter(|line| line.contains("(INJECTED)")).collect();
            let is_a_wake_up = |line: &&str| ["[eventfd]", "<UNIX", "resumed>"].iter().any(|what| line.contains(what));
            if hit.is_empty() || hit.iter().any(is_a_wake_up) {
                continue;
            }
            tried += 1;
            let (_, err) = texts(&output);
            let code = output.status.code().unwrap_or_else(|| panic!("{what}: {:?}\n{err}", output.status));
            assert!((0..=9).contains(&code) && !err.contains("panicked"), "{what}: exit {code}\n{err}");
            assert!(code == 0 || err.contains("error: ") || call == "write", "{what}: it is not said\n{err}");
            failed += usize::from(code != 0);
            is_right(folder.path(), code == 0);
            let next = crate::support::run(folder.path(), words);
            assert!(next.status.success(), "after this the next run fails: {what}\n{err}\n---\n{}", texts(&next).1);
            is_right(folder.path(), true);
        }
    }
    eprintln!("pack {words:?}: {tried} calls failed, {failed} runs with them");
    assert!(tried >= 5 && failed > 0, "pack {words:?}: {tried} tried, {failed} failed");
}

fn files() -> [File; 3] {
    [
        file("run.sh", "script", "#!/bin/sh\n"),
        file("a", "file", noise(1, 300_000)),
        file("c/d", "file", noise(3, 5_000)),
    ]
}

/// Every file that has its name has its bytes; all are there if `whole`.
fn files_are_right(folder: &Path, whole: bool) {
    for file in files() {
        match fs::read(folder.join(file.name)) {
            Ok(content) => assert!(content == file.content, "'{}' has its name and other bytes", file.name),
            Err(_) => assert!(!whole, "'{}' is not there, and the run ended well", file.name),
        }
    }
}

#[test]
fn a_download_survives_each() {
    if can_trace() {
        let server = serve_files(&files(), Some(manifest("1.0.0", &files()).to_string()), Reply::file);
        let url = server.url("manifest.json").to_string();
        each_call_fails(
            &["download", "-q", &url],
            |_| (),
            |folder, whole| {
                files_are_right(&folder.join("probe-portable"), whole);
                if whole {
                    expect(0, folder, &["verify", "-q"]);
                }
            },
        );
    }
}

#[test]
fn a_bundle_survives_each() {
    if can_trace() {
        let prepare = |folder: &Path| {
            portable(folder, &files());
        };
        each_call_fails(&["bundle", "-q", "-o", "x.run"], prepare, |folder, whole| {
            if whole || folder.join("x.run").exists() {
                expect(0, folder, &["verify", "-q", "x.run"]);
            }
        });
    }
}

#[test]
fn an_extraction_survives_each() {
    if can_trace() {
        let made = tempfile::tempdir().expect("a temporary folder");
        portable(made.path(), &files());
        expect(0, made.path(), &["bundle", "-q", "-o", "x.run"]);
        let prepare = |folder: &Path| {
            fs::copy(made.path().join("x.run"), folder.join("x.run")).expect("copied");
        };
        each_call_fails(&["extract", "-q", "x.run", "out"], prepare, |folder, whole| {
            files_are_right(&folder.join("out"), whole);
            if whole {
                expect(0, folder, &["verify", "-q", "out"]);
            }
        });
    }
}

#[test]
fn a_lock_survives_each() {
    if can_trace() {
        // Small: each of its calls is tried in a reasonable time.
        let files = [file("run.sh", "script", "#!/bin/sh\n"), file("a", "file", noise(1, 3_000))];
        let mut unpinned = manifest("1.0.0", &files);
        let pins = unpinned["artifacts"].clone();
        for artifact in unpinned["artifacts"].as_array_mut().expect("a list") {
            let artifact = artifact.as_object_mut().expect("an object");
            artifact.remove("size");
            artifact.remove("digest");
        }
        let server = serve_files(&files, None, Reply::file);
        for artifact in unpinned["artifacts"].as_array_mut().expect("a list") {
            let url = server.url(artifact["name"].as_str().expect("a name")).to_string();
            artifact["urls"] = serde_json::json!([url]);
        }
        let text = unpinned.to_string();
        let prepare = |folder: &Path| fs::write(folder.join("manifest.json"), &text).expect("written");
        each_call_fails(&["lock", "-q", "manifest.json"], prepare, |folder, whole| {
            let found: serde_json::Value =
                serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).expect("there")).expect("JSON");
            for (artifact, right) in
                found["artifacts"].as_array().expect("a list").iter().zip(pins.as_array().expect("a list"))
            {
                assert!(artifact["digest"] == right["digest"] || !whole && artifact["digest"].is_null(), "{found}");
            }
        });
    }
}
