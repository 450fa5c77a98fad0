//! What is just within a limit goes into a bundle and comes back, and what is just beyond it is told.

use std::fs::{self, File};
use std::path::Path;

use crate::support::facts::Facts;
use crate::support::{BUNDLE, PACK_SITE, expect, file, manifest, small_product, write_product};
use pack::bundle::{Runtime, header};
use pack::manifest::{Limits, Manifest};
use pack::platform::Platform;
use pack::product::Product;
use pack::signature;

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
fn a_stack_file_and_a_product_description_may_be_as_large_as_they_can_be_on_site() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = |kind: &'static str, content: &str, size: u64| {
        let mut content = content.as_bytes().to_vec();
        content.resize(size as usize, b' ');
        let files = [file("run.sh", "script", "#!/bin/sh\n"), file("x.yaml", kind, content)];
        write_product(folder.path(), "1.0.0", &files);
        expect(1, folder.path(), &["bundle"]).1
    };
    let stack = "services: { a: { image: 'x:1' } }";
    for (kind, content, limit, read) in [
        ("stack", stack, pack::stack::LARGEST, "asks for an image that is not packed"),
        ("product", "{}", Product::LARGEST, "the product description is not valid"),
    ] {
        let err = told(kind, content, limit);
        assert!(err.contains(read), "{kind}: {err}");
        let err = told(kind, content, limit + 1);
        assert!(err.contains("this file is larger than it can be"), "{kind}: {err}");
    }
}

#[test]
fn a_signature_may_be_as_large_as_the_limit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    small_product(here);
    expect(0, here, &["keygen", "-q", "--no-password", "key"]);
    expect(0, here, &["sign", "-q", "--key", "key.key", "probe-portable/manifest.json"]);
    let signature = here.join("probe-portable/manifest.json.minisig");
    let mut text = fs::read(&signature).expect("signed");
    for (size, is_taken) in [(signature::LIMIT, true), (signature::LIMIT + 1, false)] {
        text.resize(size as usize, b'\n');
        fs::write(&signature, &text).expect("written");
        let (_, err) = expect(if is_taken { 0 } else { 1 }, here, &["bundle", "--pubkey", "key.pub"]);
        assert_eq!(err.contains("larger than it can be"), !is_taken, "{err}");
        expect(0, here, &["verify", "--pubkey", "key.pub", BUNDLE]);
    }
    let mut key = fs::read(here.join("key.pub")).expect("a key");
    for (size, code) in [(signature::LIMIT, 0), (signature::LIMIT + 1, 2)] {
        key.resize(size as usize, b'\n');
        fs::write(here.join("padded.pub"), &key).expect("written");
        expect(code, here, &["verify", "--pubkey", "padded.pub", BUNDLE]);
    }
}

#[test]
fn a_runtime_beyond_the_limit_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_product(folder.path());
    let large = File::create(folder.path().join("large")).expect("a file");
    large.set_len(Limits::DEFAULT.runtime_bytes + 1).expect("a file of holes");
    let (_, err) = expect(1, folder.path(), &["bundle", "--runtime", "large"]);
    assert!(err.contains("it is larger than") && err.contains("with --runtime"), "{err}");
    large.set_len(Limits::DEFAULT.runtime_bytes).expect("a file of holes");
    let (_, err) = expect(1, folder.path(), &["bundle", "--runtime", "large"]);
    assert!(err.contains("it is not an ELF executable"), "read to its end: {err}");
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
