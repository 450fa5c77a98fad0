//! What is just within a limit goes into a bundle and comes back, and what is just beyond it is told.

use std::fs::{self, File};
use std::path::Path;

use crate::support::facts::Facts;
use crate::support::{BUNDLE, PACK_SITE, expect, file, manifest, small_product};
use pack::bundle::{Runtime, header};
use pack::manifest::{Limits, Manifest};
use pack::platform::Platform;

#[test]
fn a_manifest_as_large_as_the_limit_is_packed_and_comes_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = small_product(folder.path()).join("manifest.json");
    let mut text = fs::read(&path).expect("read");
    text.resize(Limits::DEFAULT.manifest_bytes as usize, b' ');
    fs::write(&path, &text).expect("written");
    expect(0, folder.path(), &["bundle"]);
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    assert!(fs::read(folder.path().join("out/manifest.json")).expect("read") == text);
    text.push(b' ');
    fs::write(&path, &text).expect("written");
    assert!(expect(1, folder.path(), &["bundle"]).1.contains("the manifest is too large"));
}

#[test]
fn a_runtime_beyond_the_limit_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_product(folder.path());
    let large = File::create(folder.path().join("large")).expect("a file");
    large.set_len(Limits::DEFAULT.runtime_bytes + 1).expect("a file of holes");
    let (_, err) = expect(1, folder.path(), &["bundle", "--runtime", "large"]);
    assert!(err.contains("it is larger than") && err.contains("with --runtime"), "{err}");
}

#[test]
fn a_version_may_be_as_long_as_the_launcher_has_room_for() {
    const PLACE: usize = 8_192;
    let runtime = Runtime::from_file(Path::new(PACK_SITE), Platform::AMD64).expect("a runtime");
    let with = |length: usize| {
        let version = format!("1.0.0+{}", "x".repeat(length));
        let text = manifest(&version, &[file("data", "file", "")]).to_string();
        header(&Manifest::parse(text, "test").expect("valid"), Platform::AMD64, &runtime, 1)
    };
    let error = with(PLACE).expect_err("it does not fit");
    let actual = error.fact_named("actual").and_then(|size| size.split(' ').next()?.parse::<usize>().ok());
    let most = PLACE - (actual.expect("the size") - PLACE);
    let made = with(most).expect("it just fits");
    assert!(
        made[..PLACE].ends_with(b"\n") && !made[..PLACE].ends_with(b"#\n"),
        "nothing is cut off, nothing filled up"
    );
    with(most + 1).expect_err("one too many");
}
