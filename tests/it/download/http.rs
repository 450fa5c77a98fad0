//! Downloads over HTTP that go well: what is asked, what is kept, what is resumed.

use std::fs;

use crate::support::fault::product::{Product, Watcher};
use crate::support::fault::{Reply, serve};
use crate::support::noise;
use pack::error::Class;
use pack::fetch::{CacheBypass, DocumentRequest, Fetcher, How, Lookup};

const BIG: usize = 3 << 20;

#[test]
fn several_artifacts_come_and_a_second_run_asks_for_nothing() {
    let server = serve(|request| Reply::file(request, &noise(request.path.len() as u64, BIG)));
    let product = (1..8).fold(Product::new(), |product, n| {
        let path = format!("/{}", "x".repeat(n));
        product.with(&format!("dir/{n}"), &noise(n as u64 + 1, BIG), &[path.as_str()])
    });
    let outcomes = product.download(&server.url("m.json")).expect("downloaded");
    assert!(outcomes.iter().all(|outcome| outcome.how == How::Fetched && outcome.wire_bytes == BIG as u64));
    product.assert_complete();
    let asked = server.requests();
    assert!(asked.iter().all(|request| request.header("accept-encoding") == Some("identity")));
    assert!(asked.iter().all(|request| request.header("user-agent").is_some_and(|agent| agent.starts_with("pack/"))));
    let outcomes = product.download(&server.url("m.json")).expect("kept");
    assert!(outcomes.iter().all(|outcome| outcome.how == How::Kept && outcome.wire_bytes == 0));
    assert_eq!(server.requests().len(), asked.len(), "a run with everything in place sends no request");
}

#[test]
fn what_is_wrong_or_missing_is_fetched_and_the_rest_is_kept() {
    let server = serve(|request| Reply::file(request, &noise(request.path.len() as u64, 1000)));
    let product = Product::new().with("a", &noise(2, 1000), &["1"]).with("b", &noise(3, 1000), &["22"]).with(
        "c",
        &noise(4, 1000),
        &["333"],
    );
    product.download(&server.url("")).expect("downloaded");
    fs::write(product.path("a"), noise(9, 1000)).expect("written");
    fs::remove_file(product.path("b")).expect("removed");
    let outcomes = product.download(&server.url("")).expect("downloaded");
    let how: Vec<_> = outcomes.iter().map(|outcome| (outcome.name.as_str(), outcome.how)).collect();
    assert_eq!(how, [("a", How::Replaced), ("b", How::Fetched), ("c", How::Kept)]);
    product.assert_complete();
}

#[test]
fn a_cut_download_goes_on_where_it_ended() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    let server = serve(move |request| {
        let reply = Reply::file(request, &served);
        if request.number == 0 { reply.cut_after(2 << 20) } else { reply }
    });
    let product = Product::of(&bytes, "a");
    let watcher = Watcher::default();
    product.download_watched(&server.url(""), Product::hurried(), &watcher).expect("downloaded");
    let asked = server.requests();
    assert_eq!(asked.len(), 2);
    let (first, last) = asked[1].range().expect("a range");
    assert!(first > 1 << 20 && last.is_none(), "{first}");
    assert!(asked[1].header("if-range").is_none(), "the digest decides");
    assert_eq!(watcher.counts.lock().expect("no panic")[0], ("a".into(), BIG as i64, "fetched".into()));
}

#[test]
fn another_run_goes_on_where_one_ended() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    let server = serve(move |request| match request.number {
        0 => Reply::file(request, &served).cut_after(2 << 20),
        1..=4 => Reply::new(500, ""),
        _ => Reply::file(request, &served),
    });
    let product = Product::of(&bytes, "a");
    let error = product.download(&server.url("")).expect_err("the server fails");
    assert_eq!(error.class(), Class::Failed);
    let outcomes = product.download(&server.url("")).expect("downloaded");
    assert!(outcomes[0].wire_bytes <= (BIG - (2 << 20) + (512 << 10)) as u64, "{}", outcomes[0].wire_bytes);
    let last = server.requests().pop().expect("asked");
    assert!(last.range().is_some() && last.header("if-range").is_none());
}

#[test]
fn a_server_without_ranges_starts_over_cleanly() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    let server = serve(move |request| {
        let reply = Reply::whole(&served);
        if request.number == 0 { reply.cut_after(2 << 20) } else { reply }
    });
    let product = Product::of(&bytes, "a");
    let watcher = Watcher::default();
    product.download_watched(&server.url(""), Product::hurried(), &watcher).expect("downloaded");
    assert_eq!(server.requests().len(), 2);
    assert_eq!(watcher.counts.lock().expect("no panic")[0].1, BIG as i64, "the meter took the first part back");
}

#[test]
fn content_that_changed_since_the_cut_starts_over_cleanly() {
    let (old, new) = (noise(1, BIG), noise(2, BIG));
    let (served_old, served_new) = (old.clone(), new.clone());
    let server = serve(move |request| match request.number {
        0 => Reply::file(request, &served_old).cut_after(1 << 20),
        _ => Reply::file(request, &served_new),
    });
    let product = Product::of(&new, "a");
    product.download(&server.url("")).expect("downloaded");
    assert_eq!(server.requests().len(), 3, "the digest told the two halves apart, and all of it came once more");
}

#[test]
fn pieces_of_two_files_under_one_etag_are_told_apart_by_the_digest() {
    let (old, new) = (noise(1, BIG), noise(2, BIG));
    let (served_old, served_new) = (old.clone(), new.clone());
    let server = serve(move |request| match request.number {
        0 => Reply::file_as(request, &served_old, "\"same\"").cut_after(1 << 20),
        _ => Reply::file_as(request, &served_new, "\"same\""),
    });
    let product = Product::of(&new, "a");
    product.download(&server.url("")).expect("downloaded");
}

#[test]
fn a_digest_without_a_size_is_enough() {
    let bytes = noise(1, 100_000);
    for chunked in [false, true] {
        let served = bytes.clone();
        let server = serve(move |request| {
            let reply = Reply::file(request, &served);
            if chunked { reply.chunked() } else { reply }
        });
        let product = Product::new().pinned("a", pack::digest::Digest::of(&bytes), None, &["a"]);
        product.download(&server.url("")).expect("downloaded");
        product.assert_complete();
    }
}

#[test]
fn local_files_are_taken_and_checked() {
    let bytes = noise(1, 300_000);
    let product = Product::of(&bytes, "source.bin");
    let source = product.scratch.path().join("source.bin");
    let base = url::Url::from_file_path(product.scratch.path().join("manifest.json")).expect("a URL");
    fs::write(&source, &bytes[..1000]).expect("written");
    assert_eq!(product.download(&base).expect_err("too short").class(), Class::Integrity);
    fs::write(&source, [bytes.as_slice(), b"x"].concat()).expect("written");
    assert_eq!(product.download(&base).expect_err("too long").class(), Class::Integrity);
    fs::remove_file(&source).expect("removed");
    assert_eq!(product.download(&base).expect_err("not there").class(), Class::Failed);
    fs::write(&source, &bytes).expect("written");
    product.download(&base).expect("copied");
    product.assert_complete();
}

#[test]
fn a_manifest_from_the_network_names_no_local_file() {
    let server = serve(|_| Reply::new(500, ""));
    let product = Product::of(b"x", "file:///etc/hostname");
    let error = product.download(&server.url("m.json")).expect_err("refused");
    assert!(error.to_string().contains("may not name a file of this machine"), "{error}");
}

#[test]
fn a_manifest_is_based_where_it_came_from_after_redirects() {
    let text = Product::of(b"x", "a").text();
    let served = text.clone();
    let server = serve(move |request| match request.path.as_str() {
        "/latest" => Reply::redirect("/v1/manifest.json"),
        "/v1/manifest.json" => Reply::new(200, served.as_str()),
        _ => Reply::new(404, ""),
    });
    let fetcher = Fetcher::new(Product::hurried()).expect("a fetcher");
    let url = server.url("latest");
    let request = DocumentRequest { url: &url, limit: 1_000, bypass: CacheBypass::NoCache, notes: &drop };
    let document = fetcher.manifest(request).expect("fetched");
    assert_eq!((document.bytes, document.source.url), (text.into_bytes(), server.url("v1/manifest.json")));
    assert!(server.requests().iter().all(|request| request.header("cache-control") == Some("no-cache")));
    let document = |path, limit| fetcher.document(DocumentRequest { url: &server.url(path), limit, ..request });
    assert!(matches!(document("v1/manifest.json.minisig", 1_000), Ok(Lookup::Absent)));
    assert!(document("v1/manifest.json", 10).is_err(), "over the limit");
    assert!(fetcher.manifest(DocumentRequest { url: &server.url("nothing"), ..request }).is_err());
}

#[test]
fn pinning_reads_every_kind_of_source() {
    let bytes = noise(1, 700_000);
    let served = bytes.clone();
    let server = serve(move |request| {
        let reply = Reply::file(request, &served);
        if request.number == 0 { reply.cut_after(400_000) } else { reply }
    });
    let text = serde_json::json!({"schemaVersion": 1, "name": "x", "version": "1.0.0", "artifacts": [
        {"name": "a", "kind": "image", "urls": [server.url("a").as_str()]},
        {"name": "b", "kind": "file", "urls": ["/nowhere", server.url("b").as_str()]},
    ]});
    let manifest = pack::manifest::Manifest::parse(text.to_string(), "test").expect("valid");
    let fetcher = Fetcher::new(Product::hurried()).expect("a fetcher");
    let base = "file:///nowhere/manifest.json".parse().expect("a URL");
    let (pins, failure) = fetcher.pin(manifest.artifacts(), &base, &pack::progress::Silent);
    assert!(failure.is_none(), "{failure:?}");
    let expected = pack::digest::Descriptor { size: bytes.len() as u64, digest: pack::digest::Digest::of(&bytes) };
    let id = |place: usize| manifest.artifacts()[place].id.clone();
    let found: Vec<_> = pins.into_iter().map(|pin| (pin.id, pin.descriptor)).collect();
    assert_eq!(found, [(id(0), expected), (id(1), expected)]);
    assert!(server.requests().iter().all(|request| request.header("cache-control") == Some("no-cache")));
}

#[test]
fn artifacts_with_the_same_bytes_are_fetched_once() {
    let bytes = noise(1, 500_000);
    let served = bytes.clone();
    let server = serve(move |request| match request.path.as_str() {
        "/gone/a" => Reply::new(404, ""),
        _ => Reply::file(request, &served),
    });
    let product = Product::new().with("a", &bytes, &["/gone/a"]).with("b", &bytes, &["x"]).with("c/d", &bytes, &["y"]);
    let outcomes = product.download(&server.url("")).expect("downloaded");
    product.assert_complete();
    assert_eq!((server.asked_for("/x"), server.requests().len()), (1, 2), "one URL is enough for all three");
    assert!(outcomes.iter().all(|outcome| outcome.how == How::Fetched));
    fs::remove_file(product.path("a")).expect("removed");
    fs::write(product.path("b"), "other").expect("written");
    product.download(&server.url("")).expect("downloaded");
    product.assert_complete();
}

#[test]
fn a_file_of_another_machine_is_not_one_of_this() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a");
    std::fs::write(&path, b"x").expect("written");
    let base = url::Url::from_file_path(folder.path().join("manifest.json")).expect("a URL");
    for (host, fits) in [("", true), ("localhost", true), ("other.example", false)] {
        let product = Product::of(b"x", &format!("file://{host}{}", path.display()));
        let result = product.download(&base);
        assert_eq!(result.is_ok(), fits, "{host}");
        if let Err(error) = result {
            assert!(error.title().contains("another machine") && error.hint_text().is_some(), "{error}");
        }
    }
    let fetcher = Fetcher::new(Product::hurried()).expect("a fetcher");
    let url = format!("file://other.example{}", path.display()).parse().expect("a URL");
    let request = DocumentRequest { url: &url, limit: 10, bypass: CacheBypass::NoCache, notes: &drop };
    fetcher.document(request).expect_err("not here");
}
