//! Adding to a manifest: everything that is in it stays as it was, and what is there already is refused.

use std::fs;

use super::{done, listed, refused, write};
use crate::support::expect;

const TEXT: &str = "{\r\n\t\"version\": \"1.0.0\", \"schemaVersion\": 1,\r\n\t\"artifacts\": [\r\n\t\t{ \"kind\": \"image\", \"name\": \"r.tar\", \"platform\": \"linux/amd64\",\r\n\t\t  \"urls\": [\"oci://docker.io/redis:6\"] },\r\n\t\t{ \"kind\":\"file\", \"name\":\"a\", \"urls\":[\"a\"] }\r\n\t],\r\n\t\"name\": \"x\"\r\n}";

#[test]
fn order_and_text_stay_and_the_new_comes_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &[("release.json", TEXT), ("a", "1"), ("conf/b", "2")]);
    let words = ["add", "release.json", "conf", "mysql:8", "https://h.example/t.sh", "--platform", "amd64"];
    let document = done(folder.path(), &words);
    let text = fs::read_to_string(folder.path().join("release.json")).expect("read");
    let expected = TEXT.replace(
        "\"urls\":[\"a\"] }",
        "\"urls\":[\"a\"] },\r\n\t\t{ \"name\":\"conf/b\", \"kind\":\"file\", \"urls\":[\"conf/b\"] },\r\n\t\t{ \"name\":\"images/mysql-8.tar\", \"kind\":\"image\", \"platform\":\"linux/amd64\", \"urls\":[\"oci://docker.io/library/mysql:8\"] },\r\n\t\t{ \"name\":\"t.sh\", \"kind\":\"script\", \"urls\":[\"https://h.example/t.sh\"] }",
    );
    assert_eq!(text, expected);
    assert_eq!(document["added"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["next"][0], "pack lock release.json");
}

#[test]
fn what_is_there_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &[("manifest.json", TEXT), ("a", "1"), ("sub/A", "2"), ("new", "3"), ("c.json", "{}")]);
    for (sources, why) in [
        (&["new", "a"][..], "--update=a manifest.json"),
        (&["new", "sub/../a"], "name: a"),
        (&["redis:6"], "name: r.tar (linux/amd64)"),
        (&["oci://docker.io/library/redis:6"], "name: r.tar"),
    ] {
        let err = refused(1, folder.path(), &[&["add", "--platform", "amd64"], sources].concat());
        assert!(err.contains(why) && err.contains("already"), "{sources:?}: {err}");
    }
    let elsewhere = folder.path().join("sub");
    let err = refused(1, &elsewhere, &["add", "../manifest.json", "../new", "https://h.example/A"]);
    assert!(err.contains("name: a"), "also where only the case differs: {err}");
    assert!(refused(1, &elsewhere, &["add", "A"]).contains("pack init --manifest manifest.json A"));
    assert!(refused(2, folder.path(), &["add", "gone"]).contains("no such file"));
    write(folder.path(), &[("manifest.json.minisig", "untrusted comment: x\n")]);
    assert!(refused(1, folder.path(), &["add", "new"]).contains("rm manifest.json.minisig"));
    assert_eq!(fs::read_to_string(folder.path().join("manifest.json")).expect("read"), TEXT);
    fs::remove_file(folder.path().join("manifest.json.minisig")).expect("removed");
    // The same image for another platform is another artifact; a file in JSON is no manifest.
    expect(0, folder.path(), &["add", "--platform", "arm64", "redis:6"]);
    expect(0, folder.path(), &["add", "c.json", "new"]);
    expect(0, folder.path(), &["add", "--manifest", "manifest.json", "https://h.example/z"]);
    let expected = [
        "r.tar image linux/amd64 oci://docker.io/redis:6",
        "a file a",
        "images/redis-6.tar image linux/arm64 oci://docker.io/library/redis:6",
        "c.json file c.json",
        "new file new",
        "z file https://h.example/z",
    ];
    assert_eq!(listed(folder.path()), expected);
}

#[test]
fn an_image_of_a_stack_file_that_is_there_is_the_one_that_is_meant() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(
        folder.path(),
        &[("manifest.json", TEXT), ("s.yaml", "version: \"3\"\nservices: { a: { image: \"redis:6\" } }\n")],
    );
    let document = done(folder.path(), &["add", "--platform", "amd64", "s.yaml"]);
    assert_eq!(document["product"], "product.yaml");
    assert_eq!(listed(folder.path())[2..], ["product.yaml product product.yaml", "s.yaml stack s.yaml"]);
    // A manifest has one product.
    write(folder.path(), &[("t.yaml", "version: \"3\"\nservices: { a: { image: \"redis:6\" } }\n")]);
    let document = done(folder.path(), &["add", "--platform", "amd64", "t.yaml"]);
    assert_eq!((&document["product"], &document["added"][0]["kind"]), (&serde_json::Value::Null, &"stack".into()));
}
