//! `pack lock --set-version` and `--update=NAME`: a new version, and one artifact alone.

use std::fs;
use std::path::Path;

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{expect, json_of_output, noise};
use pack::digest::Digest;
use serde_json::Value;

/// What the server has under a path, in its `state`: `None` where there is nothing.
fn content(state: u64, path: &str) -> Option<Vec<u8>> {
    match path {
        "/1.0.0/app.tgz" => Some(noise(10, 9_000)),
        "/1.1.0/app.tgz" => Some(noise(11, 9_000)),
        "/tool-1.0.0.tgz" => Some(noise(20, 5_000)),
        "/data" => Some(noise(30 + state, 5_000)),
        _ => None,
    }
}

fn in_state(state: u64) -> impl FnMut(&Request) -> Reply + Send {
    move |request| content(state, &request.path).map_or(Reply::new(404, ""), |bytes| Reply::file(request, &bytes))
}

/// A server, and a manifest of what it has, pinned.
fn locked(folder: &Path) -> (Server, String) {
    let server = serve(in_state(0));
    let base = server.url("").to_string();
    let text = format!(
        "{{\n  \"schemaVersion\": 1, \"name\": \"probe\",\n  \"version\": \"1.0.0\", \"artifacts\": [\n    \
         {{ \"name\": \"app.tgz\", \"kind\": \"file\", \"urls\": [\"{base}${{version}}/app.tgz\"] }},\n    \
         {{ \"name\": \"tool.tgz\", \"kind\": \"file\", \"urls\": [\"{base}tool-1.0.0.tgz\"] }},\n    \
         {{ \"name\": \"data\", \"kind\": \"file\", \"urls\": [\"{base}data\"] }}\n  ]\n}}\n"
    );
    fs::write(folder.join("manifest.json"), text).expect("written");
    expect(0, folder, &["lock"]);
    (server, text_of(folder))
}

fn text_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("manifest.json")).expect("read")
}

fn digest(state: u64, path: &str) -> String {
    Digest::of(&content(state, path).expect("there")).to_string()
}

#[test]
fn a_new_version_pins_again_what_has_another_url_with_it_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, before) = locked(folder.path());
    server.now(in_state(1));
    let asked = server.requests().len();
    let (out, err) = expect(0, folder.path(), &["lock", "--json", "--set-version", "1.1.0"]);
    let report: Value = json_of_output(&out);
    assert_eq!((&report["version"], &report["changed"]), (&"1.1.0".into(), &true.into()), "{out}");
    let expected = before
        .replace("\"version\": \"1.0.0\"", "\"version\": \"1.1.0\"")
        .replace(&digest(0, "/1.0.0/app.tgz"), &digest(0, "/1.1.0/app.tgz"));
    assert_eq!(text_of(folder.path()), expected);
    assert!(server.requests()[asked..].iter().all(|request| request.path == "/1.1.0/app.tgz"), "others were asked");
    assert!(err.contains("tool.tgz: its URL has 1.0.0 in it") && !err.contains("data: its"), "{err}");
    let (out, _) = expect(0, folder.path(), &["lock", "--set-version", "1.1.0"]);
    assert!(out.contains("pinned already"), "{out}");
    assert_eq!(text_of(folder.path()), expected);
}

#[test]
fn a_version_that_cannot_be_had_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_server, before) = locked(folder.path());
    let (_, err) = expect(1, folder.path(), &["lock", "--set-version", "1.2.0"]);
    assert!(err.contains("404") && err.contains("manifest.json: nothing was written"), "{err}");
    assert_eq!(text_of(folder.path()), before);
    expect(2, folder.path(), &["lock", "--set-version", "new"]);
    // Without an artifact that depends on it there is nothing to fetch.
    fs::write(folder.path().join("manifest.json"), before.replace("${version}", "1.0.0")).expect("written");
    let (out, _) = expect(0, folder.path(), &["lock", "--set-version", "1.2.0"]);
    assert!(out.contains("version 1.2.0"), "{out}");
    assert!(text_of(folder.path()).contains("\"version\": \"1.2.0\""));
}

#[test]
fn only_what_is_named_is_pinned_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, before) = locked(folder.path());
    server.now(in_state(1));
    expect(0, folder.path(), &["lock", "--update=app.tgz", "--update=tool.tgz"]);
    assert_eq!(text_of(folder.path()), before, "they are as they were");
    expect(0, folder.path(), &["lock", "--update=data"]);
    assert_eq!(text_of(folder.path()), before.replace(&digest(0, "/data"), &digest(1, "/data")));
    let (_, err) = expect(2, folder.path(), &["lock", "--update=app.tar"]);
    assert!(err.contains("no artifact 'app.tar'") && err.contains("pack download --list manifest.json"), "{err}");
    // Without a name everything is.
    server.now(in_state(2));
    expect(0, folder.path(), &["lock", "--update", "manifest.json"]);
    assert_eq!(text_of(folder.path()), before.replace(&digest(0, "/data"), &digest(2, "/data")));
}
