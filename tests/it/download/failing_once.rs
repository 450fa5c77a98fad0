//! A server that fails once, whichever of its answers it is: everything is complete as if it had not. One that goes on
//! failing costs nothing that was good.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::signed_product::{honest, published};
use crate::support::fault::{Reply, Request};
use crate::support::{expect, noise};
use serde_json::{Value, json};

const SIZE: usize = 50_000;

/// As [`honest`], and `fault` in place of the first answer for `name`.
fn once(folder: &Path, name: &'static str, fault: Reply) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let mut honest = honest(folder);
    let mut failed = false;
    move |request| {
        let fails = !failed && request.path.trim_start_matches('/') == name;
        failed |= fails;
        if fails { fault.clone() } else { honest(request) }
    }
}

/// What passes: overload, a reset, an answer cut in its middle.
fn faults() -> [(&'static str, Reply); 4] {
    [
        ("503", Reply::new(503, "")),
        ("500", Reply::new(500, "")),
        ("reset", Reply::whole(b"x").cut_after(0)),
        ("cut", Reply::whole(b"half an answer").cut_after(4)),
    ]
}

#[test]
fn a_download_is_complete_and_signed_whichever_answer_fails_once() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, noise(1, SIZE));
    let url = server.url("manifest.json").to_string();
    for name in ["manifest.json", "manifest.json.minisig", "data"] {
        for (case, fault) in faults() {
            server.now(once(folder, name, fault));
            // Without a key too: what was not sent at first is not taken for what does not exist.
            expect(0, folder, &["download", "--no-cache", "--retries", "2", "--dir", "out", &url]);
            expect(0, folder, &["verify", "out", "--pubkey", "release.pub"]);
            assert!(server.asked_for(&format!("/{name}")) >= 2, "{name} {case}");
            fs::remove_dir_all(folder.join("out")).expect("removed");
        }
    }
}

#[test]
fn a_lock_pins_what_fails_once_and_keeps_the_pins_of_what_goes_on_failing() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, noise(1, SIZE));
    let path = folder.join("manifest.json");
    let read = || serde_json::from_slice::<Value>(&fs::read(&path).expect("read")).expect("JSON");
    let unpinned = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0",
                           "artifacts": [{ "name": "data", "kind": "file", "urls": [server.url("data").to_string()] }] });
    let digest = json!(pack::digest::Digest::of(&noise(1, SIZE)));
    for (case, fault) in faults() {
        fs::write(&path, unpinned.to_string()).expect("written");
        server.now(once(folder, "data", fault));
        expect(0, folder, &["lock", "--no-cache", "--retries", "2"]);
        assert_eq!(read()["artifacts"][0]["digest"], digest, "{case}");
    }
    for (case, fault) in faults() {
        server.now(move |_| fault.clone());
        let (_, err) = expect(1, folder, &["lock", "--update", "--no-cache", "--retries", "1"]);
        assert!(err.contains("data"), "{case}: {err}");
        assert_eq!(read()["artifacts"][0]["digest"], digest, "{case}: {err}");
    }
}

/// A link to itself is what no user can read, root included.
#[test]
fn a_checksum_or_its_signature_that_cannot_be_read_is_not_taken_for_absent() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    drop(published(folder, noise(1, SIZE)));
    expect(0, folder, &["bundle", "src", "-o", "x.run", "--sign", "release.key"]);
    let verify = ["verify", "x.run", "--pubkey", "release.pub"];
    expect(0, folder, &verify);
    for name in ["x.run.sha256", "x.run.sha256.minisig"] {
        let path = folder.join(name);
        let content = fs::read(&path).expect("there");
        fs::remove_file(&path).expect("removed");
        // Without it the signed manifest inside is what counts.
        expect(0, folder, &verify);
        symlink(&path, &path).expect("a link to itself");
        let (_, err) = expect(1, folder, &verify);
        assert!(err.contains(name) && err.contains("hint: "), "{name}: {err}");
        fs::remove_file(&path).expect("removed");
        fs::write(&path, content).expect("written");
    }
}
