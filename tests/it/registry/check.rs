//! `pack lock --check`: whether everything is pinned, and still what the servers have.

use std::fs;
use std::path::Path;

use super::archive::web;
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::images::{image, layer};
use crate::support::registry::{Documents, Packer, described, index, pack_without_logins};
use crate::support::{expect, json_of_output, noise, texts};
use pack::digest::Digest;
use serde_json::{Value, json};

/// A registry that is a web server too.
fn server(documents: Documents, file: Vec<u8>) -> impl FnMut(&Request) -> Reply + Send {
    move |request| if request.path == "/file" { Reply::file(request, &file) } else { documents.found(request) }
}

fn write(folder: &Path, server: &Server) {
    let manifest = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": [
        { "name": "web.tar", "kind": "image", "platform": "linux/amd64",
          "urls": [format!("oci://{}/shop/web:1", server.address())] },
        { "name": "file", "kind": "file", "urls": [server.url("file").as_str()] },
    ] });
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("written");
}

fn check(code: i32, folder: &Path) -> Value {
    let output =
        pack_without_logins(folder, &["lock", "--check", "--json", "--retries", "0"]).output().expect("pack runs");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    json_of_output(&out)
}

fn states(document: &Value) -> Vec<&str> {
    document["artifacts"].as_array().expect("a list").iter().filter_map(|row| row["state"].as_str()).collect()
}

#[test]
fn what_is_not_pinned_or_has_moved_is_listed_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain: Packer = |layer| layer.to_vec();
    let web_server = serve(server(Documents::of(&web(), plain), noise(1, 5_000)));
    write(folder.path(), &web_server);
    assert_eq!(states(&check(3, folder.path())), ["unpinned", "unpinned"]);
    expect(0, folder.path(), &["lock"]);
    let text = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    let asked = web_server.requests().len();
    let good = check(0, folder.path());
    assert_eq!((states(&good), &good["ok"]), (vec!["ok", "ok"], &json!(true)));
    let paths: Vec<String> = web_server.requests()[asked..].iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths.len(), 2, "the tag and the file, and no blob: {paths:?}");
    // Both move.
    web_server.now(server(Documents::of(&image("web:1", vec![layer(8, 99)]), plain), noise(2, 5_000)));
    let moved = check(3, folder.path());
    assert_eq!(states(&moved), ["moved", "moved"]);
    assert!(moved["artifacts"][0]["pinned"] != moved["artifacts"][0]["found"], "{moved}");
    assert_eq!(moved["artifacts"][1]["found"], json!(Digest::of(&noise(2, 5_000))));
    let (out, err) = expect(3, folder.path(), &["lock", "--check"]);
    assert!(out.contains("moved") && err.contains("pack lock --update manifest.json"), "{out}{err}");
    assert_eq!(fs::read_to_string(folder.path().join("manifest.json")).expect("read"), text);
    // What nobody can be asked about is a failure of its own.
    web_server.now(|_| Reply::new(404, ""));
    let output = pack_without_logins(folder.path(), &["lock", "--check"]).output().expect("pack runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(check(1, folder.path())["error"].as_str().is_some_and(|title| title.contains("404")));
}

#[test]
fn a_tag_that_is_pinned_by_its_index_has_not_moved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut documents = Documents::default();
    let manifest = documents.push(&web(), |layer| layer.to_vec());
    let index = index(&[described(&manifest, "amd64", "")]);
    for name in ["1", &Digest::of(&index).to_string()] {
        documents.name(name, &index);
    }
    let web_server = serve(server(documents, noise(1, 5_000)));
    write(folder.path(), &web_server);
    let text = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    let by_index = text.replace("web:1", &format!("web:1@{}", Digest::of(&index)));
    fs::write(folder.path().join("manifest.json"), &by_index).expect("written");
    expect(0, folder.path(), &["lock"]);
    check(0, folder.path());
}

/// What is said of each source: its state, what was compared, and the URL's path.
fn rows(document: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let url = row["url"].as_str().unwrap_or_default();
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        format!("{} {} {path}", row["state"].as_str().unwrap_or_default(), row["compared"].as_str().unwrap_or("-"))
    };
    document["artifacts"].as_array().expect("a list").iter().map(row).collect()
}

/// Each source of an image and of a file, of two servers each.
fn write_with_mirrors(folder: &Path, server: &Server) {
    let base = server.url("").to_string();
    let manifest = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": [
        { "name": "web.tar", "kind": "image", "platform": "linux/amd64",
          "urls": [format!("oci://{}/shop/web:1", server.address()), format!("{base}web.tar")] },
        { "name": "file", "kind": "file", "urls": [format!("{base}file"), format!("{base}mirror/file")] },
    ] });
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("written");
}

#[test]
fn every_source_of_an_artifact_is_asked_and_each_that_moved_or_failed_has_a_row() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = || Documents::of(&web(), |layer| layer.to_vec());
    let web_server = serve(server(documents(), noise(1, 5_000)));
    write(folder.path(), &web_server);
    expect(0, folder.path(), &["lock"]);
    expect(0, folder.path(), &["download", "manifest.json"]);
    let archive = fs::read(folder.path().join("probe-portable/web.tar")).expect("read");
    write_with_mirrors(folder.path(), &web_server);
    let now = |web: Vec<u8>, file: Vec<u8>, mirror: Option<Vec<u8>>| {
        let documents = documents();
        move |request: &Request| match (&request.path[..], &mirror) {
            ("/web.tar", _) => Reply::file(request, &web),
            ("/file", _) => Reply::file(request, &file),
            ("/mirror/file", Some(mirror)) => Reply::file(request, mirror),
            ("/mirror/file", None) => Reply::new(503, ""),
            _ => documents.found(request),
        }
    };
    let good = noise(1, 5_000);
    web_server.now(now(archive.clone(), good.clone(), Some(good.clone())));
    expect(0, folder.path(), &["lock"]);
    let text = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    assert_eq!(
        rows(&check(0, folder.path())),
        ["ok manifest shop/web:1", "ok content web.tar", "ok content file", "ok content mirror/file"]
    );
    // Of another size, of the same size, and not to be had.
    let sent = web_server.sent();
    web_server.now(now(noise(3, 24_000_000), noise(2, 5_000), None));
    let moved = check(3, folder.path());
    assert_eq!(
        rows(&moved),
        ["ok manifest shop/web:1", "moved size web.tar", "moved content file", "failed - mirror/file"]
    );
    assert_eq!(
        (&moved["artifacts"][1]["foundSize"], &moved["artifacts"][1]["found"]),
        (&json!(24_000_000), &Value::Null)
    );
    assert_eq!(moved["artifacts"][2]["found"], json!(Digest::of(&noise(2, 5_000))));
    assert!(moved["artifacts"][3]["error"].as_str().is_some_and(|why| why.contains("503")), "{moved}");
    assert!(web_server.sent() - sent < 24_000_000, "of what has another size only the beginning is sent");
    let words = ["lock", "--check", "--retries", "0"];
    let (out, err) = expect(3, folder.path(), &words);
    for said in ["24000000 bytes", "mirror/file", "failed", "moved"] {
        assert!(out.contains(said), "{said}: {out}");
    }
    assert!(err.contains("2 of 4") && err.contains("also failed: file: ") && !out.contains("ok"), "{out}{err}");
    // What could not be asked is no move.
    web_server.now(now(archive, good, None));
    let (out, err) = expect(1, folder.path(), &words);
    assert!(out.contains("failed") && out.contains("mirror/file") && !out.contains("moved"), "{out}");
    assert!(err.contains("503") && err.contains("mirror/file") && err.contains("hint: "), "{err}");
    assert_eq!(fs::read_to_string(folder.path().join("manifest.json")).expect("read"), text);
}
