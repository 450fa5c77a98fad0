//! A signature that cannot be fetched is not a signature that does not exist.

use std::fs;
use std::path::Path;

use super::signed_product::{honest, published};
use crate::support::fault::{Reply, Request};
use crate::support::{expect, file, json_of_output, write_product};

/// As [`honest`], and `fault` in place of the signature.
fn without_signature(folder: &Path, fault: Reply) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let mut honest = honest(folder);
    move |request| if request.path.contains(".minisig") { fault.clone() } else { honest(request) }
}

fn faults() -> [Reply; 5] {
    [503, 403, 404, 500]
        .map(|status| Reply::new(status, ""))
        .into_iter()
        .chain([Reply::whole(b"cut short").cut_after(3)])
        .collect::<Vec<_>>()
        .try_into()
        .expect("five")
}

#[test]
fn a_good_signature_stays_as_long_as_the_manifest_does() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, "x");
    let words = |url: String| {
        ["download".into(), "--no-cache".into(), "--retries".into(), "1".into(), "--dir".into(), "out".into(), url]
    };
    let download = || {
        let words = words(server.url("manifest.json").to_string());
        expect(0, folder, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    download();
    let signature = fs::read(folder.join("out/manifest.json.minisig")).expect("there");
    for fault in faults() {
        server.now(without_signature(folder, fault));
        let (_, err) = download();
        assert!(err.contains("the one in the folder stays"), "{err}");
        assert_eq!(fs::read(folder.join("out/manifest.json.minisig")).expect("kept"), signature);
        expect(0, folder, &["verify", "out", "--pubkey", "release.pub"]);
    }
}

#[test]
fn nothing_but_a_signature_of_the_same_manifest_stays() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, "x");
    let url = server.url("manifest.json").to_string();
    let download = || expect(0, folder, &["download", "--no-cache", "--dir", "out", &url]).1;
    download();
    server.now(without_signature(folder, Reply::new(404, "")));
    let kept = folder.join("out/manifest.json.minisig");
    let text = fs::read_to_string(&kept).expect("there");
    let of_length = |length: usize| {
        let (comment, rest) = text.split_once('\n').expect("lines");
        format!("{comment}{}\n{rest}", "x".repeat(length - text.len()))
    };
    let limit = pack::signature::LIMIT as usize;
    fs::write(&kept, of_length(limit)).expect("written");
    assert!(download().contains("the one in the folder stays"));
    assert!(fs::read_to_string(&kept).expect("kept") == of_length(limit));
    fs::write(&kept, of_length(limit + 1)).expect("written");
    assert!(!download().contains("stays") && !kept.exists(), "larger than a signature can be");
    assert!(!download().contains("stays"), "nothing is there");
    fs::write(folder.join("elsewhere"), &text).expect("written");
    std::os::unix::fs::symlink(folder.join("elsewhere"), &kept).expect("a link");
    assert!(!download().contains("stays") && !kept.exists(), "a link is not the folder's own");
    fs::write(&kept, &text).expect("written");
    write_product(&folder.join("src"), "1.0.1", &[file("data", "file", "y")]);
    assert!(!download().contains("stays") && !kept.exists(), "it is of another manifest");
}

#[test]
fn a_signature_that_nobody_can_tell_of_is_asked_for_again_and_told() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, "x");
    let url = server.url("manifest.json").to_string();
    let words = ["download", "--no-cache", "--retries", "1", "--dir", "out", &url];
    // It comes at the second try.
    let mut tries = 0;
    let mut answers = honest(folder);
    server.now(move |request| {
        let is_signature = request.path.contains(".minisig");
        tries += usize::from(is_signature);
        if is_signature && tries == 1 { Reply::new(503, "") } else { answers(request) }
    });
    expect(0, folder, &words);
    assert!(folder.join("out/manifest.json.minisig").exists());
    fs::remove_dir_all(folder.join("out")).expect("removed");
    for fault in [Reply::new(503, ""), Reply::new(403, "")] {
        server.now(without_signature(folder, fault.clone()));
        let (_, err) = expect(0, folder, &words);
        assert!(err.contains("nobody can say whether it is signed"), "{err}");
        assert!(!folder.join("out/manifest.json.minisig").exists());
        fs::remove_dir_all(folder.join("out")).expect("removed");
        // Who asks for a signature is told why there is none.
        let (_, err) = expect(1, folder, &[&words[..], &["--pubkey", "release.pub"]].concat());
        assert!(err.contains("the server answered"), "{err}");
    }
}

#[test]
fn what_is_sent_in_a_signatures_place_and_is_none_is_told_with_who_sent_it() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, "x");
    let url = server.url("manifest.json").to_string();
    let whole = fs::read(folder.join("src/manifest.json.minisig")).expect("signed");
    let page = Reply::whole(b"<html>log in</html>").header("Content-Type", "text/html; charset=utf-8");
    for (answer, from, what) in [
        (page.clone(), "manifest.json.minisig", "19 bytes, text/html"),
        (Reply::redirect("/login"), "/login", "19 bytes, text/html"),
        (Reply::whole(&whole[..whole.len() / 2]), "manifest.json.minisig", "bytes"),
        (Reply::whole(b""), "manifest.json.minisig", "0 bytes"),
    ] {
        let (mut honest, login) = (honest(folder), page.clone());
        server.now(move |request| match &*request.path {
            path if path.contains(".minisig") => answer.clone(),
            path if path.contains("login") => login.clone(),
            _ => honest(request),
        });
        let told = |err: &str| {
            assert!(err.contains("what lies in the signature's place is none"), "{err}");
            assert!(err.contains(&server.address()) && err.contains(from) && err.contains(what), "{err}");
        };
        let words = ["download", "--no-cache", "--dir", "out", &url];
        let (out, err) = expect(0, folder, &words);
        told(&err);
        assert!(out.contains("not signed: what lies in the signature's place is none"), "{out}");
        assert!(!folder.join("out/manifest.json.minisig").exists(), "it is no signature");
        let report = json_of_output(&expect(0, folder, &[&words[..], &["--json"]].concat()).0);
        assert_eq!(report["signature"]["state"], "unreadable", "{report}");
        expect(3, folder, &[&words[..], &["--pubkey", "release.pub"]].concat());
        told(&expect(0, folder, &["download", "--no-cache", "--list", &url]).1);
        let (out, err) = expect(0, folder, &["bundle", "--no-cache", "--manifest", &url, "packed", "-o", "x.run"]);
        told(&err);
        assert!(out.contains("not signed: what lies in the signature's place is none"), "{out}");
        for made in ["out", "packed"] {
            fs::remove_dir_all(folder.join(made)).expect("removed");
        }
    }
}

#[test]
fn the_signature_that_stays_is_the_one_that_is_reported() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let server = published(folder, "x");
    let url = server.url("manifest.json").to_string();
    let words = ["download", "--no-cache", "--retries", "1", "--dir", "out", &url];
    let signed = json_of_output(&expect(0, folder, &[&words[..], &["--json"]].concat()).0);
    assert_eq!(signed["signature"]["state"], "notChecked", "{signed}");
    for fault in [&faults()[..], &[Reply::whole(b"<html>log in</html>")]].concat() {
        server.now(without_signature(folder, fault));
        let (out, _) = expect(0, folder, &words);
        assert!(out.contains("signed, NOT checked"), "{out}");
        let report = json_of_output(&expect(0, folder, &[&words[..], &["--json"]].concat()).0);
        assert_eq!(report["signature"], signed["signature"]);
        assert!(expect(0, folder, &["verify", "out"]).0.contains("signed, NOT checked"));
    }
}
