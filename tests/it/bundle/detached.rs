//! Bundles that leave everything large out, and take it on site from the folder where they lie.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::craft::with_index;
use crate::support::fault::{Reply, serve_files};
use crate::support::images::{docker_archive, docker_legacy, gzip, image, layer};
use crate::support::{
    File, expect, file, interruptible, json_of_output, manifest, noise, pack, run, shell, stand_in, texts, tree,
};
use pack::digest::Digest;
use serde_json::json;

/// What the bundle takes from its folder.
const LARGE: [&str; 3] = ["one.tar.gz", "two.tar", "engine.tgz"];

const SCRIPT: &str =
    "#!/bin/sh\necho \"ran: $*\"\ncat conf/app.yaml\n\"$PACK\" cat --decompress \"$PACK_BUNDLE\" engine.tgz\n";

fn files() -> Vec<File> {
    let base = layer(1, 2_500_000);
    vec![
        file("run.sh", "script", SCRIPT),
        file("conf/app.yaml", "file", "a: 1\n"),
        file("one.tar.gz", "image", gzip(&docker_archive(&[image("probe/one:1", vec![base.clone()])]), 6)),
        file("two.tar", "image", docker_legacy(&[image("probe/two:1", vec![base, layer(2, 30_000)])])),
        file("engine.tgz", "engine", gzip(b"an engine", 6)),
    ]
}

/// Puts something into the place of a file.
type Put<'a> = Box<dyn Fn(&Path) + 'a>;

/// A folder with `run-portable.sh` and what a browser fetched; the folder that it was made of is `../probe-portable`.
struct Browsed {
    folder: tempfile::TempDir,
    site: PathBuf,
    /// Where the publisher has the files.
    base: String,
}

fn browsed(sign: bool) -> Browsed {
    let files = files();
    let text = serde_json::to_string_pretty(&manifest("1.0.0", &files)).expect("JSON");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = serve_files(&files, Some(text), Reply::file);
    expect(0, folder.path(), &["download", server.url("manifest.json").as_str()]);
    if sign {
        for name in ["release", "other"] {
            expect(0, folder.path(), &["keygen", "--no-password", name]);
        }
        expect(0, folder.path(), &["sign", "--key", "release.key", "probe-portable/manifest.json"]);
    }
    let site = folder.path().join("site");
    fs::create_dir(&site).expect("a folder");
    expect(0, folder.path(), &["bundle", "--detached", "-o", "site/run-portable.sh"]);
    let browsed = Browsed { site, base: server.url("").to_string(), folder };
    LARGE.iter().for_each(|name| browsed.bring(name));
    browsed
}

impl Browsed {
    fn bring(&self, name: &str) {
        fs::copy(self.folder.path().join("probe-portable").join(name), self.site.join(name)).expect("copied");
    }

    fn pack(&self, words: &[&str]) -> Output {
        run(&self.site, words)
    }

    /// What `words` say on standard error, and that they end with `code`.
    #[track_caller]
    fn refused(&self, code: i32, words: &[&str]) -> String {
        let output = self.pack(words);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {out}{err}");
        err
    }
}

#[test]
fn what_is_large_stays_out_and_comes_back_from_the_folder() {
    let browsed = browsed(false);
    let size = |name: &str| fs::metadata(browsed.site.join(name)).expect("there").len();
    let (shown, _) = expect(0, &browsed.site, &["inspect", "--json", "run-portable.sh"]);
    let shown = json_of_output(&shown);
    let index = &shown["index"];
    assert_eq!(index["requires"], json!(["detached"]));
    assert!(size("run-portable.sh") < index["headerSize"].as_u64().expect("a number") + 10_000, "and nothing else");
    assert_eq!(shown["beside"], json!({ "one.tar.gz": "ok", "two.tar": "ok", "engine.tgz": "ok" }));
    let artifacts = index["artifacts"].as_array().expect("a list");
    let detached: Vec<&str> = artifacts
        .iter()
        .filter(|artifact| artifact["form"] == "detached")
        .map(|artifact| {
            let name = artifact["name"].as_str().expect("a name");
            assert_eq!(artifact["digest"], json!(Digest::of(&fs::read(browsed.site.join(name)).expect("read"))));
            assert_eq!(
                (&artifact["size"], &artifact["url"]),
                (&json!(size(name)), &json!(format!("{}{name}", browsed.base)))
            );
            name
        })
        .collect();
    assert_eq!(detached, LARGE);
    let (out, _) = expect(0, &browsed.site, &["verify", "run-portable.sh"]);
    assert!(out.contains("in 3 files beside it, every one accounted for"), "{out}");
    expect(0, &browsed.site, &["extract", "run-portable.sh", "back"]);
    assert_eq!(tree(&browsed.site.join("back")), tree(&browsed.folder.path().join("probe-portable")));
    assert_eq!(texts(&browsed.pack(&["cat", "--decompress", "run-portable.sh", "engine.tgz"])).0, "an engine");
    let whole = browsed.pack(&["cat", "run-portable.sh", "two.tar"]).stdout;
    assert!(whole == fs::read(browsed.site.join("two.tar")).expect("read"));
}

#[test]
fn its_script_runs_under_the_manuals_command_and_takes_out_what_lies_beside_it() {
    let browsed = browsed(false);
    let bash = |words: &[&str]| {
        let mut command = interruptible("/bin/bash");
        command.arg("run-portable.sh").args(words).current_dir(&browsed.site).output().expect("bash runs")
    };
    assert_eq!(texts(&bash(&["a"])).0, "ran: a\na: 1\nan engine");
    fs::remove_file(browsed.site.join("engine.tgz")).expect("removed");
    let (out, err) = texts(&bash(&["status"]));
    assert_eq!(out, "ran: status\na: 1\n", "what needs no large file works without any: {err}");
    assert!(err.contains("engine.tgz: missing; expected"), "{err}");
    assert_eq!(bash(&["pack", "verify"]).status.code(), Some(1));
}

#[test]
fn what_is_missing_is_named_with_its_url() {
    let browsed = browsed(false);
    for name in ["one.tar.gz", "two.tar"] {
        fs::remove_file(browsed.site.join(name)).expect("removed");
    }
    let path = stand_in(browsed.folder.path(), "docker", "echo \"$@\" >>asked; [ \"$1\" != load ] || cat >loaded");
    let load = pack(&browsed.site).args(["load", "run-portable.sh"]).env("PATH", path).output().expect("pack runs");
    assert_eq!(load.status.code(), Some(1), "{:?}", texts(&load));
    assert!(!browsed.site.join("asked").exists(), "no engine is bothered");
    let extract = browsed.refused(1, &["extract", "run-portable.sh", "back"]);
    for err in [browsed.refused(1, &["verify", "run-portable.sh"]), extract, texts(&load).1] {
        for name in ["one.tar.gz", "two.tar"] {
            let digest = Digest::of(&fs::read(browsed.folder.path().join("probe-portable").join(name)).expect("read"));
            for part in [format!("{name}: missing; expected "), digest.to_string(), format!("{}{name}", browsed.base)] {
                assert!(err.contains(&part), "{part} in {err}");
            }
        }
        assert!(!err.contains("engine.tgz: "), "{err}");
    }
    assert!(!browsed.site.join("back/engine.tgz").exists(), "all or nothing");
    let (shown, _) = expect(0, &browsed.site, &["inspect", "--json", "run-portable.sh"]);
    assert_eq!(json_of_output(&shown)["beside"]["two.tar"], "missing");
    browsed.refused(1, &["cat", "run-portable.sh", "one.tar.gz"]);
    expect(0, &browsed.site, &["cat", "run-portable.sh", "run.sh"]);
    expect(0, &browsed.site, &["extract", "run-portable.sh", "some", "run.sh", "engine.tgz"]);
    assert_eq!(fs::read(browsed.site.join("some/engine.tgz")).expect("there"), files()[4].content);
}

#[test]
fn no_byte_of_a_stale_file_comes_out() {
    let browsed = browsed(true);
    let place = browsed.site.join("one.tar.gz");
    let right = fs::read(&place).expect("read");
    let mut other = right.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    let path = stand_in(browsed.folder.path(), "docker", "echo \"$@\" >>asked; [ \"$1\" != load ] || cat >loaded");
    let wrong: [(&str, Put<'_>); 6] = [
        ("found sha256:", Box::new(|place| fs::write(place, &other).expect("written"))),
        ("bytes", Box::new(|place| fs::write(place, &right[..right.len() - 1]).expect("written"))),
        ("bytes", Box::new(|place| fs::write(place, [&right[..], b"x"].concat()).expect("written"))),
        ("not a file", Box::new(|place| fs::create_dir(place).expect("made"))),
        ("not a file", Box::new(|place| symlink("/dev/zero", place).expect("linked"))),
        ("not a file", Box::new(|place| drop(shell(place.parent().expect("a folder"), "mkfifo one.tar.gz")))),
    ];
    for (found, put) in wrong {
        let _ = fs::remove_file(&place).or_else(|_| fs::remove_dir(&place));
        put(&place);
        for words in [
            &["verify", "run-portable.sh"][..],
            &["verify", "--pubkey", "../release.pub", "run-portable.sh"],
            &["extract", "run-portable.sh", "back"],
            &["extract", "--pubkey", "../release.pub", "run-portable.sh", "back", "one.tar.gz"],
            &["cat", "run-portable.sh", "one.tar.gz"],
            &["cat", "--decompress", "run-portable.sh", "one.tar.gz"],
            &["load", "run-portable.sh", "one.tar.gz"],
        ] {
            let output = pack(&browsed.site).args(words).env("PATH", &path).output().expect("pack runs");
            let (out, err) = texts(&output);
            assert_eq!(output.status.code(), Some(3), "{found} {words:?}: {err}");
            assert!(err.contains(&format!("{}one.tar.gz", browsed.base)) && err.contains(found), "{words:?}: {err}");
            assert!(out.is_empty() || words[0] == "verify", "{words:?}: {out}");
        }
        assert!(!browsed.site.join("asked").exists() && !browsed.site.join("back/one.tar.gz").exists(), "{found}");
        // One that is only missing as well does not hide what is stale.
        fs::rename(browsed.site.join("two.tar"), browsed.site.join("two")).expect("renamed");
        let err = browsed.refused(3, &["verify", "-q", "run-portable.sh"]);
        assert!(err.contains("two.tar: missing") && err.contains("one.tar.gz: "), "{err}");
        fs::rename(browsed.site.join("two"), browsed.site.join("two.tar")).expect("renamed");
    }
}

#[test]
fn a_link_to_the_right_file_is_as_good_and_one_to_nothing_is_missing() {
    let browsed = browsed(false);
    let place = browsed.site.join("one.tar.gz");
    fs::rename(&place, browsed.folder.path().join("elsewhere")).expect("moved");
    symlink("../elsewhere", &place).expect("linked");
    expect(0, &browsed.site, &["verify", "run-portable.sh"]);
    expect(0, &browsed.site, &["extract", "run-portable.sh", "back"]);
    assert!(fs::symlink_metadata(browsed.site.join("back/one.tar.gz")).expect("there").is_file());
    fs::remove_file(browsed.folder.path().join("elsewhere")).expect("removed");
    assert!(browsed.refused(1, &["verify", "run-portable.sh"]).contains("one.tar.gz: missing"));
}

#[test]
fn with_a_key_what_lies_beside_it_is_what_was_signed() {
    let browsed = browsed(true);
    for key in ["../release.pub", "../other.pub"] {
        let code = if key == "../release.pub" { 0 } else { 3 };
        for words in [
            &["verify", "--pubkey", key, "run-portable.sh"][..],
            &["cat", "--pubkey", key, "run-portable.sh", "two.tar"],
        ] {
            assert_eq!(browsed.pack(words).status.code(), Some(code), "{words:?}");
        }
    }
    let bundle = browsed.site.join("run-portable.sh");
    let as_made = fs::read(&bundle).expect("read");
    let other = noise(3, 1_000);
    let forged: [(&str, serde_json::Value); 3] = [
        ("digest", json!(Digest::of(&other))),
        ("kind", json!("file")),
        ("url", json!("https://evil.example/one.tar.gz")),
    ];
    for (key, value) in forged {
        fs::write(&bundle, &as_made).expect("written");
        with_index(&bundle, |index| {
            let artifacts = index["artifacts"].as_array_mut().expect("a list");
            let one = artifacts.iter_mut().find(|artifact| artifact["name"] == "one.tar.gz").expect("there");
            one[key] = value.clone();
            if key == "digest" {
                one["size"] = json!(other.len());
            }
        });
        if key == "digest" {
            fs::write(browsed.site.join("one.tar.gz"), &other).expect("written");
        }
        let code = browsed.pack(&["verify", "--pubkey", "../release.pub", "run-portable.sh"]).status.code();
        // Where to get a file is said beside the manifest only where that has no URL of its own.
        assert_eq!(code, Some(if key == "url" { 0 } else { 3 }), "{key}");
        browsed.bring("one.tar.gz");
    }
}

#[test]
fn the_images_beside_it_go_to_the_engine() {
    let browsed = browsed(false);
    let script = "[ \"$1\" = load ] && exec cat >\"loaded.$$.tar\"\n[ \"$1\" = version ]";
    let path = stand_in(browsed.folder.path(), "docker", script);
    let output = pack(&browsed.site).args(["load", "run-portable.sh"]).env("PATH", path).output().expect("pack runs");
    let (_, err) = texts(&output);
    // This engine has none of them afterwards, and that is found.
    assert!(err.contains("no such image"), "{err}");
    let lists = shell(&browsed.site, "for it in loaded.*.tar; do tar -xOf $it manifest.json; echo; done");
    assert!(lists.contains("probe/one:1") || lists.contains("probe/two:1"), "{lists}");
}

#[test]
fn it_is_named_for_what_it_is_and_never_lies_in_the_folder_that_it_is_made_of() {
    let browsed = browsed(false);
    let (out, _) = expect(0, browsed.folder.path(), &["bundle", "--detached"]);
    assert!(
        out.contains("on site it takes these from the folder where it lies: one.tar.gz, two.tar, engine.tgz"),
        "{out}"
    );
    assert!(browsed.folder.path().join("probe-1.0.0-x86_64-detached.run").is_file());
    expect(2, browsed.folder.path(), &["bundle", "--detached", "-o", "probe-portable/run-portable.sh"]);
    expect(2, browsed.folder.path(), &["bundle", "--detached", "--no-originals"]);
    let twice = |name: &str| {
        expect(0, browsed.folder.path(), &["bundle", "--detached", "-o", name, "--threads", "1"]);
        fs::read(browsed.folder.path().join(name)).expect("read")
    };
    assert!(twice("a.run") == twice("b.run"), "the same folder gives the same bundle");
}
