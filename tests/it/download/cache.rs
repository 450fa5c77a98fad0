//! Nothing twice: artifacts come from the cache, which is believed no more than a server.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::fault::product::{Product, Watcher};
use crate::support::fault::{Reply, Server, serve};
use crate::support::noise;
use pack::cache::Cache;
use pack::digest::Digest;
use pack::fetch::{Fetcher, How, Options};

const SIZE: usize = 400_000;

fn with_cache(product: &Product) -> Options {
    Options { cache: Some(product.scratch.path().join("cache")), ..Product::hurried() }
}

/// A server whose `/N` is `noise(N)`.
fn numbered() -> Server {
    serve(|request| match request.path.trim_start_matches('/').parse() {
        Ok(number) => Reply::file(request, &noise(number, SIZE)),
        Err(_) => Reply::new(404, ""),
    })
}

fn version(product: Product, numbers: &[u64]) -> Product {
    numbers.iter().fold(product, |product, &n| product.with(&format!("f{n}"), &noise(n, SIZE), &[&n.to_string()]))
}

#[test]
fn the_next_version_transfers_only_what_changed() {
    let server = numbered();
    let first = version(Product::new(), &[1, 2, 3]);
    let options = with_cache(&first);
    first.download_with(&server.url(""), options.clone()).expect("downloaded");
    assert_eq!(server.sent(), 3 * SIZE as u64);
    let second = version(Product::new(), &[1, 2, 4]);
    let outcomes = second.download_with(&server.url(""), options.clone()).expect("downloaded");
    second.assert_complete();
    assert_eq!(server.sent(), 4 * SIZE as u64, "bytes on the wire: only what changed");
    let cached: Vec<bool> = outcomes.iter().map(|outcome| outcome.from_cache).collect();
    assert_eq!(cached, [true, true, false]);
    assert_eq!(outcomes.iter().map(|outcome| outcome.wire_bytes).sum::<u64>(), SIZE as u64);
    // Without a cache everything comes again.
    let third = version(Product::new(), &[1, 2, 4]);
    third.download_with(&server.url(""), Product::hurried()).expect("downloaded");
    assert_eq!(server.sent(), 7 * SIZE as u64);
}

#[test]
fn a_damaged_entry_is_thrown_away_said_and_fetched() {
    let server = numbered();
    let product = version(Product::new(), &[1]);
    let options = with_cache(&product);
    product.download_with(&server.url(""), options.clone()).expect("downloaded");
    let digest = Digest::of(&noise(1, SIZE));
    let entry = options.cache.as_ref().expect("given").join("sha256").join(digest.hex());
    for damage in [noise(9, SIZE), noise(1, SIZE)[..1000].to_vec(), [noise(1, SIZE), vec![0]].concat(), Vec::new()] {
        fs::remove_file(&entry).expect("there");
        fs::write(&entry, damage).expect("written");
        let again = version(Product::new(), &[1]);
        let watcher = Watcher::default();
        let outcomes = again.download_watched(&server.url(""), options.clone(), &watcher).expect("downloaded");
        again.assert_complete();
        assert!(!outcomes[0].from_cache);
        let notes = watcher.notes.lock().expect("no panic");
        assert!(notes.iter().any(|note| note.contains("damaged")), "{notes:?}");
        assert_eq!(watcher.counts.lock().expect("no panic")[0].1, SIZE as i64);
        assert_eq!(Digest::of(&fs::read(&entry).expect("kept anew")), digest);
    }
}

#[test]
fn a_file_edited_in_one_folder_changes_no_other() {
    let server = numbered();
    let one = version(Product::new(), &[1]);
    let options = with_cache(&one);
    one.download_with(&server.url(""), options.clone()).expect("downloaded");
    let two = version(Product::new(), &[1]);
    two.download_with(&server.url(""), options.clone()).expect("from the cache");
    let same = |a: &Product, b: &Product| {
        fs::metadata(a.path("f1")).expect("there").ino() == fs::metadata(b.path("f1")).expect("there").ino()
    };
    assert!(!same(&one, &two), "two folders never share a file");
    // An edit in place, such as an editor's on a configuration file: the cache may have seen it, too.
    fs::write(one.path("f1"), "edited").expect("written");
    assert_eq!(fs::read(two.path("f1")).expect("there"), noise(1, SIZE));
    let three = version(Product::new(), &[1]);
    three.download_with(&server.url(""), options).expect("downloaded");
    three.assert_complete();
}

#[test]
fn what_is_kept_in_a_folder_and_what_was_pinned_is_in_the_cache() {
    let server = numbered();
    let product = version(Product::new(), &[1]);
    product.download_with(&server.url(""), Product::hurried()).expect("downloaded");
    let options = with_cache(&product);
    let outcomes = product.download_with(&server.url(""), options.clone()).expect("kept");
    assert_eq!(outcomes[0].how, How::Kept);
    let cache = Cache::at(options.cache.clone().expect("given"));
    assert_eq!(cache.list().expect("listed").len(), 1);

    let text =
        r#"{"schemaVersion":1,"name":"x","version":"1.0.0","artifacts":[{"name":"a","kind":"image","urls":["7"]}]}"#;
    let manifest = pack::manifest::Manifest::parse(text.into(), "test").expect("valid");
    let fetcher = Fetcher::new(options.clone()).expect("a fetcher");
    let (pins, failure) = fetcher.pin(manifest.artifacts(), &server.url(""), &pack::progress::Silent);
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(pins[0].descriptor.digest, Digest::of(&noise(7, SIZE)));
    let asked = server.requests().len();
    let next = version(Product::new(), &[7]);
    let outcomes = next.download_with(&server.url(""), options).expect("downloaded");
    assert!(outcomes[0].from_cache);
    assert_eq!(server.requests().len(), asked, "what was pinned is not fetched twice");
    let left = fs::read_dir(cache.root().join("sha256")).expect("listed").count();
    assert_eq!(left, 2, "nothing but entries is left in the cache");
}

#[test]
fn a_cache_that_cannot_be_written_is_no_reason_to_fail() {
    let server = numbered();
    let product = version(Product::new(), &[1]);
    let options = with_cache(&product);
    fs::write(options.cache.as_ref().expect("given"), "a file where the cache should be").expect("written");
    let watcher = Watcher::default();
    product.download_watched(&server.url(""), options, &watcher).expect("downloaded");
    assert!(watcher.notes.lock().expect("no panic")[0].contains("not kept in the cache"));
}

#[test]
fn a_damaged_entry_that_cannot_be_thrown_away_is_no_reason_to_fail() {
    let server = numbered();
    let product = version(Product::new(), &[1]);
    let options = with_cache(&product);
    let entry = options.cache.as_ref().expect("given").join("sha256").join(Digest::of(&noise(1, SIZE)).hex());
    // Not even root removes a folder as if it were a file.
    fs::create_dir_all(&entry).expect("made");
    let watcher = Watcher::default();
    product.download_watched(&server.url(""), options, &watcher).expect("downloaded");
    product.assert_complete();
    let notes = watcher.notes.lock().expect("no panic");
    assert!(
        ["cannot be used", "not kept in the cache: cannot remove"]
            .iter()
            .all(|said| notes.iter().any(|note| note.contains(said))),
        "{notes:?}"
    );
}

#[test]
fn what_a_symbolic_link_leads_to_is_in_the_cache_and_not_the_link() {
    let server = numbered();
    let product = version(Product::new(), &[1]);
    let options = with_cache(&product);
    let elsewhere = product.scratch.path().join("elsewhere");
    fs::write(&elsewhere, noise(1, SIZE)).expect("written");
    fs::create_dir_all(product.folder().root()).expect("made");
    std::os::unix::fs::symlink("../elsewhere", product.path("f1")).expect("linked");
    product.download_with(&server.url(""), options.clone()).expect("kept");
    fs::remove_file(&elsewhere).expect("removed");
    let again = version(Product::new(), &[1]);
    let outcomes = again.download_with(&server.url(""), options).expect("downloaded");
    assert!(outcomes[0].from_cache && server.requests().is_empty());
}
