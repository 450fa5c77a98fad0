//! `pack lock --cosign-key`: an image is pinned only if that key has signed it, in either form in which cosign keeps that. The
//! keys and signatures are openssl's.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::said;
use crate::support::fault::{Reply, Server, serve};
use crate::support::images::{Made, gzip, image, layer};
use crate::support::registry::{Documents, artifact, blob_path, described, index, oci, write_manifest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pack::digest::Digest;
use serde_json::{Value, json};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn openssl(folder: &Path, words: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(words).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Makes `NAME.key` and `NAME.pub`.
fn key(folder: &Path, name: &str, kind: &[&str]) {
    let (secret, public) = (format!("{name}.key"), format!("{name}.pub"));
    openssl(folder, &[&["genpkey", "-out", &secret, "-algorithm"], kind].concat());
    openssl(folder, &["pkey", "-in", &secret, "-pubout", "-out", &public]);
}

const P256: [&str; 3] = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn signature(folder: &Path, name: &str, message: &[u8]) -> String {
    fs::write(folder.join("message"), message).expect("written");
    let key = format!("{name}.key");
    let text = String::from_utf8_lossy(&openssl(folder, &["pkey", "-in", &key, "-noout", "-text"])).into_owned();
    STANDARD.encode(match text.starts_with("ED25519") {
        true => openssl(folder, &["pkeyutl", "-sign", "-inkey", &key, "-rawin", "-in", "message"]),
        false => openssl(folder, &["dgst", "-sha256", "-sign", &key, "message"]),
    })
}

fn payload(image: &Digest) -> Vec<u8> {
    let identity = json!({ "docker-reference": "elsewhere.example/x" });
    let critical = json!({ "identity": identity, "image": { "docker-manifest-digest": image },
                           "type": "cosign container image signature" });
    json!({ "critical": critical, "optional": null }).to_string().into_bytes()
}

fn blob(documents: &mut Documents, bytes: &[u8], kind: &str) -> Value {
    let digest = Digest::of(bytes);
    documents.0.insert(blob_path(&digest), bytes.to_vec());
    json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
}

/// Signs as cosign did until 2: payloads of which each has its signature beside it.
fn sign(folder: &Path, documents: &mut Documents, image: &Digest, names: &[&str]) {
    let config = blob(documents, b"{}", "application/vnd.oci.image.config.v1+json");
    let mut layers = Vec::new();
    for name in names {
        let payload = payload(image);
        let mut layer = blob(documents, &payload, SIMPLE_SIGNING);
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature(folder, name, &payload) });
        layers.push(layer);
    }
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string();
    documents.name(&format!("sha256-{}.sig", image.hex()), manifest.as_bytes());
}

/// Signs as cosign does from 3 on; returns the index of what refers to the image.
fn sign_bundle(folder: &Path, documents: &mut Documents, image: &Digest, name: &str, predicate: &str) -> Vec<u8> {
    let statement = json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": {},
                            "subject": [{ "name": "", "digest": { "sha256": image.hex() } }] });
    let statement = statement.to_string();
    let kind = "application/vnd.in-toto+json";
    let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
    let signatures = json!([{ "sig": signature(folder, name, message.as_bytes()) }]);
    let envelope = json!({ "payload": STANDARD.encode(&statement), "payloadType": kind, "signatures": signatures });
    let bundle = json!({ "mediaType": BUNDLE, "verificationMaterial": {}, "dsseEnvelope": envelope }).to_string();
    let config = blob(documents, b"{}", "application/vnd.oci.empty.v1+json");
    let layer = blob(documents, bundle.as_bytes(), BUNDLE);
    let manifest = json!({ "schemaVersion": 2, "artifactType": BUNDLE, "config": config, "layers": [layer] });
    let manifest = manifest.to_string();
    documents.name(&Digest::of(manifest.as_bytes()).to_string(), manifest.as_bytes());
    let mut listed = described(manifest.as_bytes(), "unknown", "");
    listed["artifactType"] = json!(BUNDLE);
    index(&[listed])
}

fn fast(layer: &[u8]) -> Vec<u8> {
    gzip(layer, 6)
}

fn web() -> Made {
    image("web:1", vec![layer(1, 30_000), layer(2, 4_000)])
}

/// A registry with the image, and the digest of its manifest.
fn registry() -> (Documents, Digest) {
    let documents = Documents::of(&web(), fast);
    let manifest = Digest::of(&documents.0["/v2/shop/web/manifests/1"]);
    (documents, manifest)
}

/// Pins the image of `server` with `NAME.pub`; gives all that was said.
fn lock(code: i32, folder: &Path, server: &Server, name: &str) -> String {
    write_manifest(folder, &[oci(server, ":1")]);
    said(code, folder, &["lock", "--retries", "0", "--no-cache", "--cosign-key", &format!("{name}.pub")])
}

fn assert_pinned(folder: &Path, name: &str) {
    let der = openssl(folder, &["pkey", "-pubin", "-in", &format!("{name}.pub"), "-outform", "DER"]);
    let pinned = artifact(folder);
    assert_eq!(pinned["cosignKey"], json!(Digest::of(&der)));
    assert!(pinned["digest"].is_string(), "{pinned}");
}

#[test]
fn what_the_key_has_signed_is_pinned_and_its_fingerprint_written_down() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "other", &P256);
    for (name, kind) in [("cosign", &P256[..]), ("rsa", &["RSA"]), ("ed25519", &["ED25519"])] {
        key(folder, name, kind);
        let (mut documents, manifest) = registry();
        sign(folder, &mut documents, &manifest, &["other", name]);
        let text = lock(0, folder, &documents.serve(), name);
        assert!(text.contains("1 image signed with the key sha256:"), "{text}");
        assert_pinned(folder, name);
    }
    // What signs the index that leads to the image will do too.
    let (mut documents, _) = registry();
    let manifest = documents.push(&web(), fast);
    let both = index(&[described(&manifest, "amd64", "")]);
    documents.name("1", &both);
    documents.name(&Digest::of(&both).to_string(), &both);
    sign(folder, &mut documents, &Digest::of(&both), &["cosign"]);
    lock(0, folder, &documents.serve(), "cosign");
    assert_pinned(folder, "cosign");
}

#[test]
fn a_signature_in_a_bundle_is_found_by_the_referrers_or_by_their_tag() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "cosign", &P256);
    let predicate = "https://sigstore.dev/cosign/sign/v1";
    for has_referrers in [true, false] {
        let (mut documents, manifest) = registry();
        let index = sign_bundle(folder, &mut documents, &manifest, "cosign", predicate);
        let path = match has_referrers {
            true => format!("/v2/shop/web/referrers/{manifest}"),
            false => format!("/v2/shop/web/manifests/sha256-{}", manifest.hex()),
        };
        documents.0.insert(path, index);
        lock(0, folder, &documents.serve(), "cosign");
        assert_pinned(folder, "cosign");
    }
    // What the key attests of an image is no signature of it.
    let (mut documents, manifest) = registry();
    let index = sign_bundle(folder, &mut documents, &manifest, "cosign", "https://slsa.dev/provenance/v1");
    documents.0.insert(format!("/v2/shop/web/referrers/{manifest}"), index);
    let text = lock(3, folder, &documents.serve(), "cosign");
    assert!(text.contains("the registry has no signature of the image by cosign"), "{text}");
}

#[test]
fn what_another_has_signed_or_of_another_image_is_not_pinned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "cosign", &P256);
    key(folder, "other", &P256);
    let (unsigned, manifest) = registry();
    let mut others = unsigned.clone();
    sign(folder, &mut others, &manifest, &["other", "other"]);
    // A right signature, of the image that was there before.
    let mut older = unsigned.clone();
    sign(folder, &mut older, &Digest::of(b"older"), &["cosign"]);
    let moved = older.0.remove(&format!("/v2/shop/web/manifests/sha256-{}.sig", Digest::of(b"older").hex()));
    older.name(&format!("sha256-{}.sig", manifest.hex()), &moved.expect("signed"));
    // A payload that was changed after it was signed.
    let mut changed = unsigned.clone();
    sign(folder, &mut changed, &manifest, &["cosign"]);
    let path = blob_path(&Digest::of(&payload(&manifest)));
    changed.0.get_mut(&path).expect("there").push(b' ');
    for (documents, why) in [
        (unsigned, "the registry has no signature of the image by cosign"),
        (others, "no signature of the image in the registry is by the key of --cosign-key"),
        (older, "no signature of the image in the registry is by the key of --cosign-key"),
        (changed, "the registry's signature of the image is not what its own index names by digest"),
    ] {
        let text = lock(3, folder, &documents.serve(), "cosign");
        assert!(text.contains(why) && text.contains("hint:"), "{why}: {text}");
        assert!(artifact(folder)["digest"].is_null() && artifact(folder)["cosignKey"].is_null());
    }
}

#[test]
fn a_registry_that_fails_has_not_said_that_there_is_no_signature() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "cosign", &P256);
    let (mut documents, manifest) = registry();
    sign(folder, &mut documents, &manifest, &["cosign"]);
    let server = serve(move |request| match request.path.contains(".sig") && request.number < 4 {
        true => Reply::new(503, "busy"),
        false => documents.found(request),
    });
    let text = lock(1, folder, &server, "cosign");
    assert!(text.contains("503") && !text.contains("no signature"), "{text}");
    write_manifest(folder, &[oci(&server, ":1")]);
    said(0, folder, &["lock", "--retries", "3", "--no-cache", "--cosign-key", "cosign.pub"]);
}

#[test]
fn an_image_that_was_signed_is_not_pinned_again_without_the_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "cosign", &P256);
    key(folder, "other", &P256);
    let (mut documents, manifest) = registry();
    sign(folder, &mut documents, &manifest, &["cosign", "other"]);
    let server = documents.serve();
    let lock_with = |code, words: &[&str]| said(code, folder, &[&["lock", "--no-cache"], words].concat());
    // Pinned first, and signed afterwards.
    write_manifest(folder, &[oci(&server, ":1")]);
    lock_with(0, &[]);
    assert!(artifact(folder)["cosignKey"].is_null());
    lock_with(0, &["--cosign-key", "cosign.pub"]);
    assert_pinned(folder, "cosign");
    let asked = server.requests().len();
    let text = lock_with(0, &["--cosign-key", "cosign.pub"]);
    assert!(text.contains("every artifact is pinned already"), "{text}");
    assert_eq!(server.requests().len(), asked, "what was checked is not asked for again");
    let text = lock_with(1, &["--update"]);
    assert!(text.contains("this run has no key") && text.contains("--cosign-key"), "{text}");
    let text = lock_with(1, &["--update", "--cosign-key", "other.pub"]);
    assert!(text.contains("because another key had signed it"), "{text}");
    assert_pinned(folder, "cosign");
    lock_with(0, &["--update", "--cosign-key", "cosign.pub"]);
}

#[test]
fn an_archive_elsewhere_is_not_taken_for_what_was_signed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "cosign", &P256);
    let server = registry().0.serve();
    fs::write(folder.join("web.tar"), "an archive").expect("written");
    write_manifest(folder, &[oci(&server, ":1"), "web.tar".to_owned()]);
    let words = ["lock", "--retries", "0", "--no-cache", "--cosign-key", "cosign.pub"];
    assert!(said(3, folder, &words).contains("the registry has no signature of the image by cosign"));
    said(0, folder, &words[..4]);
}

#[test]
fn what_is_no_public_key_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    key(folder, "cosign", &P256);
    fs::write(folder.join("empty.pub"), "").expect("written");
    let cut: String = fs::read_to_string(folder.join("cosign.pub")).expect("read").lines().take(2).collect();
    fs::write(folder.join("cut.pub"), cut).expect("written");
    // Text before it is passed over, up to 64 KiB in all.
    let whole = fs::read_to_string(folder.join("cosign.pub")).expect("read");
    let padded = |size: usize| format!("{}\n{whole}", "x".repeat(size - whole.len() - 1));
    fs::write(folder.join("cosign.pub"), padded(64 << 10)).expect("written");
    fs::write(folder.join("large.pub"), padded((64 << 10) + 1)).expect("written");
    fs::write(folder.join("web.tar"), "an archive").expect("written");
    write_manifest(folder, &["web.tar".to_owned()]);
    said(0, folder, &["lock", "--cosign-key", "cosign.pub"]);
    said(1, folder, &["lock", "--cosign-key", "large.pub"]);
    fs::rename(folder.join("cosign.key"), folder.join("secret.pub")).expect("renamed");
    write_manifest(folder, &["web.tar".to_owned()]);
    for (name, why) in [
        ("empty", "it has no line '-----BEGIN PUBLIC KEY-----'"),
        ("secret", "it is a private key"),
        ("cut", "the file given with --cosign-key holds no key that can be used"),
    ] {
        let text = said(2, folder, &["lock", "--cosign-key", &format!("{name}.pub")]);
        assert!(text.contains(why) && text.contains("hint:"), "{name}: {text}");
    }
    said(1, folder, &["lock", "--cosign-key", "missing.pub"]);
}
