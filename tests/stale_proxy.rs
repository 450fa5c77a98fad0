//! Yesterday's object: a real caching proxy that holds old content in front of an origin that changed.

mod support;

use std::path::Path;

use pack::error::Class;
use pack::fetch::{How, Options};
use support::fault::product::{Product, Watcher, fact};
use support::fault::{Reply, Server, serve};
use support::nginx::Nginx;
use support::noise;

const SIZE: usize = 300_000;

/// `proxy_cache` with a long time to live in front of `origin`; `key` says what nginx tells answers apart by.
fn proxy(origin: &Server, key: &str, obeys: bool) -> Option<Nginx> {
    let bypass = if obeys { "proxy_cache_bypass $http_cache_control;" } else { "" };
    let address = origin.address();
    Nginx::start(1, |root: &Path, ports: &[u16]| {
        format!(
            "proxy_cache_path {root}/cache keys_zone=z:1m;\nserver {{ listen 127.0.0.1:{port}; location / {{\n\
             proxy_pass http://{address}; proxy_cache z; proxy_cache_valid 200 10h; proxy_cache_key {key}; {bypass}\n\
             proxy_ignore_headers Cache-Control Expires; add_header X-Cache $upstream_cache_status; add_header Age 36000; }} }}",
            root = root.display(),
            port = ports[0]
        )
    })
}

/// An origin that serves `old` until told otherwise.
fn origin(bytes: Vec<u8>) -> Server {
    serve(move |request| Reply::file(request, &bytes).header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"))
}

#[test]
fn yesterdays_object_in_a_cache_that_obeys_nobody_is_beaten_by_a_fresh_url() {
    let (old, new) = (noise(1, SIZE), noise(2, SIZE));
    let origin = origin(old.clone());
    let Some(proxy) = proxy(&origin, "$uri$is_args$args", false) else { return };
    Product::of(&old, "a").download(&proxy.url(0, "")).expect("the old one, into the cache");
    let served = new.clone();
    origin.now(move |request| Reply::file(request, &served));
    let product = Product::of(&new, "a");
    let watcher = Watcher::default();
    let outcomes = product.download_watched(&proxy.url(0, ""), Product::hurried(), &watcher).expect("the new one");
    product.assert_complete();
    let log = proxy.log();
    assert!(log.contains("/a?pack-fresh="), "{log}");
    assert_eq!(outcomes[0].url.as_deref(), Some(proxy.url(0, "a").as_str()));
    assert!(watcher.notes.lock().expect("no panic").iter().any(|note| note.contains("past caches")));
    assert_eq!(watcher.counts.lock().expect("no panic")[0].1, SIZE as i64);
}

#[test]
fn a_cache_that_obeys_no_cache_needs_no_other_url() {
    let (old, new) = (noise(1, SIZE), noise(2, SIZE));
    let origin = origin(old.clone());
    let Some(proxy) = proxy(&origin, "$uri", true) else { return };
    Product::of(&old, "a").download(&proxy.url(0, "")).expect("the old one, into the cache");
    let served = new.clone();
    origin.now(move |request| Reply::file(request, &served));
    let product = Product::of(&new, "a");
    product.download(&proxy.url(0, "")).expect("the new one");
    product.assert_complete();
    assert!(!proxy.log().contains("pack-fresh"), "{}", proxy.log());
}

#[test]
fn a_cache_that_nothing_beats_is_passed_by_a_mirror_and_else_told() {
    let (old, new) = (noise(1, SIZE), noise(2, SIZE));
    let origin = origin(old.clone());
    // The key leaves the query out: no URL is fresh to this cache.
    let Some(proxy) = proxy(&origin, "$uri", false) else { return };
    Product::of(&old, "a").download(&proxy.url(0, "")).expect("the old one, into the cache");
    let served = new.clone();
    origin.now(move |request| Reply::file(request, &served));
    let product = Product::of(&new, "a");
    let error = product.download(&proxy.url(0, "")).expect_err("always the old one");
    assert_eq!(error.class(), Class::Integrity);
    assert!(fact(&error, "url").starts_with(proxy.url(0, "a").as_str()));
    assert!(fact(&error, "server").starts_with("nginx"));
    assert_eq!(fact(&error, "x-cache"), "HIT");
    assert_eq!(fact(&error, "age"), "36000");
    assert_eq!(fact(&error, "last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert!(fact(&error, "etag").starts_with('"'));
    assert_eq!(fact(&error, "expected digest"), pack::digest::Digest::of(&new).to_string());
    assert_eq!(fact(&error, "actual digest"), pack::digest::Digest::of(&old).to_string());
    assert_eq!(fact(&error, "expected size"), format!("{SIZE} bytes"));
    assert_eq!(fact(&error, "actual size"), format!("{SIZE} bytes"));
    assert!(error.hint_text().is_some_and(|hint| hint.contains("--mirror")));
    let mirrors = vec![origin.url("")];
    product.download_with(&proxy.url(0, ""), Options { mirrors, ..Product::hurried() }).expect("the mirror has it");
    product.assert_complete();
}

#[test]
fn a_stale_object_of_another_size_is_known_by_its_head() {
    let (old, new) = (noise(1, 40 << 20), noise(2, SIZE));
    let origin = origin(old.clone());
    let Some(proxy) = proxy(&origin, "$uri", false) else { return };
    Product::of(&old, "a").download(&proxy.url(0, "")).expect("the old one, into the cache");
    let product = Product::of(&new, "a");
    let error = product.download(&proxy.url(0, "")).expect_err("always the old one");
    assert_eq!(fact(&error, "actual size"), format!("{} bytes", 40 << 20));
}

#[test]
fn an_old_file_in_the_folder_is_never_taken_for_new() {
    let (old, new) = (noise(1, SIZE), noise(2, SIZE));
    let origin = origin(new.clone());
    let product = Product::of(&new, "a");
    std::fs::create_dir_all(product.folder().root()).expect("made");
    std::fs::write(product.path("a"), old).expect("written");
    let outcomes = product.download(&origin.url("")).expect("downloaded");
    assert_eq!(outcomes[0].how, How::Replaced);
    product.assert_complete();
}

#[test]
fn a_signed_url_that_allows_no_change_still_tells_of_the_stale_bytes() {
    let old = noise(1, SIZE);
    let server = serve(move |request| match request.path.contains("pack-fresh") {
        true => Reply::new(403, "the signature does not match"),
        false => Reply::file(request, &old),
    });
    let product = Product::of(&noise(2, SIZE), "a?signature=s3cret");
    let error = product.download(&server.url("")).expect_err("old bytes");
    assert_eq!(error.class(), Class::Integrity);
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
