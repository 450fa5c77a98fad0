//! What a tag is resolved to, and the archive that is made of the image: always the same bytes.

use std::fs;

use super::said;
use crate::support::fault::{Reply, Request, serve};
use crate::support::images::{Made, gzip, image, image_for, layer, zstd};
use crate::support::registry::{Documents, Packer, artifact, described, index, members, oci, write_manifest};
use crate::support::{expect, json_of_output};
use pack::digest::Digest;
use serde_json::{Value, json};

pub(super) fn web() -> Made {
    image("web:1", vec![layer(1, 300_000), layer(2, 40_000), layer(1, 300_000)])
}

fn fast(layer: &[u8]) -> Vec<u8> {
    gzip(layer, 6)
}

#[test]
fn a_tag_is_resolved_for_the_platform_and_the_archive_has_the_images_id_and_layers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut documents = Documents::default();
    let other = documents.push(&image_for("arm64", "web:1", vec![layer(9, 1_000)]), fast);
    let made = web();
    let manifest = documents.push(&made, fast);
    let offered = [
        described(&other, "arm64", "v8"),
        // Not every machine of the platform runs that.
        described(&other, "amd64", "v3"),
        described(&manifest, "amd64", ""),
    ];
    documents.name("1", &index(&offered));
    let server = documents.serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let (shown, _) = expect(0, folder.path(), &["lock", "--json"]);
    let manifest = Digest::of(&manifest);
    let tag = json!({ "url": oci(&server, ":1"), "manifest": manifest });
    assert_eq!(json_of_output(&shown)["pinned"][0]["tags"], json!([tag]));
    let pinned = artifact(folder.path());
    assert_eq!(pinned["urls"][0], oci(&server, &format!(":1@{manifest}")));
    let asked = server.requests().len();
    assert!(said(0, folder.path(), &["lock"]).contains("every artifact is pinned already"));
    said(0, folder.path(), &["download", "manifest.json", "--dir", "out"]);
    assert_eq!(server.requests().len(), asked, "the archive is in the cache");
    let archive = fs::read(folder.path().join("out/web.tar")).expect("read");
    assert_eq!(pinned["digest"], Digest::of(&archive).to_string());
    // Without a cache, from the registry again: the same bytes, and the tag is not asked for.
    said(0, folder.path(), &["download", "manifest.json", "--dir", "again", "--no-cache"]);
    let again = &server.requests()[asked..];
    assert!(again.len() > 2 && again.iter().all(|request| !request.path.ends_with("/1")));
    assert!(fs::read(folder.path().join("again/web.tar")).expect("read") == archive);
    let members = members(&archive);
    let listed: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    assert_eq!(listed[0]["Config"], format!("{}.json", made.id().hex()));
    assert_eq!(listed[0]["RepoTags"][0], oci(&server, ":1").trim_start_matches("oci://"));
    let paths = listed[0]["Layers"].as_array().expect("a list");
    assert!(paths.iter().map(|path| &members[path.as_str().expect("text")]).eq(&made.layers), "decompressed");
    said(0, folder.path(), &["verify", "out"]);
}

/// As `pigz -i` and estargz have it.
fn two_members(layer: &[u8]) -> Vec<u8> {
    let (one, other) = layer.split_at(layer.len() / 3);
    [gzip(one, 6), gzip(other, 6)].concat()
}

/// As BuildKit has it.
fn streamed(layer: &[u8]) -> Vec<u8> {
    ::zstd::stream::encode_all(layer, 3).expect("memory")
}

/// Frozen: these bytes are what manifests pin.
#[test]
fn every_compression_of_an_image_gives_one_archive_and_it_never_changes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut digests = Vec::new();
    // The last two do not tell their size as the others do.
    let packs: [Packer; 5] = [|layer| layer.to_vec(), |layer| gzip(layer, 9), zstd, two_members, streamed];
    for pack in packs {
        let mut documents = Documents::default();
        let manifest = documents.push(&web(), pack);
        let server = documents.serve();
        write_manifest(folder.path(), &[oci(&server, &format!("@{}", Digest::of(&manifest)))]);
        said(0, folder.path(), &["lock"]);
        digests.push(artifact(folder.path())["digest"].as_str().expect("pinned").to_owned());
    }
    assert_eq!(digests, [GOLDEN; 5]);
}

const GOLDEN: &str = "sha256:a1d62c5f8ae7611299d2058666332eda9cdfe0689f4fda39291e9e66bd40fdfa";

#[test]
fn each_registrys_tag_gets_the_digest_of_its_own_manifest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = Documents::of(&web(), fast).serve();
    let two = Documents::of(&web(), zstd).serve();
    let urls = [oci(&one, ":1"), "web.tar".to_owned(), oci(&two, ":1")];
    write_manifest(folder.path(), &urls);
    said(0, folder.path(), &["lock"]);
    let pinned = artifact(folder.path());
    let url = |at: usize| pinned["urls"][at].as_str().expect("text").to_owned();
    assert!(url(0).starts_with(&format!("{}@sha256:", urls[0])), "{pinned}");
    assert_eq!(url(1), urls[1]);
    assert!(url(2).starts_with(&format!("{}@sha256:", urls[2])), "{pinned}");
    assert_ne!(url(0).split('@').nth(1), url(2).split('@').nth(1), "other blobs, other manifests");
    // Either gives the same archive.
    drop(one);
    said(0, folder.path(), &["download", "manifest.json", "--no-cache", "--retries", "0"]);
}

#[test]
fn two_registries_with_different_images_are_not_one_artifact() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = Documents::of(&web(), fast).serve();
    let two = Documents::of(&image("web:1", vec![layer(3, 10)]), fast).serve();
    write_manifest(folder.path(), &[oci(&one, ":1"), oci(&two, ":1")]);
    let text = said(1, folder.path(), &["lock"]);
    assert!(text.contains("two URLs of an artifact name different images") && text.contains("hint:"), "{text}");
    assert_eq!(artifact(folder.path())["digest"], Value::Null);
}

#[test]
fn a_tag_that_moved_is_pinned_anew_by_update_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Documents::of(&web(), fast).serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    said(0, folder.path(), &["lock"]);
    let old = artifact(folder.path());
    let moved = Documents::of(&image("web:1", vec![layer(4, 20_000)]), fast);
    server.now(move |request| moved.found(request));
    said(0, folder.path(), &["lock"]);
    assert_eq!(artifact(folder.path()), old);
    said(0, folder.path(), &["lock", "--update"]);
    let new = artifact(folder.path());
    assert!(new["urls"][0] != old["urls"][0] && new["digest"] != old["digest"], "{new}");
    // A new URL among those of a pinned artifact is pinned too.
    let text = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    let more = text.replacen("[\"oci", &format!("[\"{}\",\"oci", oci(&server, ":1")), 1);
    fs::write(folder.path().join("manifest.json"), more).expect("written");
    said(0, folder.path(), &["lock"]);
    let both = artifact(folder.path());
    assert_eq!((&both["urls"][0], &both["digest"]), (&new["urls"][0], &new["digest"]));
}

#[test]
fn the_version_in_a_tag_stays_the_versions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut documents = Documents::default();
    let manifest = documents.push(&web(), fast);
    documents.name("1.0.0", &manifest);
    let server = documents.serve();
    let url = oci(&server, ":${version}");
    write_manifest(folder.path(), &[url.clone(), "${version}/web.tar".to_owned()]);
    said(0, folder.path(), &["lock"]);
    let pinned = artifact(folder.path());
    assert_eq!(pinned["urls"], json!([format!("{url}@{}", Digest::of(&manifest)), "${version}/web.tar"]));
    assert!(said(0, folder.path(), &["lock"]).contains("every artifact is pinned already"));
    said(0, folder.path(), &["download", "manifest.json"]);
    let list = said(0, folder.path(), &["download", "--list", "manifest.json"]);
    assert!(list.contains("/1.0.0/web.tar") && list.contains("web:1.0.0@sha256:"), "{list}");
    write_manifest(folder.path(), &[oci(&server, ":${tag}")]);
    assert!(said(1, folder.path(), &["lock"]).contains("URL 1 has a '${' that does not begin ${version}"));
}

#[test]
fn a_blob_is_fetched_once_for_all_images_and_versions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Documents::of(&web(), fast).serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    said(0, folder.path(), &["lock"]);
    let base = Digest::of(&fast(&web().layers[0]));
    let path = crate::support::registry::blob_path(&base);
    assert_eq!(server.asked_for(&path), 1, "twice in the image, once over the network");
    let next = image("web:2", vec![web().layers[0].clone(), layer(5, 1_000)]);
    let documents = Documents::of(&next, fast);
    server.now(move |request| documents.found(request));
    let before = server.sent();
    said(0, folder.path(), &["lock", "--update"]);
    assert_eq!(server.asked_for(&path), 1, "the cache has it");
    assert!(server.sent() - before < 4_000, "only what is new: {}", server.sent() - before);
    // A damaged one is found, thrown away, and fetched again.
    let entry = folder.path().join(".cache/pack/sha256").join(base.hex());
    let mut bytes = fs::read(&entry).expect("kept");
    bytes[1_000] ^= 1;
    fs::remove_file(&entry).and_then(|()| fs::write(&entry, bytes)).expect("written");
    said(0, folder.path(), &["lock", "--update"]);
    assert_eq!(server.asked_for(&path), 2);
}

#[test]
fn what_no_archive_can_be_made_of_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config =
        json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(b"x"), "size": 1 });
    let with = |kind: &str| {
        let layer = json!({ "mediaType": kind, "digest": Digest::of(b"y"), "size": 1 });
        json!({ "schemaVersion": 2, "config": config, "layers": [layer] })
    };
    for (document, why) in [
        (json!({ "schemaVersion": 1, "fsLayers": [] }), "schema 1"),
        (json!({ "schemaVersion": 2, "manifests": [] }), "does not have the image for this platform"),
        (json!({ "schemaVersion": 2, "manifests": [], "config": config, "layers": [] }), "cannot be read"),
        (with("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "foreign layer"),
        (with("application/vnd.cncf.helm.chart.content.v1.tar+gzip"), "is not an image"),
        (json!({ "schemaVersion": 3 }), "cannot be read"),
        (json!([]), "cannot be read"),
    ] {
        let mut documents = Documents::default();
        documents.name("1", document.to_string().as_bytes());
        let server = documents.serve();
        write_manifest(folder.path(), &[oci(&server, ":1")]);
        let text = said(1, folder.path(), &["lock"]);
        assert!(text.contains(why) && text.contains("hint:"), "{why}: {text}");
    }
}

#[test]
fn an_image_for_another_platform_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Documents::of(&image_for("arm64", "web:1", vec![layer(9, 1_000)]), fast).serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(1, folder.path(), &["lock"]);
    assert!(text.contains("for another platform") && text.contains("linux/arm64"), "{text}");
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_where_it_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = Documents::of(&web(), fast);
    let mirrored = documents.clone();
    let mirror = serve(move |request: &Request| {
        let below = Request { path: request.path.replacen("/v2/hub/", "/v2/", 1), ..request.clone() };
        if below.path == request.path { Reply::new(500, "") } else { mirrored.found(&below) }
    });
    let server = documents.serve();
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let option = format!("{}={}/hub", server.address(), mirror.address());
    said(0, folder.path(), &["lock", "--registry-mirror", &option]);
    assert_eq!(server.requests().len(), 0);
    let pinned = artifact(folder.path());
    assert!(pinned["urls"][0].as_str().is_some_and(|url| url.starts_with(&oci(&server, ":1@"))), "{pinned}");
    mirror.now(|_| Reply::new(404, "{}"));
    said(0, folder.path(), &["download", "manifest.json", "--no-cache", "--registry-mirror", &option]);
    assert!(!server.requests().is_empty());
}

#[test]
fn without_a_word_for_it_only_this_machine_is_asked_without_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_manifest(folder.path(), &["oci://registry.invalid:5000/shop/web:1".to_owned()]);
    let text = said(1, folder.path(), &["lock", "--retries", "0"]);
    assert!(text.contains("https://registry.invalid:5000/v2/"), "{text}");
    let text = said(1, folder.path(), &["lock", "--retries", "0", "--insecure-registry", "registry.invalid:5000"]);
    assert!(text.contains("http://registry.invalid:5000/v2/"), "{text}");
}
