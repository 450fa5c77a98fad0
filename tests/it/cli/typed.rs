//! Words as people type them, files as editors save them, and what they are told.

use std::fs;

use crate::support::{expect, json_of_output, manifest, small_product};
use serde_json::json;

#[test]
fn a_manifest_that_is_none_is_told_what_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let mut short = manifest("1.0.0", &[]);
    short["version"] = json!("1.0");
    short["artifacts"] = json!([{ "name": "a", "kind": "file", "urls": ["a"] }]);
    for (text, said) in [
        (short.to_string(), "reason: version: "),
        (format!("\u{feff}{short}"), "byte order mark"),
        ("<!DOCTYPE html><html>Sign in</html>".to_owned(), "a web page"),
        ("\n".to_owned(), "it is empty"),
    ] {
        fs::write(folder.join("manifest.json"), text).expect("written");
        let (_, err) = expect(1, folder, &["lock"]);
        assert!(err.contains(said), "{said}: {err}");
        assert!(!err.contains("expected value"), "{err}");
    }
}

#[test]
fn quantities_and_platforms_are_understood_as_people_say_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    small_product(folder);
    expect(0, folder, &["cache", "prune", "--keep-bytes", "5G"]);
    let (_, err) = expect(2, folder, &["cache", "prune", "--keep-bytes", "5 GB"]);
    assert!(err.contains("500M or 5G"), "{err}");
    for platform in ["amd64", "x86_64", "linux/amd64"] {
        let checked = json_of_output(&expect(0, folder, &["verify", "--platform", platform, "--json"]).0);
        assert_eq!(checked["platform"], "linux/amd64");
    }
    let (_, err) = expect(2, folder, &["verify", "--platform", "vax"]);
    assert!(err.contains("linux/amd64"), "{err}");
}

#[test]
fn json_is_inert_and_even_the_version_is_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    small_product(folder);
    for words in [["--json", "--version"], ["--version", "--json"]] {
        assert_eq!(json_of_output(&expect(0, folder, &words).0)["version"], env!("CARGO_PKG_VERSION"));
    }
    assert!(expect(0, folder, &["--version"]).0.starts_with("pack "));
    let bundle = "a\u{9b}2J\u{202e}b.run";
    expect(0, folder, &["bundle", "-o", bundle]);
    let (out, _) = expect(0, folder, &["inspect", "--json", bundle]);
    assert_eq!(json_of_output(&out)["bundle"], bundle);
    assert!(!out.contains(['\u{9b}', '\u{202e}']) && out.contains("\\u009b2J\\u202e"), "{out}");
}

#[test]
fn a_word_that_is_no_file_is_told_as_a_path_unless_it_may_be_a_url() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, err) = expect(1, folder.path(), &["download", "nobody.json"]);
    assert!(err.contains("cannot find the manifest") && err.contains("nobody.json"), "{err}");
    for word in ["ada:secret@host", "ftp://ada:secret@host/manifest.json"] {
        let (_, err) = expect(2, folder.path(), &["download", word]);
        assert!(err.contains("a manifest cannot be had from there") && !err.contains("secret"), "{err}");
    }
    let (_, err) = expect(2, folder.path(), &["lock", "https://host.example/manifest.json"]);
    assert!(err.contains("a URL is no place to write to"), "{err}");
    // A name may have that sign.
    fs::write(folder.path().join("me@home.json"), "{}").expect("written");
    assert!(expect(1, folder.path(), &["download", "me@home.json"]).1.contains("me@home.json"));
}
