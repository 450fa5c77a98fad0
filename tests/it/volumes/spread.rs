//! A bundle laid over several sticks that are each too small for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::craft::{small_bundle, with_frames};
use crate::support::mounts::Tmpfs;
use crate::support::{PACK, expect, file, json_of_output, noise, shell, skip, texts};
use serde_json::Value;

/// A bundle in `folder` in frames of 100 kB: its last volume is so small that it fits on the first stick too, beside others.
fn bundle(folder: &Path) -> PathBuf {
    let path = folder.join("x.run");
    small_bundle(
        &path,
        b"#!/bin/sh\n# pack bundle: probe\n",
        &[file("run.sh", "script", "exit\n"), file("noise", "file", noise(1, 7_550_000))],
    );
    let bytes = with_frames(&fs::read(&path).expect("read"), super::FRAME, |_| ());
    fs::write(&path, bytes).expect("written");
    path
}

/// Sticks of 4 MiB; `None` where this user may not mount any.
fn sticks(folder: &Path, names: &[&str]) -> Option<Vec<Tmpfs>> {
    names.iter().map(|name| Tmpfs::mount(&folder.join(name), "size=4m")).collect()
}

/// The names of the volumes in a folder.
fn volumes(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.starts_with("x.run.0"));
    names.sort();
    names
}

fn receipts(out: &str) -> Vec<Value> {
    let copies = json_of_output(out)["copies"].as_array().expect("a list").clone();
    copies.into_iter().map(|copy| copy["receipt"].clone()).collect()
}

fn written(out: &str) -> u64 {
    receipts(out).iter().filter_map(|receipt| receipt["written"].as_u64()).sum()
}

#[test]
fn sticks_are_filled_one_after_the_other_and_the_next_time_only_what_is_wrong_is_written() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder);
    let Some(mounted) = sticks(folder, &["one", "two", "three"]) else { return };
    let (out, err) = expect(0, folder, &["transfer", "x.run", "one", "two", "three"]);
    assert_eq!(out.matches("safe to unplug").count(), mounted.len(), "{out}");
    assert!(err.contains("laid over the sticks in"), "{err}");
    let on: Vec<Vec<String>> = ["one", "two", "three"].map(|stick| volumes(&folder.join(stick))).into();
    assert!(on.iter().all(|names| !names.is_empty()), "{on:?}");
    let all: Vec<String> = on.concat();
    let expected: Vec<String> = (1..=all.len()).map(|number| format!("x.run.{number:03}")).collect();
    assert_eq!(all, expected, "in their order, none twice");
    // The line at the end is how it is used.
    let said = out.lines().last().expect("a line").split("sh ").nth(1).expect("a command");
    let words: Vec<&str> = said.split(' ').collect();
    expect(0, folder, &[&["verify"], &words[..]].concat());
    // Any stick begins it.
    expect(0, folder, &["verify", "three/x.run", "--volumes", "two", "--volumes", "one"]);
    shell(
        folder,
        "mkdir all; for stick in one two three; do cp $stick/x.run* all; done; cd all && sha256sum -c x.run.sha256",
    );

    for order in [["one", "two", "three"], ["three", "one", "two"]] {
        let (out, _) = expect(0, folder, &[&["transfer", "--json", "x.run"], &order[..]].concat());
        assert_eq!(written(&out), 0, "{order:?}");
    }
    assert_eq!(volumes(&folder.join("one")), on[0]);
    let damaged = folder.join("two").join(&on[1][0]);
    let mut bytes = fs::read(&damaged).expect("read");
    bytes[70_000] ^= 1;
    fs::write(&damaged, &bytes).expect("written");
    let (out, _) = expect(0, folder, &["transfer", "--json", "x.run", "one", "two", "three"]);
    assert_eq!(written(&out), bytes.len() as u64);
    let receipt = &receipts(&out)[1];
    let names: Vec<&str> =
        receipt["files"].as_array().expect("a list").iter().filter_map(|file| file["name"].as_str()).collect();
    assert_eq!((names[0], names[1], names.len()), ("x.run", &*on[1][0], on[1].len() + 2), "of this stick");
    expect(0, folder, &["verify", "one/x.run", "--volumes", "two", "--volumes", "three"]);
}

#[test]
fn too_few_sticks_are_filled_and_what_is_missing_is_said_with_the_command_that_goes_on() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder);
    let Some(_mounted) = sticks(folder, &["one", "two"]) else { return };
    let (out, err) = expect(1, folder, &["transfer", "x.run", "one", "two"]);
    assert_eq!(out.matches("safe to unplug").count(), 2, "{out}");
    let (one, two) = (volumes(&folder.join("one")), volumes(&folder.join("two")));
    let next = one.len() + two.len() + 1;
    let err = err.split("error: ").nth(1).expect("an error");
    assert!(err.contains(&format!("volumes: x.run.{next:03}")), "{err}");
    assert!(!err.contains(&one[0]) && !err.contains(&two[0]), "{err}");
    let command = err.rsplit("pack transfer ").next().expect("a hint").trim();
    assert!(command.ends_with(&format!("--from-volume {next}")) && command.starts_with("x.run two "), "{command}");
    // Another stick in the same socket.
    shell(folder, "mkdir kept && cp two/x.run* kept && rm two/x.run*");
    let words: Vec<&str> = ["transfer"].into_iter().chain(command.split(' ')).collect();
    expect(0, folder, &words);
    assert_eq!(volumes(&folder.join("two"))[0], format!("x.run.{next:03}"));
    expect(0, folder, &["verify", "two/x.run", "--volumes", "one", "--volumes", "kept"]);
}

#[test]
fn one_stick_without_room_is_refused_before_the_first_byte_and_begun_when_that_is_meant() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder);
    let Some(_mounted) = sticks(folder, &["one", "two"]) else { return };
    let (_, err) = expect(1, folder, &["transfer", "x.run", "one"]);
    assert!(
        err.contains("there is not enough room") && err.contains("pack transfer x.run one --from-volume 1"),
        "{err}"
    );
    assert_eq!(fs::read_dir(folder.join("one")).expect("listed").count(), 0);
    let (_, err) = expect(1, folder, &["transfer", "x.run", "one", "--from-volume", "1"]);
    assert!(err.contains("still to be written"), "{err}");
    assert!(volumes(&folder.join("one")).contains(&"x.run.001".to_owned()));
    for number in ["0", "98"] {
        let (_, err) = expect(2, folder, &["transfer", "x.run", "two", "--from-volume", number]);
        assert!(err.contains("no such volume") && err.contains("--from-volume 1"), "{err}");
    }
    let (_, err) = expect(2, folder, &["transfer", "x.run", "two", "two/../two"]);
    assert!(err.contains("named twice"), "{err}");
    let (_, err) = expect(2, folder, &["transfer", "x.run", "one", "two", "--parity", "5%"]);
    assert!(err.contains("parity covers a bundle in one file"), "{err}");
    assert_eq!(fs::read_dir(folder.join("two")).expect("listed").count(), 0);
}

#[test]
fn a_volume_of_an_older_bundle_goes_and_one_of_this_bundle_stays() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder);
    let Some(_mounted) = sticks(folder, &["one", "two", "three"]) else { return };
    expect(0, folder, &["transfer", "x.run", "one", "two", "three"]);
    // A copy of a volume that another stick has takes room, and is right; the others are wrong whatever they are.
    shell(folder, "cp one/x.run.001 three/x.run.001; echo old >three/x.run.002; echo old >three/x.run.090");
    expect(0, folder, &["transfer", "x.run", "one", "two", "three"]);
    let names = volumes(&folder.join("three"));
    assert!(names.contains(&"x.run.001".to_owned()), "{names:?}");
    assert!(!names.contains(&"x.run.002".to_owned()) && !names.contains(&"x.run.090".to_owned()), "{names:?}");
    expect(0, folder, &["verify", "one/x.run", "--volumes", "two", "--volumes", "three"]);
}

#[test]
fn at_a_terminal_the_next_stick_is_asked_for() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder);
    if Command::new("script").arg("--version").output().is_err() {
        return skip("script is not installed");
    }
    let Some(_mounted) = sticks(folder, &["one", "two", "three"]) else { return };
    let typed = |answers: &str, line: &str| {
        let line = format!("printf '{answers}' | script -qec '{PACK} {line}' /dev/null; echo \"ended with $?\"");
        let output = Command::new("sh").args(["-c", &line]).current_dir(folder).output().expect("sh runs");
        texts(&output).0
    };
    let out = typed("q\\n", "transfer x.run one");
    let has = volumes(&folder.join("one"));
    let next = format!("x.run.{:03}", has.len() + 1);
    assert!(out.contains(&format!("Still to be written: {next}, ")), "{out}");
    assert!(out.contains("the sticks are full") && out.contains("ended with 1"), "{out}");
    // The same stick again, a folder that is none, and the next two.
    let out = typed("\\nnowhere\\ntwo\\nthree\\n", "transfer x.run one");
    assert_eq!(out.matches("Put the next stick into one ").count(), 3, "{out}");
    assert_eq!(out.matches("Put the next stick into two ").count(), 1, "{out}");
    assert!(out.contains("no room for another volume") && out.contains("nowhere"), "{out}");
    assert!(out.contains("ended with 0") && out.contains("--volumes two --volumes three"), "{out}");
    expect(0, folder, &["verify", "one/x.run", "--volumes", "two", "--volumes", "three"]);
    // Nobody is asked who wants a document.
    let out = typed("two\\n", "transfer --json x.run one --from-volume 1");
    assert!(!out.contains("press Enter") && out.contains("ended with 1"), "{out}");
    let out = typed("q\\n", "transfer x.run one --lang zh");
    assert!(out.contains("请把下一个 U 盘"), "{out}");
}
