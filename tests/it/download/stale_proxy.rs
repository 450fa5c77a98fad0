//! Yesterday's object: a real caching proxy that holds old content in front of an origin that changed.

use std::path::Path;

use crate::support::fault::product::{Product, Watcher, fact};
use crate::support::fault::{Reply, Server, serve};
use crate::support::nginx::Nginx;
use crate::support::{expect, file, noise, write_product};
use pack::error::Class;
use pack::fetch::{CacheBypass, DocumentRequest, Fetcher, How, Lookup, Options};

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
    assert!(origin.sent() < 80 << 20 && proxy.log().lines().filter(|line| line.contains(" 41943040 ")).count() == 1);
    assert_eq!(fact(&error, "actual digest"), "not read: the size tells already", "so much was never meant to come");
}

#[test]
fn of_a_stale_object_the_digest_is_told_even_where_its_size_says_enough() {
    let (old, new) = (noise(1, SIZE + 5_000), noise(2, SIZE));
    let origin = origin(old.clone());
    let Some(proxy) = proxy(&origin, "$uri", false) else { return };
    Product::of(&old, "a").download(&proxy.url(0, "")).expect("the old one, into the cache");
    let product = Product::of(&new, "a");
    let error = product.download(&proxy.url(0, "")).expect_err("always the old one");
    assert_eq!(fact(&error, "actual size"), format!("{} bytes", SIZE + 5_000));
    assert_eq!(fact(&error, "actual digest"), pack::digest::Digest::of(&old).to_string());
    // A mirror that has it is not kept waiting for that.
    let before = proxy.log().lines().count();
    origin.now(move |request| Reply::file(request, &new));
    let mirrors = vec![origin.url("")];
    product.download_with(&proxy.url(0, ""), Options { mirrors, ..Product::hurried() }).expect("the mirror has it");
    assert_eq!(proxy.log().lines().count() - before, 3, "plain, past caches, under a fresh URL: {}", proxy.log());
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

#[test]
fn whatever_comes_of_asking_past_caches_the_stale_bytes_stay_said() {
    for answer in [|| Reply::new(403, "no"), || Reply::new(503, ""), || Reply::new(404, "")] {
        for refused in ["no-cache", "pack-fresh"] {
            let old = noise(1, SIZE);
            let server = serve(move |request| {
                let is_it = match refused {
                    "no-cache" => request.header("cache-control").is_some(),
                    _ => request.path.contains(refused),
                };
                if is_it { answer() } else { Reply::file(request, &old) }
            });
            let error = Product::of(&noise(2, SIZE), "a").download(&server.url("")).expect_err("old bytes");
            assert_eq!(error.class(), Class::Integrity, "{refused}: {error}");
            assert_eq!(error.title(), "the server has other bytes than the manifest pins");
        }
    }
}

#[test]
fn a_server_that_refuses_no_cache_is_asked_under_a_fresh_url() {
    let (old, new) = (noise(1, SIZE), noise(2, SIZE));
    let (served, product) = (new.clone(), Product::of(&new, "a"));
    let server = serve(move |request| match (request.path.contains("pack-fresh"), request.header("cache-control")) {
        (true, _) => Reply::file(request, &served),
        (false, Some(_)) => Reply::new(403, "no"),
        (false, None) => Reply::file(request, &old),
    });
    product.download(&server.url("")).expect("the new one");
    product.assert_complete();
}

/// A folder with version 1.0.0 of a product in `src`, signed; and its origin.
fn published() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let src = folder.path().join("src");
    std::fs::create_dir(&src).expect("a folder");
    expect(0, folder.path(), &["keygen", "release", "--no-password"]);
    publish(folder.path(), "1.0.0");
    let origin = serve(move |request| {
        let name = request.path.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
        std::fs::read(src.join(name)).map_or_else(|_| Reply::new(404, ""), |content| Reply::file(request, &content))
    });
    (folder, origin)
}

/// As [`published`], and a proxy that holds `cached` of it.
fn behind(key: &str, cached: &str) -> Option<(tempfile::TempDir, Server, Nginx)> {
    let (folder, origin) = published();
    let proxy = proxy(&origin, key, false)?;
    let fetcher = Fetcher::new(Product::hurried()).expect("a fetcher");
    let url = proxy.url(0, cached);
    let request = DocumentRequest { url: &url, limit: 10_000, bypass: CacheBypass::NoCache, notes: &drop };
    assert!(matches!(fetcher.document(request), Ok(Lookup::Found(_))), "into the cache");
    Some((folder, origin, proxy))
}

fn publish(folder: &Path, version: &str) {
    write_product(&folder.join("src"), version, &[file("data", "file", version)]);
    expect(0, folder, &["sign", "src/manifest.json", "--key", "release.key"]);
}

#[test]
fn yesterdays_signature_beside_todays_manifest_is_beaten_by_a_fresh_url() {
    let Some((folder, _origin, proxy)) = behind("$uri$is_args$args", "manifest.json.minisig") else { return };
    publish(folder.path(), "1.0.1");
    let url = proxy.url(0, "manifest.json").to_string();
    let (_, err) = expect(0, folder.path(), &["download", &url, "--pubkey", "release.pub"]);
    assert!(err.contains("asking again, under URLs that no cache knows"), "{err}");
    expect(0, folder.path(), &["verify", "--pubkey", "release.pub"]);
    assert!(proxy.log().contains("/manifest.json.minisig?pack-fresh="), "{}", proxy.log());
    assert!(!proxy.log().contains("/data?pack-fresh="), "an artifact's URL has nothing of it: {}", proxy.log());
}

#[test]
fn yesterdays_signature_that_nothing_beats_is_told_with_who_sent_it() {
    let Some((folder, _origin, proxy)) = behind("$uri", "manifest.json.minisig") else { return };
    publish(folder.path(), "1.0.1");
    let url = proxy.url(0, "manifest.json").to_string();
    let (_, err) = expect(3, folder.path(), &["download", &url, "--pubkey", "release.pub"]);
    for told in ["reason: the content is not what was signed", "age: 36000", "x-cache: HIT", "etag: ", "server: nginx"]
    {
        assert!(err.contains(told), "{told}: {err}");
    }
    assert!(!folder.path().join("probe-portable").exists());
}

#[test]
fn yesterdays_manifest_is_beaten_by_a_fresh_url() {
    let Some((folder, origin, proxy)) = behind("$uri$is_args$args", "manifest.json") else { return };
    publish(folder.path(), "1.0.1");
    expect(0, folder.path(), &["download", origin.url("manifest.json").as_str()]);
    let url = proxy.url(0, "manifest.json").to_string();
    let (_, err) = expect(0, folder.path(), &["download", &url]);
    assert!(err.contains("this version is older than the one in the folder: asking again"), "{err}");
    let log = proxy.log();
    assert!(log.contains("/manifest.json?pack-fresh=") && !log.contains("/data"), "{log}");
}

#[test]
fn yesterdays_manifest_that_nothing_beats_is_told_with_who_sent_it() {
    let Some((folder, origin, proxy)) = behind("$uri", "manifest.json") else { return };
    publish(folder.path(), "1.0.1");
    expect(0, folder.path(), &["download", origin.url("manifest.json").as_str()]);
    let url = proxy.url(0, "manifest.json").to_string();
    let (_, err) = expect(3, folder.path(), &["download", &url]);
    for told in ["offered: 1.0.0", "differs: 'data' was", "age: 36000", "x-cache: HIT", "etag: ", "server: nginx", &url]
    {
        assert!(err.contains(told), "{told}: {err}");
    }
}

#[test]
fn half_a_manifest_in_a_cache_is_beaten_by_a_fresh_url() {
    let Some((folder, _origin, proxy)) = behind("$uri$is_args$args", "data") else { return };
    let whole = std::fs::read(folder.path().join("src/manifest.json")).expect("read");
    std::fs::write(folder.path().join("src/manifest.json"), &whole[..whole.len() / 2]).expect("written");
    let url = proxy.url(0, "manifest.json").to_string();
    let (_, err) = expect(1, folder.path(), &["download", &url]);
    assert!(err.contains("the text ends too early") && err.contains("server: nginx"), "{err}");
    std::fs::write(folder.path().join("src/manifest.json"), &whole).expect("written");
    expect(0, folder.path(), &["download", &url]);
}

#[test]
fn an_artifact_that_has_a_digest_and_no_size_is_pinned_past_a_stale_cache() {
    let Some((folder, origin, proxy)) = behind("$uri$is_args$args", "data") else { return };
    let new = noise(3, SIZE);
    std::fs::write(folder.path().join("src/data"), &new).expect("written");
    let path = folder.path().join("manifest.json");
    let pinned = |url: &str| {
        let artifact = serde_json::json!({
            "name": "data", "kind": "file", "urls": [url], "digest": pack::digest::Digest::of(&new),
        });
        let manifest = serde_json::json!({
            "schemaVersion": 1, "name": "probe", "version": "1.0.1", "artifacts": [artifact],
        });
        std::fs::write(&path, manifest.to_string()).expect("written");
    };
    pinned(proxy.url(0, "data").as_str());
    let (_, err) = expect(0, folder.path(), &["lock"]);
    assert!(err.contains("asking again past caches, under a URL none of them knows"), "{err}");
    assert!(std::fs::read_to_string(&path).expect("read").contains(&format!("\"size\": {SIZE}")));
    // Where even that helps nothing, the error tells who has the wrong bytes.
    origin.now(|request| Reply::file(request, b"old").header("Via", "1.1 near").header("Via", "1.1 far"));
    pinned(origin.url("data").as_str());
    let before = origin.requests().len();
    let (_, err) = expect(3, folder.path(), &["lock"]);
    for told in [
        "actual size: 3 bytes",
        "actual digest: sha256:",
        "expected digest: sha256:",
        "via: 1.1 near, 1.1 far",
        "etag: ",
    ] {
        assert!(err.contains(told), "{told}: {err}");
    }
    let asked = &origin.requests()[before..];
    assert_eq!(asked.len(), 2, "past caches, and under a fresh URL: there is no third way: {asked:?}");
    assert!(asked.iter().all(|request| request.range().is_none()), "nothing goes on behind wrong bytes: {asked:?}");
}

#[test]
fn what_a_server_answers_to_an_unknown_query_takes_nothing_away() {
    let (folder, origin) = published();
    let src = folder.path().join("src");
    let old =
        ["manifest.json", "manifest.json.minisig", "data"].map(|name| std::fs::read(src.join(name)).expect("read"));
    publish(folder.path(), "1.0.1");
    expect(0, folder.path(), &["download", origin.url("manifest.json").as_str()]);
    // Yesterday's to everybody; to a query that it does not know a page, as a login or a firewall answers.
    origin.now(move |request| match request.path.as_str() {
        "/manifest.json" => Reply::file(request, &old[0]),
        "/manifest.json.minisig" => Reply::file(request, &old[1]),
        "/data" => Reply::file(request, &old[2]),
        _ => Reply::new(200, "<html>who are you?</html>"),
    });
    let url = origin.url("manifest.json").to_string();
    for key in [&[][..], &["--pubkey", "release.pub"]] {
        let (_, err) = expect(3, folder.path(), &[&["download", &url], key].concat());
        assert!(err.contains("error: this version is older") && err.contains("offered: 1.0.0"), "{err}");
    }
    // Without a key a signature is nobody's business: a good manifest is not refused for want of one.
    let new = std::fs::read(src.join("manifest.json")).expect("read");
    let stale = std::fs::read(src.join("manifest.json.minisig")).expect("read");
    origin.now(move |request| match request.path.as_str() {
        "/manifest.json" => Reply::new(200, "half"),
        "/manifest.json.minisig" => Reply::file(request, &stale),
        path if path.starts_with("/manifest.json?pack-fresh=") => Reply::file(request, &new),
        _ => Reply::new(403, ""),
    });
    expect(0, folder.path(), &["download", &url]);
}
