//! What cannot be read now is not absent: the folder's manifest, platform, signature, the cache's entry. A link to
//! itself is what no user, root included, can read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::alone::said;
use crate::support::fault::product::{Product, Watcher};
use crate::support::fault::{Reply, serve};
use crate::support::{expect, file, noise, pack, write_product};
use pack::fetch::Options;

fn unreadable(path: &Path) {
    let _ = fs::remove_file(path);
    symlink(path, path).expect("a link to itself");
}

#[test]
fn a_cache_entry_that_cannot_be_read_is_told_and_the_bytes_are_fetched() {
    let bytes = noise(1, 50_000);
    let served = bytes.clone();
    let server = serve(move |request| Reply::file(request, &served));
    let product = Product::of(&bytes, "a");
    let cache = product.scratch.path().join("cache");
    let shelf = cache.join("sha256");
    fs::create_dir_all(&shelf).expect("a folder");
    unreadable(&shelf.join(pack::digest::Digest::of(&bytes).hex()));
    let watcher = Watcher::default();
    let options = Options { cache: Some(cache), ..Product::hurried() };
    product.download_watched(&server.url(""), options, &watcher).expect("downloaded");
    product.assert_complete();
    let notes = watcher.notes.lock().expect("no panic").join("\n");
    assert!(notes.contains("its entry in the cache cannot be used"), "{notes}");
}

#[test]
fn a_folders_files_that_cannot_be_read_are_not_taken_for_absent() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    write_product(&folder.join("src"), "1.0.0", &[file("data", "file", "x")]);
    let download = ["download", "--no-cache", "--dir", "out", "src/manifest.json"];
    expect(0, folder, &download);
    expect(0, folder, &["bundle", "out", "-o", "x.run"]);
    let refused = |words: &[&str], told: &str| {
        let output = pack(folder).args(words).output().expect("pack runs");
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(told), "{words:?}: {}", said(&output));
    };

    let platform = folder.join("out/.pack/platform");
    let written = fs::read(&platform).expect("written down");
    unreadable(&platform);
    refused(&["verify", "out"], "platform");
    refused(&download, "platform");
    fs::remove_file(&platform).expect("removed");
    fs::write(&platform, written).expect("written");

    // Who cannot see which version is there must not put another over it.
    let manifest = folder.join("out/manifest.json");
    unreadable(&manifest);
    refused(&["extract", "x.run", "out"], "manifest");
    refused(&download, "manifest");
    assert!(fs::symlink_metadata(&manifest).expect("there").is_symlink());
    fs::remove_file(&manifest).expect("removed");
    expect(0, folder, &download);

    let signature = folder.join("out/manifest.json.minisig");
    unreadable(&signature);
    let (_, err) = expect(0, folder, &["verify", "out"]);
    assert!(err.contains("manifest.json.minisig cannot be read"), "{err}");
    fs::remove_file(&signature).expect("removed");

    // Without one here the product built in is meant.
    let here = folder.join("here");
    fs::create_dir(&here).expect("a folder");
    unreadable(&here.join("manifest.json"));
    let output = pack(&here).args(["download", "--list"]).output().expect("pack runs");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("look at the manifest"), "{}", said(&output));
}
