//! `sh x.run` with volumes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::mounts::Stick;
use crate::support::{expect, file, json_of_output, noise, portable, shell, texts};

/// What the product's script does: it takes a large file out of the bundle, which lies in volumes.
const SCRIPT: &str = "#!/bin/sh\n\"$PACK\" cat \"$PACK_BUNDLE\" large | cksum\necho \"ran <$*>\"\nexit 7\n";

struct Site {
    place: tempfile::TempDir,
    sum: String,
    /// So that it has three volumes.
    size: String,
}

fn site() -> Site {
    let place = tempfile::tempdir().expect("a temporary folder");
    let large = noise(1, 30 << 20);
    fs::write(place.path().join("large"), &large).expect("written");
    let sum = shell(place.path(), "cksum <large");
    portable(place.path(), &[file("run.sh", "script", SCRIPT), file("large", "file", large)]);
    expect(0, place.path(), &["bundle", "-o", "x.run", "--compression", "fast"]);
    let header =
        json_of_output(&expect(0, place.path(), &["inspect", "--json", "x.run"]).0)["index"]["headerSize"].as_u64();
    let size = (header.expect("a number").max(12 << 20) + 100_000).to_string();
    Site { place, sum, size }
}

impl Site {
    fn folder(&self) -> &Path {
        self.place.path()
    }

    fn sh(&self, shell: &[&str], words: &[&str]) -> Output {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(words).current_dir(self.folder());
        command.env_remove("PACK_TMPDIR").env_remove("PACK_VOLUMES").stdin(Stdio::null());
        command.output().expect("the shell runs")
    }
}

#[test]
fn a_shell_runs_a_bundle_in_volumes_from_one_folder_and_from_several() {
    let site = site();
    let folder = site.folder();
    shell(folder, "mkdir one two");
    expect(0, folder, &["transfer", "x.run", "one", "--volume-size", &site.size]);
    for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
        let (out, err) = texts(&site.sh(shell, &["one/x.run", "a", "b"]));
        assert_eq!(out, format!("{}ran <a b>\n", site.sum), "{shell:?}: {err}");
    }
    assert_eq!(site.sh(&["sh"], &["one/x.run"]).status.code(), Some(7));
    shell(folder, "mv one/x.run.002 two");
    let output = site.sh(&["sh"], &["one/x.run", "a"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "nothing ran");
    assert!(err.contains("x.run.002: missing") && err.contains("--volumes"), "{err}");
    for words in [&["--volumes", "two"][..], &["--volumes=two"], &["--volumes", "/", "--volumes", "two"]] {
        let (out, err) = texts(&site.sh(&["sh"], &[&["one/x.run"], words, &["a", "b"]].concat()));
        assert_eq!(out, format!("{}ran <a b>\n", site.sum), "{words:?}: {err}");
    }
    let output = site.sh(&["sh"], &["one/x.run", "--volumes", "two", "pack", "verify"]);
    assert!(output.status.success(), "{:?}", texts(&output));
    let output = site.sh(&["sh"], &["one/x.run", "pack", "verify", "--volumes", "two"]);
    assert!(output.status.success(), "{:?}", texts(&output));
    let output = site.sh(&["sh"], &["one/x.run", "--volumes"]);
    assert_eq!(output.status.code(), Some(2), "{:?}", texts(&output));
    // The product's own word, behind '--'.
    let (out, err) = texts(&site.sh(&["sh"], &["one/x.run", "--volumes", "two", "--", "--volumes"]));
    assert!(out.ends_with("ran <--volumes>\n"), "{out}{err}");
}

#[test]
fn damage_in_a_volume_stops_a_bundle_before_anything_runs() {
    let site = site();
    let folder = site.folder();
    shell(folder, "mkdir one");
    expect(0, folder, &["transfer", "x.run", "one", "--volume-size", &site.size]);
    let path = folder.join("one/x.run.002");
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    let output = site.sh(&["sh"], &["one/x.run"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(3), ""));
    assert!(err.contains("of x.run.002 (frame ") && err.contains("sha256sum -c x.run.sha256"), "{err}");
}

#[test]
fn volumes_go_onto_a_stick_are_read_back_and_written_only_once() {
    let site = site();
    let folder = site.folder();
    let Some(stick) = Stick::mount(folder, "stick", 160, "rw") else { return };
    let transfer = || {
        let (out, _) = expect(0, folder, &["transfer", "--json", "x.run", "stick", "--volume-size", &site.size]);
        json_of_output(&out)["copies"][0]["receipt"].clone()
    };
    let receipt = transfer();
    let names: Vec<&str> =
        receipt["files"].as_array().expect("a list").iter().filter_map(|file| file["name"].as_str()).collect();
    assert_eq!(names[..3], ["x.run", "x.run.001", "x.run.002"]);
    assert_eq!((&receipt["medium"]["kind"], &receipt["readBack"]), (&stick.kind().into(), &"direct".into()));
    expect(0, folder, &["verify", "stick/x.run"]);
    assert_eq!(transfer()["written"], 0);
    // Broken off while it is not complete, it goes on; the file that begins everything comes last.
    shell(
        folder,
        "cd stick && mv x.run.002 .x.run.002.transfer && truncate -s 3000000 .x.run.002.transfer && rm x.run",
    );
    assert!(transfer()["written"].as_u64().is_some_and(|written| written > 0));
    expect(0, folder, &["verify", "stick/x.run"]);
    let (out, err) = texts(&site.sh(&["sh"], &["stick/x.run", "a"]));
    assert_eq!(out, format!("{}ran <a>\n", site.sum), "{err}");
}
