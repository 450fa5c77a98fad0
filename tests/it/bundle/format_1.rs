//! Two bundles of format 1 as a `pack` of its time made them, checked in: every later one reads them as they were.
//!
//! `tests/it/fixtures/README.md` tells what is in them. They are never made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pack::digest::Digest;
use serde_json::Value;

use crate::support::{expect, texts, top, tree};

const WHOLE: &str = "format-1.bundle";
const WITHOUT_ORIGINALS: &str = "format-1-without-originals.bundle";

/// Path, permission bits and SHA-256 of every file that comes out of [`WHOLE`].
const FILES: [(&str, u32, &str); 9] = [
    ("conf/app.yaml", 0o644, "473bf07b0dbaa88a2f5bff29b9a2ff5efc95aa7d642bc83adab2086643289838"),
    ("empty", 0o644, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("engine.tgz", 0o644, "de67bacd164594455bbef7cd84131c672838718e666a1116b4b9587e86370399"),
    ("manifest.json", 0o644, "3e926f48ede55c95308b12d009412435717548f9295ca85cd21b272020e1f1d4"),
    ("manifest.json.minisig", 0o644, "a71093b10ed825c40e41b4508b7c5521fd9b0ed6f6c41d35d919f3c25f05fc5e"),
    ("one.tar.gz", 0o644, "65d1eed498589c6cca8886c208d6e86f00ea55d3a42a0890026858e4da541fde"),
    ("run.sh", 0o755, "6164b34625c798d8e12758f8d7ecd4e9f7e1338c7e9488b9bcec442758a233ae"),
    ("two.tar", 0o644, "5c8320409f3273a385d8865eb343c50f1340f37659f77cf90c3d3a7d907026b3"),
    ("two.tar.zst", 0o644, "f37aa98ecc9b8ffea4eacaed8fc2f32d42a5d00060ee4e80c114e3ea66f80af0"),
];
/// The archives that [`WITHOUT_ORIGINALS`] makes of its images.
const EXPORTED: [(&str, u32, &str); 3] = [
    ("one.tar.gz", 0o644, "7cad87a7da6fc9ddba29719f7907e3465f8842b85cb458d469386317ba8e7dbc"),
    ("two.tar", 0o644, "c188f2a807557bcb2c441acaf839056e0246b8da76768fdadf32785522552b5b"),
    ("two.tar.zst", 0o644, "c188f2a807557bcb2c441acaf839056e0246b8da76768fdadf32785522552b5b"),
];

fn fixtures() -> PathBuf {
    top().join("tests/it/fixtures")
}

/// The files below `folder` as [`FILES`] has them.
fn listed(folder: &Path) -> Vec<(String, u32, String)> {
    let files = tree(folder).into_iter();
    files.map(|(path, mode, content)| (path.display().to_string(), mode, Digest::of(&content).hex())).collect()
}

fn expected(files: &[(&str, u32, &str)]) -> Vec<(String, u32, String)> {
    files.iter().map(|(path, mode, digest)| ((*path).to_owned(), *mode, (*digest).to_owned())).collect()
}

/// Fails unless everything in `old` is in `new`: objects may have got more keys, and nothing else.
fn assert_within(old: &Value, new: &Value, at: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                assert_within(value, new.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"));
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter()
                .zip(new)
                .enumerate()
                .for_each(|(place, (old, new))| assert_within(old, new, &format!("{at}/{place}")));
        }
        _ => assert_eq!(old, new, "{at}"),
    }
}

#[test]
fn they_are_the_bytes_that_were_checked_in() {
    for (name, digest) in [
        (WHOLE, "df93fba7944f2a2d6e07b5f3050ec34d6bb54bef33cc46ba2241f59b61f25e74"),
        (WITHOUT_ORIGINALS, "3adf83a0ea81bf0894dd708b97e69a33f7e14afdc63fa668d23c83e0458bb742"),
    ] {
        assert_eq!(Digest::of(&fs::read(fixtures().join(name)).expect("read")).hex(), digest, "{name}");
    }
}

#[test]
fn every_byte_is_verified_and_comes_out_as_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bundle = fixtures().join(WHOLE).display().to_string();
    expect(0, folder.path(), &["verify", &bundle]);
    let key = fixtures().join("format-1.pub").display().to_string();
    expect(0, folder.path(), &["verify", &bundle, "--pubkey", &key]);
    expect(0, folder.path(), &["extract", &bundle, "out"]);
    assert_eq!(listed(&folder.path().join("out")), expected(&FILES));
    expect(0, folder.path(), &["verify", "out", "--pubkey", &key]);
    for (path, ..) in FILES {
        let output = crate::support::run(folder.path(), &["cat", &bundle, path]);
        assert_eq!(output.stdout, fs::read(folder.path().join("out").join(path)).expect("extracted"), "{path}");
    }
}

#[test]
fn images_come_out_of_the_one_without_originals_as_the_same_archives() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bundle = fixtures().join(WITHOUT_ORIGINALS).display().to_string();
    expect(0, folder.path(), &["verify", &bundle]);
    expect(0, folder.path(), &["extract", &bundle, "out"]);
    let others = FILES.iter().filter(|(path, ..)| EXPORTED.iter().all(|(exported, ..)| exported != path));
    let mut files: Vec<_> = others.chain(&EXPORTED).copied().collect();
    files.sort_unstable();
    let mut found = listed(&folder.path().join("out"));
    found.sort_unstable();
    assert_eq!(found, expected(&files));
}

#[test]
fn they_are_described_as_they_were() {
    for name in [WHOLE, WITHOUT_ORIGINALS] {
        let (shown, _) = expect(0, &fixtures(), &["inspect", "--json", name]);
        let old = fs::read(fixtures().join(name).with_extension("json")).expect("read");
        let [old, new] = [&old[..], shown.as_bytes()].map(|text| serde_json::from_slice::<Value>(text).expect("JSON"));
        assert_within(&old, &new, name);
    }
}

#[test]
fn the_launcher_of_its_time_starts_the_runtime_of_its_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("sh").arg(fixtures().join(WHOLE)).env("TMPDIR", folder.path()).output().expect("sh runs");
    let (out, err) = texts(&output);
    assert_eq!((out.as_str(), output.status.code()), ("the runtime of format 1\n", Some(0)), "{err}");
    // It removes nothing, unlike a real one.
    let homes: Vec<_> =
        fs::read_dir(folder.path()).expect("listed").map(|home| home.expect("an entry").path()).collect();
    let [home] = &homes[..] else { panic!("{homes:?}") };
    assert_eq!(fs::metadata(home.join("pack")).expect("the runtime").len(), 177);
}
