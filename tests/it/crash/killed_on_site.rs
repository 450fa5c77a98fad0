//! `kill -9` at random moments of what changes a file or an engine of others: it is as it was, or as it should be.

use std::fs;
use std::path::Path;

use super::killed::{kill_after, moments, time_of, times, with_words};
use crate::support::engine::Engine;
use crate::support::fault::{dripping, serve_files};
use crate::support::images::{docker_legacy, gzip, image, layer};
use crate::support::{BUNDLE, expect, file, manifest, noise, pack, portable, texts};

#[test]
fn a_killed_lock_leaves_the_manifest_as_it_was_or_pinned() {
    let files = [file("a", "file", noise(1, 4 << 20)), file("c/d", "file", noise(3, 1 << 20))];
    let server = serve_files(&files, None, dripping);
    let mut unpinned = manifest("1.0.0", &files);
    for artifact in unpinned["artifacts"].as_array_mut().expect("a list") {
        let url = server.url(artifact["name"].as_str().expect("a name")).to_string();
        *artifact = serde_json::json!({ "name": artifact["name"], "kind": "file", "urls": [url] });
    }
    let unpinned = unpinned.to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("manifest.json");
    let begin = || {
        fs::write(&path, &unpinned).expect("written");
        let _ = fs::remove_dir_all(folder.path().join(".cache"));
    };
    let words = ["lock", "manifest.json"];
    begin();
    let whole = time_of(|| drop(expect(0, folder.path(), &words)));
    let pinned = fs::read_to_string(&path).expect("read");
    let (mut killed, mut unfinished) = (0, 0);
    for (number, wait) in moments(whole).enumerate() {
        if killed == times() {
            break;
        }
        // Every other time with what the run before has left in the cache.
        if number % 2 == 0 {
            begin();
        } else {
            fs::write(&path, &unpinned).expect("written");
        }
        killed += u64::from(kill_after(wait, with_words(folder.path(), &words)));
        let found = fs::read_to_string(&path).expect("read");
        assert!(found == unpinned || found == pinned, "killed after {wait:?} it is neither:\n{found}");
        unfinished += u64::from(found == unpinned);
        expect(0, folder.path(), &words);
        assert_eq!(fs::read_to_string(&path).expect("read"), pinned, "after a kill after {wait:?}");
    }
    assert_eq!(killed, times(), "so many were still running when they were killed");
    assert!(unfinished > 0, "no kill came before the pins were written");
    let left = fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name());
    let left: Vec<_> = left.filter(|name| name != ".cache").collect();
    assert_eq!(left, ["manifest.json"], "what a killed run left is gone");
}

#[test]
fn a_killed_load_is_finished_by_the_next() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let base = layer(1, 4_000_000);
    let made = [
        image("killed.example/one:1", vec![base.clone(), layer(2, 300_000)]),
        image("killed.example/two:1", vec![base, layer(3, 200_000), layer(4, 100_000)]),
    ];
    let [one, two] = made.each_ref().map(|made| gzip(&docker_legacy(std::slice::from_ref(made)), 6));
    let script = file("run.sh", "script", "#!/bin/sh\n");
    portable(folder.path(), &[script, file("one.tar.gz", "image", one), file("two.tar.gz", "image", two)]);
    expect(0, folder.path(), &["bundle"]);
    let id = |tag: &str| {
        let output = engine.docker(["image", "inspect", "--format", "{{.Id}}", tag]);
        output.status.success().then(|| texts(&output).0.trim().to_owned())
    };
    let load = |folder: &Path| {
        let mut command = pack(folder);
        command.args(["load", BUNDLE]).env("DOCKER_HOST", engine.host());
        command
    };
    let finished = || {
        let output = load(folder.path()).output().expect("pack runs");
        assert!(output.status.success(), "{}", texts(&output).1);
        for made in &made {
            assert_eq!(id(&made.tag), Some(made.id().to_string()));
            assert!(engine.docker(["save", &made.tag]).status.success(), "{} is damaged", made.tag);
            engine.ask(&["image", "rm", &made.tag]);
        }
    };
    let whole = time_of(finished);
    // Each takes a second of an engine.
    let wanted = times().div_ceil(5);
    let (mut killed, mut between) = (0, 0);
    for wait in moments(whole) {
        if killed == wanted {
            break;
        }
        killed += u64::from(kill_after(wait, load(folder.path())));
        let there = made.each_ref().map(|made| id(&made.tag));
        for (made, there) in made.iter().zip(&there) {
            assert!(there.is_none() || *there == Some(made.id().to_string()), "{} is another image", made.tag);
        }
        between += u64::from(there.iter().any(Option::is_none));
        finished();
    }
    assert_eq!(killed, wanted, "so many were still running when they were killed");
    assert!(between > 0, "no kill came before everything was loaded");
}
