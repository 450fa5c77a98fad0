//! A damaged bundle is always found, whatever byte is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::craft::{forged_bundle, small_bundle, unbound_bundle, with_gap, with_index, with_stream};
use crate::support::facts::Facts;
use crate::support::{file, noise};
use pack::bundle::{Bundle, BundleAccess, BundlePart, Scope, extract, prove, verify};
use pack::error::{Class, Error};
use pack::manifest::Limits;
use pack::progress::Silent;
use serde_json::json;

struct Probe {
    _folder: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A bundle of under 3 KB whose payload has frames of their own for each file.
fn probe() -> Probe {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    small_bundle(
        &path,
        b"#!/bin/sh\n# pack bundle: probe\n",
        &[file("run.sh", "script", "exit\n"), file("noise", "file", noise(7, 300))],
    );
    let bytes = fs::read(&path).expect("read");
    Probe { _folder: folder, path, bytes }
}

/// Whether everything about the bundle is as it should be.
fn check(path: &Path) -> Result<(), Option<Error>> {
    let bundle = Bundle::open(path).map_err(Some)?;
    if !verify(&bundle, &Silent).map_err(Some)?.is_empty() {
        return Err(None);
    }
    bundle.manifest().map(drop).map_err(Some)
}

/// The error of a bundle that cannot even be opened.
fn refused(path: &Path) -> Error {
    Bundle::open(path).expect_err("refused")
}

#[test]
fn the_whole_one_is_right() {
    let probe = probe();
    assert!(probe.bytes.len() < 4_000, "{} bytes", probe.bytes.len());
    assert!(check(&probe.path).is_ok());
}

#[test]
fn every_truncation_is_found() {
    let probe = probe();
    for length in 0..probe.bytes.len() {
        fs::write(&probe.path, &probe.bytes[..length]).expect("written");
        assert!(check(&probe.path).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn every_changed_byte_is_found() {
    let probe = probe();
    for offset in 0..probe.bytes.len() {
        for flip in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            let mut bytes = probe.bytes.clone();
            bytes[offset] ^= flip;
            fs::write(&probe.path, &bytes).expect("written");
            let found = check(&probe.path).expect_err("found");
            // Whatever byte it is, this is damage: no other sort of failure.
            let class = found.map_or(Class::Integrity, |error| error.class());
            assert_eq!(class, Class::Integrity, "byte {offset} ^ {flip:#x}");
        }
    }
}

#[test]
fn appended_bytes_are_counted() {
    let probe = probe();
    for extra in [1, 2, 100, 5_000] {
        let mut bytes = probe.bytes.clone();
        bytes.resize(bytes.len() + extra, 0);
        fs::write(&probe.path, &bytes).expect("written");
        let error = refused(&probe.path);
        assert_eq!(error.class(), Class::Integrity);
        assert_eq!(error.fact_named("appended"), Some(format!("{extra} bytes").as_str()));
    }
}

#[test]
fn a_wrong_byte_is_told_with_its_place_and_file() {
    let probe = probe();
    let (offset, size) = {
        let bundle = Bundle::open(&probe.path).expect("opened");
        (bundle.index().frames[0].offset, bundle.index().frames[0].size)
    };
    let mut bytes = probe.bytes.clone();
    bytes[(offset + size / 2) as usize] ^= 1;
    fs::write(&probe.path, &bytes).expect("written");
    let bundle = Bundle::open(&probe.path).expect("the index is whole");
    let damage = verify(&bundle, &Silent).expect("read");
    assert_eq!(damage.len(), 1);
    assert_eq!((damage[0].part, damage[0].offset), (BundlePart::Frame(0), offset));
    assert!(damage[0].files.iter().any(|file| file == "noise"));
}

#[test]
fn a_file_that_is_no_bundle_is_told_apart_from_a_damaged_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x");
    for content in [&b""[..], b"#!/bin/sh\necho hello\n", &noise(3, 10_000)] {
        fs::write(&path, content).expect("written");
        let error = refused(&path);
        assert_eq!((error.class(), error.title()), (Class::Failed, "this is no bundle"));
    }
    assert_eq!(refused(folder.path()).class(), Class::Failed);
    let probe = probe();
    fs::write(&path, &probe.bytes[..probe.bytes.len() - 1]).expect("written");
    assert_eq!(refused(&path).title(), "the bundle is damaged");
}

#[test]
fn two_frames_swapped_are_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    // Incompressible, so that all full frames have one length and can change places.
    small_bundle(&path, b"#!/bin/sh\n# pack bundle\n", &[file("noise", "file", noise(9, 13 << 20))]);
    let bundle = Bundle::open(&path).expect("opened");
    let (first, second) = (bundle.index().frames[0], bundle.index().frames[1]);
    let mut bytes = fs::read(&path).expect("read");
    let third = bundle.index().frames[2];
    assert_eq!(second.size, third.size, "two frames of one length");
    let (a, b) = (second.offset as usize, third.offset as usize);
    for at in 0..second.size as usize {
        bytes.swap(a + at, b + at);
    }
    fs::write(&path, &bytes).expect("written");
    let damage = verify(&Bundle::open(&path).expect("opened"), &Silent).expect("read");
    assert_eq!(
        damage.iter().map(|damage| damage.part).collect::<Vec<_>>(),
        [BundlePart::Frame(1), BundlePart::Frame(2)]
    );
    assert!(first.size > 0);
}

#[test]
fn an_index_that_contradicts_itself_is_refused() {
    type Change = fn(&mut serde_json::Value);
    let changes: [(&str, Change); 17] = [
        ("a path outside", |index| index["entries"][1]["path"] = "../evil".into()),
        ("an absolute path", |index| index["entries"][1]["path"] = "/etc/passwd".into()),
        ("an entry beyond the payload", |index| index["entries"][1]["size"] = (1u64 << 40).into()),
        ("an entry that wraps around", |index| index["entries"][1]["size"] = u64::MAX.into()),
        ("two entries in one place", |index| index["entries"][2]["offset"] = index["entries"][1]["offset"].clone()),
        ("an entry twice", |index| index["entries"][2]["path"] = index["entries"][1]["path"].clone()),
        ("a setuid file", |index| index["entries"][1]["mode"] = 0o4755.into()),
        ("a frame beyond the end", |index| index["frames"][0]["size"] = (1u64 << 40).into()),
        ("overlapping frames", |index| {
            let frame = index["frames"][0].clone();
            index["frames"].as_array_mut().expect("a list").push(frame);
        }),
        ("a frame that unpacks to far too much", |index| index["frames"][0]["rawSize"] = (1u64 << 40).into()),
        ("an absurd size", |index| index["rawSize"] = u64::MAX.into()),
        ("no frames", |index| index["frames"] = json!([])),
        ("an artifact that is not there", |index| index["artifacts"][0]["name"] = "nobody".into()),
        ("two artifacts of one name", |index| index["artifacts"][1] = index["artifacts"][0].clone()),
        ("an artifact over the manifest", |index| {
            let mut image = index["artifacts"][0].clone();
            let recipe =
                format!(".pack/rebuild/{}.recipe", image["digest"].as_str().expect("text").replace("sha256:", ""));
            (image["name"], image["form"]) = ("manifest.json".into(), "rebuilt".into());
            index["entries"][1]["path"] = recipe.into();
            index["artifacts"] = json!([image]);
            index["run"] = json!(null);
        }),
        ("a layer of an absurd size", |index| {
            let digest = index["headerDigest"].clone();
            let layer = json!({ "diffId": digest, "size": u64::MAX });
            index["images"] = json!([{ "tags": [], "id": digest, "platform": "linux/amd64", "layers": [layer] }]);
        }),
        ("no manifest", |index| index["entries"][0]["path"] = "other.json".into()),
    ];
    for (what, change) in changes {
        let probe = probe();
        with_index(&probe.path, change);
        assert_eq!(refused(&probe.path).class(), Class::Integrity, "{what}");
    }
    let probe = probe();
    with_index(&probe.path, |_| ());
    assert!(check(&probe.path).is_ok(), "an index written again unchanged is right");
}

#[test]
fn a_manifest_of_another_version_never_slips_in() {
    let probe = probe();
    with_index(&probe.path, |index| index["version"] = "2.0.0".into());
    let bundle = Bundle::open(&probe.path).expect("the index agrees with itself");
    assert_eq!(bundle.manifest().expect_err("refused").class(), Class::Integrity);
}

#[test]
fn another_content_under_true_digests_is_no_damage_and_never_comes_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    let with = |seed| [file("run.sh", "script", "exit\n"), file("noise", "file", noise(seed, 5_000))];
    forged_bundle(&path, &with(1), &with(1));
    prove(&Bundle::open(&path).expect("opened"), Scope::Everything, &Silent).expect("the true content is proven");
    forged_bundle(&path, &with(1), &with(2));
    assert!(check(&path).is_ok(), "nothing is damaged: whoever made this knew the format");
    let bundle = Bundle::open(&path).expect("opened");
    let error = prove(&bundle, Scope::Everything, &Silent).expect_err("refused");
    assert_eq!((error.class(), error.fact_named("file")), (Class::Integrity, Some("noise")));
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let access = BundleAccess::unproved(&bundle).expect("index and manifest agree");
    let error = extract(&access, |_| true, &out, &Silent).expect_err("refused");
    assert_eq!(error.class(), Class::Integrity);
    assert!(!out.join("noise").exists() && out.join("run.sh").exists());
}

#[test]
fn what_a_reader_must_know_and_does_not_is_named() {
    let probe = probe();
    with_index(&probe.path, |index| {
        index["requires"] = json!(["teleport"]);
        index["frames"] = json!("of another kind");
    });
    let error = refused(&probe.path);
    assert_eq!(error.fact_named("requires"), Some("teleport"));
    with_index(&probe.path, |index| index["requires"] = json!([]));
    assert_eq!(refused(&probe.path).class(), Class::Integrity);
}

#[test]
fn bytes_between_the_frames_and_the_index_are_found() {
    let probe = probe();
    for gap in [1, 8, 4_000] {
        fs::write(&probe.path, with_gap(&probe.bytes, gap)).expect("written");
        let error = refused(&probe.path);
        assert_eq!(error.class(), Class::Integrity);
        assert!(error.fact_named("reason").is_some_and(|why| why.contains("the frames end at")), "{error}");
    }
}

#[test]
fn an_index_of_another_content_than_the_manifest_pins_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    let with = |kind, name, seed| [file("run.sh", "script", "exit\n"), file(name, kind, noise(seed, 500))];
    for (what, other) in [
        ("content", with("file", "noise", 2)),
        ("size", [file("run.sh", "script", "exit\n"), file("noise", "file", noise(1, 400))]),
        ("name", with("file", "other", 1)),
    ] {
        unbound_bundle(&path, &with("file", "noise", 1), &other);
        let error = Bundle::open(&path).expect("the index agrees with itself").manifest().expect_err(what);
        assert_eq!((error.class(), error.fact_named("differs")), (Class::Integrity, Some("an artifact")), "{what}");
    }
    unbound_bundle(&path, &with("file", "noise", 1), &with("file", "noise", 1)[..1]);
    assert_eq!(Bundle::open(&path).expect("opened").manifest().expect_err("one less").class(), Class::Integrity);
    small_bundle(&path, b"#!/bin/sh\n# pack bundle\n", &with("file", "noise", 1));
    with_index(&path, |index| index["artifacts"][1]["kind"] = "unit".into());
    assert_eq!(Bundle::open(&path).expect("opened").manifest().expect_err("another kind").class(), Class::Integrity);
    small_bundle(&path, b"#!/bin/sh\n# pack bundle\n", &with("file", "noise", 1));
    with_index(&path, |index| drop(index.as_object_mut().expect("an object").remove("run")));
    let error = Bundle::open(&path).expect("opened").manifest().expect_err("nothing is run");
    assert_eq!((error.class(), error.fact_named("differs")), (Class::Integrity, Some("what is run")));
}

#[test]
fn a_frame_as_large_as_the_limit_is_read_and_a_larger_one_is_not() {
    let probe = probe();
    let limit = Limits::DEFAULT.frame_bytes as usize;
    for (size, is_read) in [(limit, true), (limit + 1, false)] {
        let bytes = with_stream(&probe.bytes, |stream| stream.resize(size, 0));
        fs::write(&probe.path, bytes).expect("written");
        assert_eq!(Bundle::open(&probe.path).is_ok(), is_read, "{size} bytes");
    }
}

#[test]
fn images_as_many_as_the_limit_are_read_and_more_are_not() {
    let image = |number: usize| {
        let id = pack::digest::Digest::of(&number.to_le_bytes());
        json!({ "tags": [], "id": id, "platform": "linux/amd64", "layers": [] })
    };
    let one = image(0).to_string().len() + 1;
    let limit = Limits::DEFAULT.index_list_bytes;
    for (count, is_read) in [(limit / one - 1, true), (limit / one + 1, false)] {
        let probe = probe();
        with_index(&probe.path, |index| {
            let images: Vec<_> = (0..count).map(image).collect();
            // Each look-up must take the same time, however many there are.
            index["artifacts"][0]["images"] = images.iter().map(|image| image["id"].clone()).take(50_000).collect();
            index["images"] = images.into();
        });
        let started = std::time::Instant::now();
        let opened = Bundle::open(&probe.path);
        assert_eq!(opened.is_ok(), is_read, "{count} images: {opened:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
    }
}
