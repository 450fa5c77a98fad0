//! `pack lock` and `pack download` as they are typed, against a real HTTP server.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{File, expect, file, json_of_output, manifest, noise, tree};
use serde_json::{Value, json};

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A web server that serves `files` by their names; what it serves can be changed.
fn web() -> (Server, Files) {
    let files = Files::default();
    let served = files.clone();
    let server = serve(move |request: &Request| {
        match served.lock().expect("not poisoned").get(request.path.trim_start_matches('/')) {
            Some(content) => Reply::file(request, content),
            None => Reply::new(404, "<html>not here</html>"),
        }
    });
    (server, files)
}

fn publish(files: &Files, version: &str, product: &[File]) {
    let mut files = files.lock().expect("not poisoned");
    for file in product {
        files.insert(file.name.to_owned(), file.content.clone());
    }
    files.insert("manifest.json".to_owned(), manifest(version, product).to_string().into_bytes());
}

fn product(seed: u64) -> Vec<File> {
    vec![
        file("run.sh", "script", "#!/bin/sh\necho ran \"$@\"\n"),
        file("same", "file", noise(1, 200_000)),
        file("data", "file", noise(seed, 300_000)),
    ]
}

fn json_of(folder: &Path, words: &[&str]) -> Value {
    let mut words = words.to_vec();
    words.push("--json");
    serde_json::from_str(&expect(0, folder, &words).0).expect("JSON")
}

#[test]
fn from_a_web_server_to_a_bundle_that_runs() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    let first = json_of(folder.path(), &["download", &url]);
    assert_eq!((&first["version"], &first["wireBytes"]), (&json!("1.0.0"), &json!(500_024)));
    expect(0, folder.path(), &["verify"]);
    let modes = tree(&folder.path().join("probe-portable")).into_iter().map(|(name, mode, _)| (name, mode));
    let right = [("data", 0o644), ("manifest.json", 0o644), ("run.sh", 0o755), ("same", 0o644)];
    assert!(modes.eq(right.map(|(name, mode)| (name.into(), mode))), "each has that of its kind");
    let asked = server.requests().len();
    let again = json_of(folder.path(), &["download", "probe-portable"]);
    assert_eq!(again["wireBytes"], 0);
    assert_eq!(server.requests().len(), asked, "with everything in place nothing is asked");
    expect(0, folder.path(), &["bundle", "--manifest", &url, "-o", "x.run"]);
    let output = std::process::Command::new("sh").args(["x.run", "hello"]).current_dir(folder.path()).output();
    assert_eq!(crate::support::texts(&output.expect("sh runs")).0, "ran hello\n");
}

#[test]
fn a_new_version_transfers_only_what_changed_and_removes_what_is_gone() {
    let (server, files) = web();
    let mut old = product(2);
    old.push(file("gone", "file", "only in the old version"));
    publish(&files, "1.0.0", &old);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    expect(0, folder.path(), &["download", &url]);
    fs::write(folder.path().join("probe-portable/mine"), "not pack's").expect("written");
    publish(&files, "1.0.1", &product(3));
    let (out, err) = expect(0, folder.path(), &["download", &url, "--json"]);
    assert!(err.contains("removed gone: version 1.0.1 does not have it"), "{err}");
    let update = json_of_output(&out);
    assert_eq!(update["wireBytes"], 300_000);
    let hows: Vec<_> = update["artifacts"].as_array().expect("a list").iter().map(|a| a["how"].clone()).collect();
    assert_eq!(hows, ["kept", "kept", "replaced"]);
    let names: Vec<_> = tree(&folder.path().join("probe-portable")).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["data", "manifest.json", "mine", "run.sh", "same"].map(Path::new));
    // Into another folder everything comes from the cache.
    let other = json_of(folder.path(), &["download", &url, "--dir", "other"]);
    assert_eq!(other["wireBytes"], 0);
    let uncached = json_of(folder.path(), &["download", &url, "--dir", "uncached", "--no-cache"]);
    assert_eq!(uncached["wireBytes"], 500_024);
}

#[test]
fn a_manifest_never_goes_back_nor_changes_under_its_version() {
    let (server, files) = web();
    publish(&files, "1.0.1", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    expect(0, folder.path(), &["download", &url]);
    let before = tree(&folder.path().join("probe-portable"));
    publish(&files, "1.0.0", &product(3));
    let (_, err) = expect(3, folder.path(), &["download", &url]);
    assert!(err.contains("older") && err.contains("offered: 1.0.0") && err.contains("'data' was sha256:"), "{err}");
    publish(&files, "1.0.1", &product(4));
    let (_, err) = expect(3, folder.path(), &["download", &url]);
    assert!(err.contains("the same version was published with other content"), "{err}");
    assert!(err.contains("differs: 'data' was sha256:") && err.contains(", now sha256:"), "{err}");
    let mut other: Value = manifest("2.0.0", &product(2));
    other["name"] = "other".into();
    files.lock().expect("not poisoned").insert("manifest.json".into(), other.to_string().into_bytes());
    let (_, err) = expect(3, folder.path(), &["download", &url, "--dir", "probe-portable"]);
    assert!(err.contains("another product"), "{err}");
    let (_, err) = expect(3, folder.path(), &["download", &url, "--dir", "probe-portable", "--allow-downgrade"]);
    assert!(err.contains("another product"), "an older version is one thing, another product another: {err}");
    assert_eq!(tree(&folder.path().join("probe-portable")), before, "nothing was touched");
    publish(&files, "1.0.0", &product(3));
    expect(0, folder.path(), &["download", &url, "--allow-downgrade"]);
    expect(0, folder.path(), &["verify"]);
    publish(&files, "0.9.0", &product(2));
    let bundle = ["bundle", "--manifest", &url, "-o", "x.run"];
    assert!(expect(3, folder.path(), &bundle).1.contains("--allow-downgrade"));
    expect(0, folder.path(), &[&bundle as &[&str], &["--allow-downgrade"]].concat());
    expect(2, folder.path(), &["bundle", "--allow-downgrade"]);
}

#[test]
fn a_folder_with_a_broken_manifest_says_what_to_remove() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    expect(0, folder.path(), &["download", &url]);
    let path = folder.path().join("probe-portable/manifest.json");
    for broken in [&b"{ \"schemaVersion\": 1, "[..], b"\xff"] {
        fs::write(&path, broken).expect("written");
        let asked = server.asked_for("/manifest.json");
        let (_, err) = expect(1, folder.path(), &["download", &url]);
        assert!(err.contains("hint:") && err.contains("remove probe-portable/manifest.json"), "{err}");
        assert_eq!(server.asked_for("/manifest.json"), asked + 1, "no other manifest would change that");
    }
    fs::remove_file(&path).expect("removed");
    assert_eq!(json_of(folder.path(), &["download", &url])["wireBytes"], 0, "as the hint says");
}

#[test]
fn a_file_where_the_folder_should_be_is_told_and_kept() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("probe-portable"), "mine").expect("written");
    let (_, err) = expect(1, folder.path(), &["download", server.url("manifest.json").as_str()]);
    assert!(err.contains("a part of that path is no folder") && err.contains("path: probe-portable/"), "{err}");
    assert_eq!(fs::read(folder.path().join("probe-portable")).expect("read"), b"mine");
}

#[test]
fn numbers_beyond_reason_are_refused_or_bounded() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    let (_, err) = expect(2, folder.path(), &["download", "ftp://ada:secret@host.example/manifest.json"]);
    assert!(err.contains("its scheme is ftp") && !err.contains("secret"), "{err}");
    for (option, value) in [("--jobs", "0"), ("--jobs", "65"), ("--connections", "100000"), ("--jobs", "many")] {
        let (_, err) = expect(2, folder.path(), &["download", &url, option, value]);
        assert!(err.contains("from 1 to 64"), "{err}");
    }
    assert!(expect(2, folder.path(), &["bundle", "--threads", "257"]).1.contains("from 1 to 256"));
    assert!(expect(1, folder.path(), &["bundle", "--threads", "256"]).1.contains("there is no folder to work on"));
    expect(0, folder.path(), &["download", &url, "--jobs", "64", "--stall", &u64::MAX.to_string()]);
}

#[test]
fn lock_pins_in_place_and_the_second_time_changes_nothing() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("manifest.json");
    let digest = pack::digest::Digest::of(&noise(1, 200_000));
    let text = format!(
        "{{ \"version\": \"1.0.0\",\n  \"name\": \"probe\",   \"schemaVersion\": 1,\n  \"artifacts\": [\n\t{{ \"kind\": \"file\", \"name\": \"data\",\n\t  \"urls\": [\"{}\"] }},\n\t{{ \"kind\": \"file\", \"name\": \"same\", \"urls\": [\"{}\"], \"digest\": \"{digest}\" }} ] }}",
        server.url("data"),
        server.url("same")
    );
    fs::write(&path, &text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
    let (_, err) = expect(1, folder.path(), &["download"]);
    assert!(err.contains("unpinned: data") && err.contains("pack lock"), "{err}");
    expect(0, folder.path(), &["lock"]);
    let locked = fs::read_to_string(&path).expect("read");
    let data = pack::digest::Digest::of(&noise(2, 300_000));
    let expected = text
        .replace("data\"] }", &format!("data\"],\n\t  \"size\": 300000,\n\t  \"digest\": \"{data}\" }}"))
        .replace(&format!("\"{digest}\" }}"), &format!("\"{digest}\", \"size\": 200000 }}"));
    assert_eq!(locked, expected);
    let asked = server.requests().len();
    let found = fs::metadata(&path).expect("there");
    assert_eq!(found.mode() & 0o777, 0o640);
    expect(0, folder.path(), &["lock"]);
    assert_eq!((fs::read_to_string(&path).expect("read"), server.requests().len()), (locked, asked));
    assert_eq!(fs::metadata(&path).expect("there").ino(), found.ino(), "it was not written again");
    let from_cache = json_of(folder.path(), &["download"]);
    assert_eq!(from_cache["wireBytes"], 0, "what lock fetched is in the cache");
    publish(&files, "1.0.0", &product(9));
    expect(0, folder.path(), &["lock", "--update"]);
    let updated = fs::read_to_string(&path).expect("read");
    assert!(updated.contains(&pack::digest::Digest::of(&noise(9, 300_000)).to_string()), "{updated}");
}

#[test]
fn lock_refuses_an_artifact_that_is_not_what_its_digest_says() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut manifest = manifest("1.0.0", &product(7));
    for artifact in manifest["artifacts"].as_array_mut().expect("a list") {
        let url = server.url(artifact["name"].as_str().expect("text"));
        artifact["urls"] = json!([url.as_str()]);
        artifact.as_object_mut().expect("an object").remove("size");
    }
    let path = folder.path().join("manifest.json");
    fs::write(&path, manifest.to_string()).expect("written");
    let (_, err) = expect(3, folder.path(), &["lock"]);
    assert!(err.contains("artifact: data") && err.contains("expected digest: sha256:"), "{err}");
    let after: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    assert_eq!(after["artifacts"][2], manifest["artifacts"][2], "what was pinned is as it was");
    assert_eq!(after["artifacts"][1]["size"], 200_000, "and the others are pinned");
}

#[test]
fn a_server_that_is_down_for_a_moment_is_told_while_the_manifest_is_waited_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = crate::support::manifest("1.0.0", &product(1)).to_string();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = serve(move |request: &Request| {
        match (request.path.as_str(), asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            (_, 0) => Reply::new(503, "later"),
            ("/manifest.json", _) => Reply::whole(manifest.as_bytes()),
            _ => Reply::new(404, ""),
        }
    });
    let (_, err) = expect(0, folder.path(), &["download", "--list", server.url("manifest.json").as_str()]);
    assert!(err.contains("manifest: ") && err.contains("503"), "{err}");
}

#[test]
fn a_list_says_what_to_fetch_by_hand() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (out, _) = expect(0, folder.path(), &["download", "--list"]);
    for word in ["mysql.tar.gz", "unpinned", "346f9394393ee8db", "https://", "portable/run-portable.sh"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0, "a list makes nothing");
    // A folder of that name is no manifest: the one built in is meant.
    fs::create_dir(folder.path().join("manifest.json")).expect("a folder");
    assert_eq!(expect(0, folder.path(), &["download", "--list"]).0, out);
    fs::remove_dir(folder.path().join("manifest.json")).expect("removed");
    let listed = json_of(folder.path(), &["download", "--list", "--platform", "linux/arm64"]);
    let names: Vec<_> = listed["artifacts"].as_array().expect("a list").iter().map(|a| a["name"].clone()).collect();
    // What is for every platform, and of the engines and images the one that is for this.
    let of_no_platform =
        ["run-portable.sh", "docker.service", "docker-stack.example.yaml", "product.yaml", "hooks/func.sh"];
    assert!(of_no_platform.iter().all(|name| names.iter().any(|listed| listed == name)), "{names:?}");
    let archives: Vec<_> = names.iter().filter_map(|name| name.as_str()).filter(|name| name.contains("gz")).collect();
    assert_eq!(archives, ["docker-18.06.3-ce.tgz", "docker-24.0.9.tgz"]);

    // A folder is of one platform: what is missing there is of that one too.
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let url = server.url("manifest.json").to_string();
    expect(0, folder.path(), &["download", &url, "--dir", "arm", "--platform", "linux/arm64"]);
    assert_eq!(json_of(folder.path(), &["download", &url, "--list", "--dir", "arm"])["platform"], "linux/arm64");

    // Relative URLs are of no use to a browser: they are told whole, but not with the password of the manifest's.
    let (whole, mirror) = (server.url("data"), "https://mirror.example/x/");
    let mut manifest = server.url("manifest.json");
    manifest.set_username("ada").expect("a user");
    manifest.set_password(Some("secret")).expect("a password");
    let listed = json_of(folder.path(), &["download", "--list", manifest.as_str(), "--mirror", mirror]);
    assert_eq!(listed["artifacts"][2]["urls"], json!([whole.as_str(), format!("{mirror}data")]));
    assert!(listed["manifest"]["url"].as_str().is_some_and(|url| url.contains("://…@")), "{listed}");
    let listed = json_of(folder.path(), &["download", "--list", manifest.as_str(), "--show-credentials"]);
    assert_eq!(listed["manifest"]["url"], manifest.as_str());

    // Lists end up in tickets and logs.
    let mut secret: Value = crate::support::manifest("1.0.0", &product(2));
    // Whole is whole: with a session's token a presigned URL has thousands of characters.
    let url = format!("https://ada:secret@host.example/data?X-Signature=secret{}&secret", "t".repeat(3_000));
    let url = url.as_str();
    secret["artifacts"][2]["urls"] = json!([url]);
    files.lock().expect("not poisoned").insert("manifest.json".into(), secret.to_string().into_bytes());
    for format in [&[][..], &["--json"]] {
        let manifest = server.url("manifest.json").to_string();
        let (out, err) = expect(0, folder.path(), &[&["download", "--list", &manifest], format].concat());
        assert!(out.contains("https://host.example/data?X-Signature=…") && !out.contains("secret"), "{out}");
        assert!(!err.contains("secret"), "{err}");
        // Whoever asks for them gets URLs that work as they are.
        let (out, _) =
            expect(0, folder.path(), &[&["download", "--list", "--show-credentials", &manifest], format].concat());
        assert!(out.contains(url), "{out}");
    }
    let (_, err) = expect(2, folder.path(), &["download", "--show-credentials"]);
    assert!(err.contains("--list"), "{err}");
}

#[test]
fn the_cache_lists_and_prunes() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    expect(0, folder.path(), &["download", server.url("manifest.json").as_str()]);
    let listed = json_of(folder.path(), &["cache"]);
    assert_eq!((listed["kept"].as_array().map(Vec::len), &listed["bytes"]), (Some(3), &json!(500_024)));
    // First, while there is something that it could throw away.
    assert_eq!(json_of(folder.path(), &["cache", "prune", "--older-than", "1"])["bytes"], 0);
    let pruned = json_of(folder.path(), &["cache", "prune", "--keep-bytes", "300000"]);
    let left = json_of(folder.path(), &["cache"]);
    assert!(left["bytes"].as_u64().is_some_and(|left| left > 0 && left <= 300_000), "{left}");
    assert_eq!(pruned["bytes"].as_u64().zip(left["bytes"].as_u64()).map(|(gone, left)| gone + left), Some(500_024));
    expect(0, folder.path(), &["cache", "prune"]);
    assert_eq!(json_of(folder.path(), &["cache"])["bytes"], 0);
}

#[test]
fn two_runs_in_one_folder_do_not_tread_on_each_other() {
    let (server, files) = web();
    publish(&files, "1.0.0", &product(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    let product = pack::release::Folder::at(folder.path().join("probe-portable"));
    let held = product.lock().expect("locked");
    let (_, err) = expect(1, folder.path(), &["download", &url]);
    assert!(err.contains("another pack is working here") && err.contains("hint: wait"), "{err}");
    drop(held);
    expect(0, folder.path(), &["download", &url]);
}

#[test]
fn what_was_a_file_may_become_a_folder_and_what_was_a_folder_a_file() {
    let (server, files) = web();
    let (kept, large) = (noise(5, 300_000), noise(6, 200_000));
    let old = || {
        vec![file("tool", "file", kept.clone()), file("conf/d/a", "file", "old"), file("conf/b", "file", large.clone())]
    };
    let new =
        || vec![file("tool/bin", "file", kept.clone()), file("conf", "file", "new"), file("b", "file", large.clone())];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = folder.path().join("probe-portable");
    let url = server.url("manifest.json").to_string();
    publish(&files, "1.0.0", &old());
    expect(0, folder.path(), &["download", &url, "--no-cache"]);
    publish(&files, "1.0.1", &new());
    let words = ["download", &url, "--no-cache"];
    let upgraded = json_of(folder.path(), &words);
    assert_eq!(upgraded["wireBytes"], 3, "what only moved is not fetched again");
    expect(0, folder.path(), &["verify"]);
    publish(&files, "1.0.2", &old());
    // And back, where 'b' is in nobody's way.
    assert_eq!(json_of(folder.path(), &words)["wireBytes"], 200_003);
    expect(0, folder.path(), &["verify"]);
    // What is somebody else's stays, and is told.
    fs::write(product.join("conf/mine"), "mine").expect("written");
    publish(&files, "1.0.3", &new());
    let (_, err) = expect(1, folder.path(), &words);
    assert!(err.contains("removed tool: it is in the way of version 1.0.3"), "{err}");
    assert!(err.contains("a folder lies where an artifact belongs") && err.contains("hint: move it away"), "{err}");
    assert_eq!(fs::read(product.join("conf/mine")).expect("kept"), b"mine");
    fs::remove_file(product.join("conf/mine")).expect("removed");
    // As a kill would leave it that came between the files and their folders.
    fs::create_dir_all(product.join("conf/d")).expect("made");
    expect(0, folder.path(), &words);
    expect(0, folder.path(), &["verify"]);
}
