//! What an interruption costs: never a whole image, never bytes that are there.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use super::archive::web;
use super::said;
use crate::support::fault::{Reply, Request, serve};
use crate::support::images::{Made, gzip, image, layer};
use crate::support::registry::{Documents, artifact, blob_path, oci, pack_without_logins, write_manifest};
use pack::digest::Digest;

fn plain(layer: &[u8]) -> Vec<u8> {
    layer.to_vec()
}

/// An image of a small and a large layer, and where the large one is.
fn large() -> (Made, String) {
    let made = image("web:1", vec![layer(1, 30_000), layer(2, 3 << 20)]);
    let path = blob_path(&Digest::of(&made.layers[1]));
    (made, path)
}

/// Whether a journal in the cache says that so much of something is there.
fn is_held(folder: &Path, least: u64) -> bool {
    let Ok(entries) = fs::read_dir(folder.join(".cache/pack/sha256")) else { return false };
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path().with_extension("journal")).ok());
    let held = |line: &str| line.strip_prefix("held ")?.split(' ').next()?.parse::<u64>().ok();
    texts.into_iter().any(|text| text.lines().filter_map(held).any(|size| size >= least))
}

#[test]
fn a_killed_run_goes_on_with_the_blob_where_it_was() {
    for words in [&["lock"][..], &["download", "manifest.json"]] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (made, path) = large();
        let documents = Documents::of(&made, plain);
        let server = documents.clone().serve();
        write_manifest(folder.path(), &[oci(&server, ":1")]);
        if words[0] == "download" {
            said(0, folder.path(), &["lock", "--no-cache"]);
        }
        let (honest, stalled) = (documents.clone(), path.clone());
        server.now(move |request| {
            let reply = honest.found(request);
            if request.path == stalled { reply.stall_after(2 << 20) } else { reply }
        });
        let mut command = pack_without_logins(folder.path(), words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
        let entry = |bytes: &[u8]| folder.path().join(".cache/pack/sha256").join(Digest::of(bytes).hex());
        let others = [entry(&made.config), entry(&made.layers[0])];
        while !(is_held(folder.path(), 1 << 20) && others.iter().all(|path| path.exists())) {
            assert!(child.try_wait().expect("asked").is_none(), "it ended");
            sleep(Duration::from_millis(5));
        }
        child.kill().and_then(|()| child.wait()).expect("killed");
        let asked = server.requests().len();
        server.now(move |request| documents.found(request));
        let before = server.sent();
        said(0, folder.path(), words);
        let again = &server.requests()[asked..];
        let rest: Vec<_> = again.iter().filter(|request| request.path.contains("/blobs/")).collect();
        assert_eq!(rest.len(), 1, "the others are in the cache: {rest:?}");
        assert!(rest[0].path == path && rest[0].range().is_some_and(|(from, _)| from >= 1 << 20), "{rest:?}");
        let came = server.sent() - before;
        assert!(came < (2 << 20) + 20_000, "{came}");
    }
}

#[test]
fn a_registry_without_ranges_is_read_again_as_far_as_it_must_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (made, path) = large();
    let documents = Documents::of(&made, plain);
    let mut most = 0;
    let server = serve(move |request: &Request| {
        if request.path != path {
            return documents.found(request);
        }
        most += 1 << 20;
        let blob = &documents.0[&path];
        if most < blob.len() { Reply::whole(blob).cut_after(most) } else { Reply::whole(blob) }
    });
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    said(0, folder.path(), &["lock", "--retries", "1"]);
}

#[test]
fn bytes_that_come_again_and_again_are_no_progress() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (made, path) = large();
    let documents = Documents::of(&made, plain);
    let server = serve(move |request: &Request| {
        let found = &documents.0.get(&request.path);
        match found {
            Some(blob) if request.path == path => Reply::whole(blob).cut_after(1 << 20),
            _ => documents.found(request),
        }
    });
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(1, folder.path(), &["lock", "--retries", "2"]);
    assert!(text.contains("the connection ended before the file did"), "{text}");
    assert!(server.requests().len() < 20, "{}", server.requests().len());
}

#[test]
fn a_range_that_begins_earlier_than_was_asked_for_is_put_in_its_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (made, path) = large();
    let documents = Documents::of(&made, plain);
    let server = serve(move |request: &Request| {
        let Some((from, _)) = request.range().filter(|_| request.path == path) else {
            let reply = documents.found(request);
            return if request.path == path { reply.cut_after(1_500_000) } else { reply };
        };
        let blob = &documents.0[&path];
        let begin = from / 1_000_000 * 1_000_000;
        let range = format!("bytes {begin}-{}/{}", blob.len() - 1, blob.len());
        Reply::new(206, &blob[begin..]).header("Content-Range", range)
    });
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    said(0, folder.path(), &["lock"]);
}

#[test]
fn two_runs_at_once_fetch_a_blob_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (made, path) = large();
    let documents = Documents::of(&made, plain);
    let server = serve(move |request: &Request| documents.found(request).drip(64 << 10, Duration::from_millis(10)));
    let runs: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| {
            let own = folder.path().join(name);
            fs::create_dir(&own).expect("a folder");
            write_manifest(&own, &[oci(&server, ":1")]);
            let mut command = pack_without_logins(&own, &["lock"]);
            command.env("XDG_CACHE_HOME", folder.path().join("cache")).stderr(Stdio::piped()).stdout(Stdio::null());
            (own, command.spawn().expect("runs"))
        })
        .collect();
    let mut digests = Vec::new();
    for (own, child) in runs {
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        digests.push(artifact(&own)["digest"].clone());
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(server.asked_for(&path), 1);
}

#[test]
fn without_a_cache_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).expect("a folder");
    let made = web();
    let documents = Documents::of(&made, |layer| gzip(layer, 6));
    let server = documents.clone().serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let mut damaged = documents;
    let last = blob_path(&Digest::of(&gzip(&made.layers[1], 6)));
    damaged.0.get_mut(&last).expect("there").truncate(10);
    // A cache that cannot be made is as good as none.
    fs::write(folder.path().join("file"), "").expect("written");
    let cache = folder.path().join("file/cache");
    for (code, words) in [(0, &["lock", "--no-cache"][..]), (0, &["lock", "--update"]), (3, &["lock", "--update"])] {
        if code == 3 {
            let damaged = damaged.clone();
            server.now(move |request| damaged.found(request));
        }
        let mut command = pack_without_logins(folder.path(), words);
        let output = command.env("TMPDIR", &temporary).env("XDG_CACHE_HOME", &cache).output().expect("pack runs");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_dir(&temporary).expect("listed").count(), 0);
    }
    assert!(!folder.path().join(".cache").exists());
}

#[test]
fn bytes_of_another_source_stay_until_there_is_an_archive() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (made, path) = large();
    let documents = Documents::of(&made, plain);
    let registry = documents.clone().serve();
    write_manifest(folder.path(), &[oci(&registry, ":1")]);
    said(0, folder.path(), &["lock"]);
    said(0, folder.path(), &["download", "manifest.json", "--dir", "good"]);
    let archive = fs::read(folder.path().join("good/web.tar")).expect("read");
    // A web server that breaks off, then a registry without that layer, then the web server again.
    let mut documents = documents;
    documents.0.remove(&path);
    registry.now(move |request| documents.found(request));
    let bytes = archive.clone();
    let web = serve(move |request: &Request| Reply::file(request, &bytes).cut_after(2_000_000));
    let text = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    let urls = format!("[\"{}\",\"oci", web.url("web.tar"));
    fs::write(folder.path().join("manifest.json"), text.replacen("[\"oci", &urls, 1)).expect("written");
    let words = ["download", "manifest.json", "--no-cache", "--retries", "0", "--connections", "1"];
    web.now({
        let bytes = archive.clone();
        let mut first = true;
        move |request| {
            let reply = Reply::file(request, &bytes);
            if std::mem::take(&mut first) { reply.cut_after(2_000_000) } else { Reply::new(503, "") }
        }
    });
    said(1, folder.path(), &words);
    let bytes = archive.clone();
    web.now(move |request| Reply::file(request, &bytes));
    let asked = web.requests().len();
    said(0, folder.path(), &words);
    let from = web.requests()[asked..].iter().find_map(|request| request.range()).map(|(from, _)| from);
    assert!(from.is_some_and(|from| from > 1_000_000), "{from:?}");
}
