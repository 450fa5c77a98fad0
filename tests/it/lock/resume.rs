//! `pack lock` goes on where an interrupted run ended, and never puts two states of a file together.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{expect, noise};
use pack::digest::Digest;
use serde_json::{Value, json};

const SIZE: usize = 3_000_000;
const HALF: usize = 1_500_000;

/// A folder with a manifest whose only artifact is at these URLs.
fn product(urls: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0",
                           "artifacts": [{ "name": "data", "kind": "file", "urls": urls }] });
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).expect("written");
    folder
}

/// The manifest there has the digest of `bytes` already, and no size.
fn know_digest(folder: &Path, bytes: &[u8]) {
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    manifest["artifacts"][0]["digest"] = json!(Digest::of(bytes));
    fs::write(&path, manifest.to_string()).expect("written");
}

/// A server whose answer ends in the middle and who is then away, and the folder of a `pack lock` that failed
/// for it.
fn interrupted(mut cut: impl FnMut(&Request) -> Reply + Send + 'static) -> (Server, tempfile::TempDir) {
    let server = serve(move |request| match request.range() {
        Some(_) => Reply::new(500, ""),
        None => cut(request),
    });
    let folder = product(&[server.url("data").as_str()]);
    let (_, err) = expect(1, folder.path(), &["lock", "--retries", "0"]);
    assert!(err.contains("the connection ended before the file did") || err.contains("500"), "{err}");
    (server, folder)
}

/// Runs `pack lock`, which must succeed and pin `bytes`; how many bytes went over the wire, and the last request.
fn lock(folder: &Path, server: &Server, bytes: &[u8]) -> (usize, Request) {
    let before = server.sent();
    expect(0, folder, &["lock", "--retries", "1"]);
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).expect("read")).expect("JSON");
    assert_eq!(manifest["artifacts"][0]["digest"], json!(Digest::of(bytes)), "the digest of one state, and whole");
    assert_eq!(manifest["artifacts"][0]["size"], bytes.len());
    let sent = (server.sent() - before) as usize;
    (sent, server.requests().pop().expect("it asked"))
}

/// The files in the cache that are no entries.
fn left(folder: &Path) -> Vec<PathBuf> {
    let Ok(shelf) = fs::read_dir(folder.join(".cache/pack/sha256")) else { return Vec::new() };
    let paths = shelf.map(|entry| entry.expect("listed").path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))).collect()
}

#[test]
fn after_a_cut_the_next_run_fetches_only_the_rest() {
    let (server, folder) = interrupted(|request| Reply::file(request, &noise(1, SIZE)).cut_after(HALF));
    server.now(|request| Reply::file(request, &noise(1, SIZE)));
    let (sent, request) = lock(folder.path(), &server, &noise(1, SIZE));
    assert_eq!(sent, SIZE - HALF);
    assert_eq!(request.header("range"), Some("bytes=1500000-"));
    assert!(request.header("if-range").is_some_and(|tag| tag.starts_with('"')));
    assert_eq!(left(folder.path()), [] as [PathBuf; 0], "nothing but the entry is left");
    let asked = server.requests().len();
    expect(0, folder.path(), &["download"]);
    assert_eq!(server.requests().len(), asked, "what lock put together is in the cache");
}

#[test]
fn what_came_in_chunks_is_gone_on_from_though_its_size_was_not_told() {
    let (server, folder) = interrupted(|request| Reply::file(request, &noise(1, SIZE)).chunked().cut_after(HALF));
    server.now(|request| match request.range() {
        Some(_) => Reply::file(request, &noise(1, SIZE)),
        None => Reply::file(request, &noise(1, SIZE)).chunked(),
    });
    let (sent, request) = lock(folder.path(), &server, &noise(1, SIZE));
    assert_eq!((sent, request.header("range")), (SIZE - HALF, Some("bytes=1500000-")));
}

#[test]
fn what_came_is_not_given_up_for_a_head_without_a_body() {
    type Script = fn(&Request) -> Reply;
    // A length told and the connection closed; no length told, so that a closed connection says nothing.
    let heads: [Script; 2] = [|_| Reply::whole(&noise(2, SIZE)).cut_after(0), |_| Reply::new(200, "").until_closed()];
    for head in heads {
        let (server, folder) = interrupted(|request| Reply::file(request, &noise(1, SIZE)).cut_after(HALF));
        server.now(head);
        expect(1, folder.path(), &["lock", "--retries", "0"]);
        server.now(|request| Reply::file(request, &noise(1, SIZE)));
        assert_eq!(lock(folder.path(), &server, &noise(1, SIZE)).0, SIZE - HALF);
    }
}

#[test]
fn after_a_kill_the_next_run_fetches_only_the_rest() {
    for signal in ["KILL", "INT"] {
        let server = serve(|request: &Request| Reply::file(request, &noise(1, SIZE)).stall_after(HALF));
        let folder = product(&[server.url("data").as_str()]);
        let mut child = crate::support::interruptible(crate::support::PACK);
        child.args(["lock", "-q"]).current_dir(folder.path()).env("XDG_CACHE_HOME", folder.path().join(".cache"));
        let mut child = child.spawn().expect("runs");
        let journal = || left(folder.path()).into_iter().find(|path| path.extension().is_some());
        let lines = || journal().map_or(String::new(), |path| fs::read_to_string(path).expect("read"));
        while lines().lines().count() < 3 {
            assert!(child.try_wait().expect("asked").is_none(), "it ended before it was killed");
            std::thread::sleep(Duration::from_millis(5));
        }
        crate::support::shell(folder.path(), &format!("kill -{signal} {}", child.id()));
        assert!(!child.wait().expect("ended").success());
        let last = lines().lines().last().expect("a line").to_owned();
        let held: usize = last.split(' ').nth(1).and_then(|number| number.parse().ok()).expect("held NUMBER DIGEST");
        server.now(|request| Reply::file(request, &noise(1, SIZE)));
        let (sent, _) = lock(folder.path(), &server, &noise(1, SIZE));
        assert_eq!(sent, SIZE - held, "killed with SIG{signal}");
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_whole() {
    type Script = fn(&Request) -> Reply;
    let changed: [Script; 6] = [
        // An honest server; one that takes no notice of If-Range; one that does not say which state it sends;
        // the same tag on a file of another size; one that has a shorter file now; one that has an empty one.
        |request| Reply::file(request, &noise(2, SIZE)),
        |request| {
            let mut request = request.clone();
            request.headers.retain(|(name, _)| name != "if-range");
            Reply::file(&request, &noise(2, SIZE))
        },
        |request| match request.range() {
            Some((first, _)) => Reply::new(206, &noise(2, SIZE)[first..])
                .header("Content-Range", format!("bytes {first}-{}/{SIZE}", SIZE - 1)),
            None => Reply::file(request, &noise(2, SIZE)),
        },
        |request| Reply::file_as(request, &noise(2, SIZE + 1), "\"first\""),
        |request| {
            let mut request = request.clone();
            request.headers.retain(|(name, _)| name != "if-range");
            Reply::file(&request, &noise(2, 1000))
        },
        |_| Reply::whole(b""),
    ];
    let sizes = [SIZE, SIZE, SIZE, SIZE + 1, 1000, 0];
    for (script, size) in changed.into_iter().zip(sizes) {
        let (server, folder) =
            interrupted(|request| Reply::file_as(request, &noise(1, SIZE), "\"first\"").cut_after(HALF));
        server.now(script);
        let (sent, _) = lock(folder.path(), &server, &noise(2, size));
        assert!(sent >= size, "{sent} of {size}");
        assert_eq!(left(folder.path()), [] as [PathBuf; 0]);
    }
}

#[test]
fn only_a_word_that_no_other_state_can_have_is_believed() {
    let dated = |request: &Request, modified: &str| {
        let reply = match request.range() {
            Some((first, _)) => Reply::new(206, &noise(1, SIZE)[first..])
                .header("Content-Range", format!("bytes {first}-{}/{SIZE}", SIZE - 1)),
            None => Reply::whole(&noise(1, SIZE)),
        };
        reply.header("Last-Modified", modified).header("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
    };
    // Long settled; changed in the very minute of the answer.
    for (modified, goes_on) in [("Sun, 06 Nov 1994 08:40:00 GMT", true), ("Sun, 06 Nov 1994 08:49:30 GMT", false)] {
        let (server, folder) = interrupted(move |request| dated(request, modified).cut_after(HALF));
        server.now(move |request| dated(request, modified));
        let (sent, request) = lock(folder.path(), &server, &noise(1, SIZE));
        assert_eq!((sent, request.header("if-range").is_some()), (if goes_on { HALF } else { SIZE }, goes_on));
    }
    for etag in ["W/\"weak\"", ""] {
        let (server, folder) =
            interrupted(move |request| Reply::file_as(request, &noise(1, SIZE), etag).cut_after(HALF));
        assert_eq!(left(folder.path()), [] as [PathBuf; 0], "nobody could go on from it");
        server.now(move |request| Reply::file_as(request, &noise(1, SIZE), etag));
        let (sent, request) = lock(folder.path(), &server, &noise(1, SIZE));
        assert_eq!((sent, request.header("range")), (SIZE, None));
    }
}

#[test]
fn bytes_that_the_disk_changed_are_fetched_again() {
    let (server, folder) = interrupted(|request| Reply::file(request, &noise(1, SIZE)).cut_after(HALF));
    let partial = left(folder.path()).into_iter().find(|path| path.extension().is_none()).expect("kept");
    let mut bytes = fs::read(&partial).expect("read");
    bytes[1_000_000] ^= 1;
    fs::write(&partial, bytes).expect("written");
    server.now(|request| Reply::file(request, &noise(1, SIZE)));
    let (sent, _) = lock(folder.path(), &server, &noise(1, SIZE));
    assert!((SIZE - 1_000_000..SIZE).contains(&sent), "{sent}");
}

#[test]
fn another_place_is_asked_for_all_of_it() {
    // The URL is the same; it leads elsewhere now, to a file with the same tag.
    let (server, folder) = interrupted(|request| match request.path.as_str() {
        "/data" => Reply::redirect("/one?signature=1"),
        _ => Reply::file_as(request, &noise(1, SIZE), "\"tag\"").cut_after(HALF),
    });
    server.now(|request| match request.path.as_str() {
        "/data" => Reply::redirect("/two"),
        _ => Reply::file_as(request, &noise(2, SIZE), "\"tag\""),
    });
    lock(folder.path(), &server, &noise(2, SIZE));

    // The same place under another signature is the same place.
    let (server, folder) = interrupted(|request| match request.path.as_str() {
        "/data" => Reply::redirect("/one?signature=1"),
        _ => Reply::file(request, &noise(1, SIZE)).cut_after(HALF),
    });
    server.now(|request| match request.path.as_str() {
        "/data" => Reply::redirect("/one?signature=2"),
        _ => Reply::file(request, &noise(1, SIZE)),
    });
    assert_eq!(lock(folder.path(), &server, &noise(1, SIZE)).0, SIZE - HALF);
}

#[test]
fn what_one_url_sent_of_it_goes_when_another_had_it_all() {
    let (server, folder) = interrupted(|request| Reply::file(request, &noise(1, SIZE)).cut_after(HALF));
    assert_eq!(left(folder.path()).len(), 2);
    let path = folder.path().join("manifest.json");
    let text = fs::read_to_string(&path).expect("read");
    let both = text.replace("[\"http", &format!("[\"{}\",\"http", server.url("other")));
    assert_ne!(text, both);
    fs::write(&path, both).expect("written");
    server.now(|request| Reply::file(request, &noise(1, SIZE)));
    assert_eq!(lock(folder.path(), &server, &noise(1, SIZE)).0, SIZE);
    assert_eq!(left(folder.path()), [] as [PathBuf; 0]);
}

#[test]
fn what_a_server_sent_of_it_is_no_entry_when_a_local_file_had_it_all() {
    let server = serve(|request: &Request| match request.range() {
        Some(_) => Reply::new(500, ""), // it can never have it all
        None => Reply::file(request, &noise(1, SIZE)).cut_after(HALF),
    });
    let local = tempfile::NamedTempFile::new().expect("a file");
    fs::write(local.path(), noise(1, SIZE)).expect("written");
    let url = format!("file://{}", local.path().display());
    let folder = product(&[server.url("data").as_str(), &url]);
    assert!(lock(folder.path(), &server, &noise(1, SIZE)).0 >= HALF, "the server was asked");
    let shelf = fs::read_dir(folder.path().join(".cache/pack/sha256")).expect("it was used");
    let names: Vec<_> = shelf.map(|entry| entry.expect("listed").file_name()).collect();
    assert_eq!(names, [""; 0]);
}

#[test]
fn without_a_cache_nothing_is_kept() {
    let server = serve(|request: &Request| match request.range() {
        Some(_) => Reply::new(500, ""),
        None => Reply::file(request, &noise(1, SIZE)).cut_after(HALF),
    });
    let folder = product(&[server.url("data").as_str()]);
    expect(1, folder.path(), &["lock", "--retries", "0", "--no-cache"]);
    assert!(!folder.path().join(".cache").exists());
    // Within a run it goes on all the same.
    server.now(|request| match request.range() {
        Some(_) => Reply::file(request, &noise(1, SIZE)),
        None => Reply::file(request, &noise(1, SIZE)).cut_after(HALF),
    });
    let before = server.sent();
    expect(0, folder.path(), &["lock", "--no-cache"]);
    assert_eq!(server.sent() - before, SIZE as u64);
}

#[test]
fn under_a_fresh_url_too_what_came_is_gone_on_from() {
    // Yesterday's bytes under the plain URL; what the digest says under a fresh one, in pieces.
    let server = serve(|request: &Request| {
        if !request.path.contains("pack-fresh=") {
            return Reply::file(request, &noise(2, SIZE));
        }
        Reply::file(request, &noise(1, SIZE)).cut_after(HALF)
    });
    let folder = product(&[server.url("data").as_str()]);
    know_digest(folder.path(), &noise(1, SIZE));
    expect(0, folder.path(), &["lock"]);
    let fresh: Vec<_> = server.requests().into_iter().filter(|request| request.path.contains("pack-fresh=")).collect();
    assert_eq!(fresh.len(), 2, "{fresh:?}");
    assert_eq!(fresh[1].header("range"), Some(format!("bytes={HALF}-").as_str()));
    assert_eq!(left(folder.path()), [] as [PathBuf; 0], "nothing but the entry is left");
}

#[test]
fn pieces_that_do_not_fit_together_are_asked_for_once_more_as_one() {
    // Two states under one tag, and a URL that takes no query.
    let server = serve(|request: &Request| match (request.range(), request.path.as_str()) {
        (Some(_), "/data") => Reply::file_as(request, &noise(2, SIZE), "\"same\""),
        (None, "/data") if request.number == 0 => Reply::file_as(request, &noise(1, SIZE), "\"same\"").cut_after(HALF),
        (None, "/data") => Reply::file_as(request, &noise(2, SIZE), "\"same\""),
        _ => Reply::new(403, ""),
    });
    let folder = product(&[server.url("data").as_str()]);
    know_digest(folder.path(), &noise(2, SIZE));
    let (_, err) = expect(0, folder.path(), &["lock"]);
    assert!(err.contains("do not fit together"), "{err}");
}
