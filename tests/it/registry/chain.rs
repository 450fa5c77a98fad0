//! The chain from the reference to the archive: whichever link is broken, nothing of it is pinned or placed, and the link is
//! named.

use std::fs;

use super::archive::web;
use super::said;
use crate::support::fault::serve;
use crate::support::images::{Made, gzip, image, layer};
use crate::support::registry::{Documents, artifact, blob_path, described, index, oci, write_manifest};
use pack::digest::Digest;
use serde_json::Value;

fn fast(layer: &[u8]) -> Vec<u8> {
    gzip(layer, 6)
}

/// A way to break a link, and how that is told.
type Break = (&'static str, fn(&Made, &mut Documents));

fn flip(documents: &mut Documents, path: &str) {
    let bytes = documents.0.get_mut(path).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

const BREAKS: [Break; 7] = [
    ("the registry's config is not the one that the image's manifest names", |made, documents| {
        flip(documents, &blob_path(&made.id()));
    }),
    ("the registry's layer is not the one that the image's manifest names", |made, documents| {
        flip(documents, &blob_path(&Digest::of(&fast(&made.layers[1]))));
    }),
    ("the registry's layer is not the one that the image's manifest names", |made, documents| {
        let path = blob_path(&Digest::of(&fast(&made.layers[1])));
        documents.0.get_mut(&path).expect("there").push(0);
    }),
    ("the registry's layer is not the one that the image's manifest names", |made, documents| {
        let path = blob_path(&Digest::of(&fast(&made.layers[1])));
        documents.0.get_mut(&path).expect("there").truncate(100);
    }),
    ("the registry's manifest is not the one that its index names", |made, documents| {
        let manifest = documents.push(made, fast);
        documents.name("1", &index(&[described(&manifest, "amd64", "")]));
        let other = documents.push(&image("web:1", vec![layer(7, 10)]), fast);
        documents.name(&Digest::of(&manifest).to_string(), &other);
    }),
    ("a layer is not what its image's config says", |made, documents| {
        let swapped = Made { layers: vec![layer(3, 10), layer(2, 40_000), layer(1, 300_000)], ..made.clone() };
        let manifest = documents.push(&swapped, fast);
        documents.name("1", &manifest);
    }),
    ("they have different numbers of layers", |made, documents| {
        let fewer = Made { layers: made.layers[1..].to_vec(), ..made.clone() };
        let manifest = documents.push(&fewer, fast);
        documents.name("1", &manifest);
    }),
];

#[test]
fn what_is_not_what_the_link_before_names_is_not_pinned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = web();
    for (why, tamper) in BREAKS {
        let mut documents = Documents::of(&made, fast);
        tamper(&made, &mut documents);
        let server = documents.serve();
        write_manifest(folder.path(), &[oci(&server, ":1")]);
        let text = said(3, folder.path(), &["lock", "--retries", "0", "--no-cache"]);
        assert!(text.contains(why) && text.contains("hint:"), "{why}: {text}");
        assert_eq!(artifact(folder.path())["digest"], Value::Null);
    }
}

#[test]
fn what_is_not_what_was_pinned_gets_no_final_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = web();
    let server = Documents::of(&made, fast).serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    said(0, folder.path(), &["lock", "--no-cache"]);
    let pinned = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    let download = ["download", "manifest.json", "--no-cache", "--retries", "0"];
    let refused = |why: &str| {
        let text = said(3, folder.path(), &download);
        assert!(text.contains(why) && text.contains("hint:"), "{why}: {text}");
        assert!(!folder.path().join("probe-portable/web.tar").exists());
    };
    // The manifest under the pinned digest is another one.
    let name =
        artifact(folder.path())["urls"][0].as_str().and_then(|url| url.split('@').nth(1)).expect("pinned").to_owned();
    let mut other = Documents::of(&made, fast);
    let exchanged = other.push(&image("web:1", vec![layer(7, 10)]), fast);
    other.name(&name, &exchanged);
    server.now(move |request| other.found(request));
    refused("the registry's manifest is not the one that the reference names by digest");
    // A reference to another image than the one whose archive was pinned: larger, smaller.
    let large = image("web:1", vec![layer(7, 900_000)]);
    for (other, size) in [(large, "more than"), (image("web:1", vec![layer(7, 10)]), "bytes")] {
        let mut documents = Documents::default();
        let manifest = documents.push(&other, fast);
        let text = pinned.replace(&name, &Digest::of(&manifest).to_string());
        fs::write(folder.path().join("manifest.json"), text).expect("written");
        server.now(move |request| documents.found(request));
        refused("the archive of the registry's image is not the one the manifest pins");
        refused(size);
    }
    // And with the right ones it goes on.
    fs::write(folder.path().join("manifest.json"), pinned).expect("written");
    let documents = Documents::of(&made, fast);
    server.now(move |request| documents.found(request));
    said(0, folder.path(), &download);
}

#[test]
fn a_tags_manifest_that_was_damaged_on_the_way_is_not_pinned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = Documents::of(&web(), fast);
    let honest = Digest::of(&documents.0["/v2/shop/web/manifests/1"]);
    let mut damaged = documents.clone();
    // It still names the same blobs.
    damaged.0.get_mut("/v2/shop/web/manifests/1").expect("there").push(b' ');
    let server = serve(move |request| {
        let reply = damaged.found(request);
        let is_tag = request.path.ends_with("/manifests/1");
        if is_tag { reply.header("Docker-Content-Digest", honest.to_string()) } else { reply }
    });
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(3, folder.path(), &["lock", "--retries", "0"]);
    assert!(text.contains("is not the one that its own answer names by digest"), "{text}");
    server.now(move |request| documents.found(request).header("Docker-Content-Digest", "sha512:what"));
    said(0, folder.path(), &["lock"]);
}

#[test]
fn a_good_source_is_asked_after_a_bad_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = web();
    let good = Documents::of(&made, fast).serve();
    let mut documents = Documents::of(&made, fast);
    flip(&mut documents, &blob_path(&Digest::of(&fast(&made.layers[1]))));
    let bad = documents.serve();
    write_manifest(folder.path(), &[oci(&bad, ":1"), oci(&good, ":1")]);
    said(0, folder.path(), &["lock"]);
    said(0, folder.path(), &["download", "manifest.json", "--no-cache"]);
}
