//! docs/format.md is enough to read a bundle: `tests/reader` was written from it, and shares nothing with `pack`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::craft::{small_bundle, with_index};
use crate::support::images::{Layers, docker_legacy, gzip, image, layer, oci, zstd};
use crate::support::{BUNDLE, expect, file, json_of_output, noise, portable, skip, texts, through, top, tree};
use serde_json::{Value, json};

/// What is changed in an index.
type Change = fn(&mut Value);

/// Whether this machine has what the reader needs.
pub(crate) fn can_read() -> bool {
    let missing =
        ["python3", "zstd", "gzip"].into_iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    if let Some(tool) = missing {
        skip(&format!("the second reader of bundles needs {tool}"));
    }
    missing.is_none()
}

/// Lets the reader write the artifacts of `bundle` into `out`.
pub(crate) fn read(bundle: &Path, out: &Path) -> Output {
    Command::new("python3")
        .arg("-B")
        .arg(top().join("tests/reader/read.py"))
        .args([bundle, out])
        .output()
        .expect("runs")
}

/// What the reader prints of a bundle that it can read.
pub(crate) fn said(bundle: &Path, out: &Path) -> String {
    let output = read(bundle, out);
    let (said, err) = texts(&output);
    assert!(output.status.success(), "{said}{err}");
    said
}

/// Text with repetitions far and near, so that an encoder has something to decide.
fn text(length: usize) -> Vec<u8> {
    let words = noise(3, 4_096);
    let picks = noise(4, length / 8 + 1);
    picks.iter().flat_map(|&pick| &words[usize::from(pick) * 16..][..8]).copied().take(length).collect()
}

#[test]
fn it_gives_every_artifact_back_byte_for_byte() {
    if !can_read() {
        return;
    }
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let base = layer(1, 400_000);
    let made =
        [image("second-reader/one:1", vec![base.clone(), layer(2, 30_000)]), image("second-reader/two:1", vec![base])];
    // Its DEFLATE stream has several chunks.
    let long = text(9_000_000);
    let by_zlib = "import sys,zlib; c=zlib.compressobj(6,zlib.DEFLATED,31); \
                   sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read())+c.flush())";
    let product = portable(
        folder,
        &[
            file("run.sh", "script", "#!/bin/sh\nexit\n"),
            file("conf/app.yaml", "file", "a: 1\n"),
            file("empty", "file", ""),
            file("gnu.tgz", "engine", through("gzip", &["-9nc"], &long).expect("installed")),
            file("zlib.tgz", "engine", through("python3", &["-c", by_zlib], &long).expect("installed")),
            file("one.tar.gz", "image", through("gzip", &["-6nc"], &docker_legacy(&made[..1])).expect("installed")),
            file("two.tar", "image", oci(&made[1..], Layers::Plain, true)),
            file("three.tar.zst", "image", zstd(&docker_legacy(&made[..1]))),
        ],
    );
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["sign", "--key", "release.key", "probe-portable/manifest.json"]);
    expect(0, folder, &["bundle"]);
    let index = json_of_output(&expect(0, folder, &["inspect", "--json", BUNDLE]).0)["index"].clone();
    let forms: Vec<_> =
        index["artifacts"].as_array().expect("a list").iter().filter(|one| one["form"] == "rebuilt").collect();
    assert_eq!(forms.len(), 4, "{index}");
    let lines = said(&folder.join(BUNDLE), &folder.join("out"));
    assert!(lines.lines().count() == 8 && lines.lines().all(|line| line.ends_with(": ok")), "{lines}");
    assert_eq!(tree(&folder.join("out")), tree(&product));

    // In volumes too.
    let header = index["headerSize"].as_u64().expect("a number").max(1 << 20) + 100_000;
    fs::create_dir(folder.join("stick")).expect("a folder");
    expect(0, folder, &["transfer", BUNDLE, "stick", "--volume-size", &header.to_string()]);
    assert!(folder.join(format!("stick/{BUNDLE}.001")).exists());
    assert_eq!(said(&folder.join("stick").join(BUNDLE), &folder.join("joined")), lines);
    assert_eq!(tree(&folder.join("joined")), tree(&product));
    let volume = folder.join(format!("stick/{BUNDLE}.001"));
    let mut bytes = fs::read(&volume).expect("read");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(volume, bytes).expect("written");
    assert!(!read(&folder.join("stick").join(BUNDLE), &folder.join("joined")).status.success());

    // What lies beside the bundle is compared as well.
    expect(0, folder, &["bundle", "--detached", "-o", "x.run"]);
    fs::copy(folder.join("x.run"), product.join("x.run")).expect("copied");
    let bundle = product.join("x.run");
    assert_eq!(said(&bundle, &folder.join("beside")), lines);
    fs::write(product.join("two.tar"), "another").expect("written");
    assert!(!read(&bundle, &folder.join("beside")).status.success());
}

#[test]
fn it_says_of_what_it_cannot_give_back() {
    if !can_read() {
        return;
    }
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let made = [image("second-reader/three:1", vec![layer(1, 100_000)])];
    let predicted = gzip(&docker_legacy(&made), 6);
    portable(folder, &[file("run.sh", "script", "#!/bin/sh\nexit\n"), file("one.tar.gz", "image", predicted)]);
    expect(0, folder, &["bundle"]);
    let lines = said(&folder.join(BUNDLE), &folder.join("out"));
    assert_eq!(lines, "run.sh: ok\none.tar.gz: its content is there, the original needs pack\n");
    expect(0, folder, &["bundle", "--no-originals"]);
    let lines = said(&folder.join(BUNDLE), &folder.join("out"));
    assert_eq!(lines, "run.sh: ok\none.tar.gz: its images are in oci/\n");
    assert!(!folder.join("out/one.tar.gz").exists());
    with_index(&folder.join(BUNDLE), |index| index["images"][0]["layers"] = json!([]));
    assert!(!read(&folder.join(BUNDLE), &folder.join("out")).status.success());
}

#[test]
fn it_refuses_what_is_not_as_the_document_says() {
    if !can_read() {
        return;
    }
    let place = tempfile::tempdir().expect("a temporary folder");
    let (bundle, out) = (place.path().join("x.run"), place.path().join("out"));
    let files = [file("run.sh", "script", "#!/bin/sh\nexit\n"), file("noise", "file", noise(1, 3_000))];
    small_bundle(&bundle, b"#!/bin/sh\n# pack bundle: probe\n", &files);
    said(&bundle, &out);
    let good = fs::read(&bundle).expect("read");
    for at in (0..good.len()).step_by(good.len() / 30).chain((good.len() - 76..good.len()).step_by(3)) {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        fs::write(&bundle, bytes).expect("written");
        assert!(!read(&bundle, &out).status.success(), "byte {at} of {}", good.len());
    }
    fs::write(&bundle, &good[..good.len() - 1]).expect("written");
    assert!(!read(&bundle, &out).status.success(), "cut short");
    let changes: [(&str, Change); 8] = [
        ("requires", |index| index["requires"] = json!(["tomorrow"])),
        ("a mode", |index| index["entries"][1]["mode"] = json!(0o777)),
        ("an offset", |index| index["entries"][1]["offset"] = json!(512)),
        ("an artifact's digest", |index| index["artifacts"][1]["digest"] = index["artifacts"][0]["digest"].clone()),
        ("a version", |index| index["version"] = json!("9.0.0")),
        ("a frame's digest", |index| index["frames"][0]["digest"] = index["headerDigest"].clone()),
        ("a frame's place", |index| index["frames"][0]["offset"] = json!(1)),
        ("the stream's length", |index| index["rawSize"] = json!(512)),
    ];
    for (what, change) in changes {
        fs::write(&bundle, &good).expect("written");
        with_index(&bundle, change);
        assert!(!read(&bundle, &out).status.success(), "{what}");
    }
}
