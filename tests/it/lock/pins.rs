//! `pack lock` believes a server's first answer: so not any answer, and not at the cost of what is right.

use std::fs;
use std::path::Path;

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{expect, noise};
use pack::digest::Digest;
use serde_json::{Value, json};

const SIZE: usize = 50_000;

/// Serves `noise(1)` under every name, spoilt in the way the name says.
fn web() -> Server {
    serve(|request: &Request| {
        let reply = Reply::file(request, &noise(1, SIZE));
        match request.path.trim_start_matches('/') {
            "coded" => Reply::whole(&noise(2, SIZE)).header("Content-Encoding", "gzip"),
            "identity" => reply.header("Content-Encoding", "identity"),
            "login" => Reply::whole(b"<html>who are you?</html>").header("Content-Type", "Text/HTML; charset=utf-8"),
            "prepared" => Reply::new(201, "{}"),
            "gone" => Reply::new(404, ""),
            _ => reply,
        }
    })
}

/// Writes a manifest with one unpinned artifact for each name and its URLs.
fn write(folder: &Path, server: &Server, artifacts: &[(&str, &str, &[&str])]) {
    let artifacts: Vec<Value> = artifacts
        .iter()
        .map(|(name, kind, urls)| {
            let urls: Vec<String> = urls.iter().map(|url| server.url(url).to_string()).collect();
            json!({ "name": name, "kind": kind, "urls": urls })
        })
        .collect();
    let manifest = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": artifacts });
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("written");
}

fn digests(folder: &Path) -> Vec<Value> {
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).expect("read")).expect("JSON");
    manifest["artifacts"].as_array().expect("a list").iter().map(|artifact| artifact["digest"].clone()).collect()
}

#[test]
fn what_is_not_the_file_is_not_pinned_and_the_next_url_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = web();
    for (url, why) in [
        ("coded", "content-encoding: gzip"),
        ("login", "a web page in place of the file"),
        ("prepared", "status: 201 Created"),
    ] {
        for kind in ["file", "script", "image", "engine"] {
            write(folder.path(), &server, &[("data", kind, &[url])]);
            let (_, err) = expect(1, folder.path(), &["lock"]);
            assert!(err.contains(why) && err.contains("hint:"), "{err}");
            assert_eq!(digests(folder.path()), [Value::Null]);
        }
    }
    write(folder.path(), &server, &[("data", "file", &["coded", "login", "data"]), ("same", "file", &["identity"])]);
    expect(0, folder.path(), &["lock"]);
    assert_eq!(digests(folder.path()), vec![json!(Digest::of(&noise(1, SIZE))); 2]);
    // A page is what an artifact called one should be.
    write(folder.path(), &server, &[("docs/Index.HTML", "file", &["login"])]);
    expect(0, folder.path(), &["lock"]);
    assert_eq!(digests(folder.path()), [json!(Digest::of(b"<html>who are you?</html>"))]);
}

#[test]
fn one_failure_costs_the_other_pins_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = web();
    write(folder.path(), &server, &[("one", "file", &["gone"]), ("two", "file", &["two"]), ("three", "file", &["x"])]);
    let (_, err) = expect(1, folder.path(), &["lock"]);
    assert!(err.contains("404") && err.contains("artifact: one") && err.contains("all the same: two, three"), "{err}");
    let right = json!(Digest::of(&noise(1, SIZE)));
    assert_eq!(digests(folder.path()), [Value::Null, right.clone(), right.clone()]);
    server.now(|request| Reply::file(request, &noise(1, SIZE)));
    let asked = server.requests().len();
    expect(0, folder.path(), &["lock"]);
    assert_eq!(digests(folder.path()), vec![right; 3]);
    assert_eq!(server.requests().len(), asked + 1, "what was pinned is not asked for again");
}

#[test]
fn a_manifest_that_was_edited_meanwhile_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("manifest.json");
    let edited = path.clone();
    let server = serve(move |request| {
        let text = fs::read_to_string(&edited).expect("read");
        fs::write(&edited, text.replace("1.0.0", "1.0.1")).expect("written");
        Reply::file(request, &noise(1, SIZE))
    });
    write(folder.path(), &server, &[("data", "file", &["data"])]);
    let (_, err) = expect(1, folder.path(), &["lock"]);
    assert!(err.contains("has changed while") && err.contains("pack lock"), "{err}");
    assert!(fs::read_to_string(&path).expect("read").contains("1.0.1"));
    assert_eq!(digests(folder.path()), [Value::Null]);
    expect(0, folder.path(), &["lock"]);
    assert_eq!(digests(folder.path()), [json!(Digest::of(&noise(1, SIZE)))]);
}
