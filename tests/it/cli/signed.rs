//! Who signed is shown wherever a manifest is shown, and a signature of something else is not carried on.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::support::{PACK, expect, file, pack, shell, skip, texts, write_product};
use serde_json::Value;

fn product(folder: &Path, version: &str) {
    let src = folder.join("probe-portable");
    fs::create_dir_all(&src).expect("a folder");
    write_product(&src, version, &[file("run.sh", "script", "#!/bin/sh\necho ran\n"), file("data", "file", "data")]);
}

fn json(folder: &Path, words: &[&str]) -> Value {
    let (out, _) = expect(0, folder, &[words, &["--json"]].concat());
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn who_signed_is_shown_everywhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    expect(0, folder, &["keygen", "release", "--no-password"]);
    let stock = fs::read_to_string(folder.join("release.pub")).expect("read");
    let id = stock.lines().next().expect("a comment").split_whitespace().last().expect("an ID").to_owned();
    let source = "probe-portable/manifest.json";
    let shown = |words: &[&str]| expect(0, folder, words).0;
    let all: [&[&str]; 4] = [
        &["verify", "probe-portable"],
        &["bundle", "probe-portable", "-o", "x.run"],
        &["verify", "x.run"],
        &["download", source, "--dir", "d"],
    ];
    for words in all {
        assert!(shown(words).contains("not signed"), "{words:?}");
    }
    assert!(shown(&["inspect", "x.run"]).contains("signature not signed"));
    expect(0, folder, &["sign", source, "--key", "release.key"]);
    let taken_out: [&[&str]; 2] = [&["extract", "x.run", "o"], &["load", "x.run"]];
    for words in all.into_iter().chain(taken_out) {
        assert!(shown(words).contains("signed, NOT checked: no key"), "{words:?}");
        let by = shown(&[words, &["--pubkey", "release.pub"]].concat());
        assert!(by.contains(&format!("signed by {id} (release.pub)")), "{words:?}: {by}");
    }
    let noted = |words: &[&str]| expect(0, folder, &[&["cat", "x.run", "data"], words].concat());
    assert_eq!(noted(&[]), ("data".to_owned(), "note: signed, NOT checked: no key\n".to_owned()));
    assert!(noted(&["--pubkey", "release.pub"]).1.ends_with(&format!("note: signed by {id} (release.pub)\n")));
    assert_eq!(noted(&["-q"]).1, "");
    for words in taken_out {
        assert_eq!(json(folder, words)["signature"]["state"], "notChecked", "{words:?}");
    }
    assert!(shown(&["inspect", "x.run"]).contains("signature signed, NOT checked: no key"));
    assert_eq!(json(folder, &["inspect", "x.run"])["signature"]["state"], "notChecked");
    let checked = json(folder, &["verify", "x.run", "--pubkey", "release.pub"]);
    assert_eq!(checked["signature"], serde_json::json!({ "state": "verified", "keyId": id }));

    // A key in the environment counts as one that is given.
    let with_key = |key: &str, words: &[&str]| pack(folder).args(words).env("PACK_PUBKEY", key).output().expect("runs");
    let output = with_key("release.pub", &["inspect", "x.run"]);
    assert!(texts(&output).0.contains(&format!("signature signed by {id} (release.pub)")), "{:?}", texts(&output));
    expect(0, folder, &["keygen", "other", "--no-password"]);
    let and_these: [&[&str]; 3] = [&["inspect", "x.run"], &["cat", "x.run", "data"], &["lock", source]];
    for words in all.into_iter().chain(taken_out).chain(and_these) {
        assert_eq!(with_key("other.pub", words).status.code(), Some(3), "{words:?}");
    }
    // A key that cannot be read is told; it is never as if there was none.
    let odd = OsStr::from_bytes(b"other\xff.pub");
    let output = pack(folder).args(["verify", "x.run"]).env("PACK_PUBKEY", odd).output().expect("runs");
    assert_eq!(output.status.code(), Some(2), "{:?}", texts(&output));
    fs::rename(folder.join("other.pub"), folder.join(odd)).expect("renamed");
    for (words, code) in [(&["verify", "x.run"][..], 3), (&["bundle", "probe-portable", "-o", "y.run"], 3)] {
        let output = pack(folder).args(words).arg("--pubkey").arg(odd).output().expect("runs");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {:?}", texts(&output));
    }
    assert_eq!(with_key("", &["verify", "x.run"]).status.code(), Some(0));
}

#[test]
fn a_signature_of_the_version_before_is_refused_with_the_command_that_signs_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    expect(0, folder, &["lock", "probe-portable/manifest.json"]);
    product(folder, "1.1.0");
    for words in [&["bundle", "probe-portable", "-o", "x.run"][..], &["lock", "probe-portable/manifest.json"]] {
        let (_, err) = expect(3, folder, words);
        assert!(
            err.contains("signed: probe 1.0.0 sha256:")
                && err.contains("hint: to sign it again: pack sign probe-portable/manifest.json --key release.key\n"),
            "{words:?}: {err}"
        );
    }
    assert!(!folder.join("x.run").exists());
    let (_, err) = expect(0, folder, &["download", "probe-portable/manifest.json", "--dir", "d"]);
    assert!(
        err.contains("the signature beside it is of probe 1.0.0 ") && err.contains(", not of probe 1.1.0 "),
        "{err}"
    );
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    expect(0, folder, &["bundle", "probe-portable", "-o", "x.run"]);
}

#[test]
fn what_lies_in_a_signatures_place_and_is_none_is_told_and_not_packed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    expect(0, folder, &["keygen", "pack", "--no-password"]);
    expect(0, folder, &["sign", "probe-portable/manifest.json"]);
    let path = folder.join("probe-portable/manifest.json.minisig");
    let whole = fs::read(&path).expect("signed");
    for damaged in [&b""[..], b"<html>\n", &whole[..whole.len() / 2], &[0xff; 300]] {
        fs::write(&path, damaged).expect("written");
        for words in [&["bundle", "probe-portable", "-o", "x.run"][..], &["lock", "probe-portable/manifest.json"]] {
            let (_, err) = expect(3, folder, words);
            assert!(
                err.contains("as its signature is none")
                    && err.contains("pack sign probe-portable/manifest.json --key"),
                "{words:?}: {err}"
            );
        }
        assert!(!folder.join("x.run").exists());
        let (out, err) = expect(0, folder, &["verify", "probe-portable"]);
        assert!((out + &err).contains("in the signature's place is none"), "{err}");
        assert_eq!(json(folder, &["verify", "probe-portable"])["signature"]["state"], "unreadable");
        expect(3, folder, &["verify", "probe-portable", "--pubkey", "pack.pub"]);
    }
    expect(0, folder, &["sign", "probe-portable/manifest.json"]);
    expect(0, folder, &["bundle", "probe-portable", "-o", "x.run"]);
}

#[test]
fn what_is_signed_is_not_pinned_under_its_signature() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    expect(0, folder, &["keygen", "release", "--no-password"]);
    let path = folder.join("probe-portable/manifest.json");
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
    let artifact = manifest["artifacts"][1].as_object_mut().expect("an object");
    artifact.remove("size");
    artifact.remove("digest");
    fs::write(&path, manifest.to_string()).expect("written");
    // What the hint says works as it stands.
    let typed = |err: &str| {
        let hint = err.split("to sign it again: ").nth(1).expect("a command").trim().to_owned();
        assert!(hint.starts_with("rm probe-portable/manifest.json.minisig && pack lock"), "{err}");
        hint.replace("pack ", &format!("{PACK} "))
    };
    let (_, err) = expect(3, folder, &["lock", "probe-portable/manifest.json"]);
    assert_eq!(fs::read(&path).expect("read"), manifest.to_string().into_bytes());
    shell(folder, &typed(&err));
    expect(0, folder, &["verify", "probe-portable", "--pubkey", "release.pub"]);
    let (_, err) = expect(1, folder, &["lock", "--update", "probe-portable/manifest.json"]);
    assert!(err.contains("the manifest is signed, and to pin it"), "{err}");
    shell(folder, &typed(&err));
    expect(0, folder, &["verify", "probe-portable", "--pubkey", "release.pub"]);
}

#[test]
fn a_signature_of_the_same_version_with_other_content_is_refused_without_a_key_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    expect(0, folder, &["keygen", "release", "--no-password"]);
    let manifest = folder.join("probe-portable/manifest.json");
    let change = || {
        let text = fs::read_to_string(&manifest).expect("read");
        fs::write(&manifest, text.replacen('{', "{ ", 1)).expect("written");
    };
    let words: [&[&str]; 2] = [&["bundle", "probe-portable", "-o", "x.run"], &["lock", "probe-portable/manifest.json"]];
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    words.iter().for_each(|words| drop(expect(0, folder, words)));
    change();
    for words in words {
        assert!(expect(3, folder, words).1.contains("is not of this manifest"), "{words:?}");
    }
    // The stock program's comment says nothing about the content: that takes a key.
    if Command::new("minisign").arg("-v").output().is_err() {
        return skip("minisign is not installed");
    }
    shell(
        folder,
        "minisign -G -W -p stock.pub -s stock.key && minisign -S -s stock.key -m probe-portable/manifest.json",
    );
    change();
    for words in words {
        expect(0, folder, words);
        let (_, err) = expect(3, folder, &[words, &["--pubkey", "stock.pub"]].concat());
        assert!(err.contains("pack sign probe-portable/manifest.json --key stock.key"), "{words:?}: {err}");
    }
    // What nobody has signed yet is pinned all the same.
    fs::remove_file(folder.join("probe-portable/manifest.json.minisig")).expect("removed");
    expect(0, folder, &["lock", "probe-portable/manifest.json", "--pubkey", "stock.pub"]);
}

#[test]
fn what_has_expired_is_told_or_refused_wherever_it_is_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    let path = folder.join("probe-portable/manifest.json");
    let text = fs::read_to_string(&path).expect("read");
    fs::write(&path, text.replacen('{', "{ \"expires\": \"2001-01-01T00:00:00Z\",", 1)).expect("written");
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    expect(0, folder, &["bundle", "probe-portable", "-o", "x.run"]);
    let with_key = ["--pubkey", "release.pub"];
    for (words, key) in [
        (&["verify", "probe-portable"][..], &[][..]),
        (&["verify", "probe-portable"], &with_key),
        (&["verify", "x.run"], &[]),
        (&["verify", "x.run"], &with_key),
        (&["bundle", "probe-portable", "-o", "y.run"], &with_key),
        (&["cat", "x.run", "run.sh"], &with_key),
        (&["extract", "x.run", "out"], &with_key),
        (&["load", "probe-portable"], &with_key),
        (&["load", "x.run"], &with_key),
    ] {
        let words = [words, key].concat();
        let (_, err) = expect(3, folder, &[&words[..], &["--strict"]].concat());
        assert!(err.contains("the manifest has expired"), "{words:?}: {err}");
        let (_, err) = expect(0, folder, &words);
        assert!(err.contains("expired at 2001-01-01T00:00:00Z"), "{words:?}: {err}");
    }
}

#[test]
fn images_of_a_folder_that_another_signed_are_not_loaded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    product(folder, "1.0.0");
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["keygen", "other", "--no-password"]);
    let load = |code, key| expect(code, folder, &["load", "probe-portable", "--pubkey", key]);
    assert!(load(3, "release.pub").1.contains("this is not signed, and a key was given"));
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    load(0, "release.pub");
    assert!(load(3, "other.pub").1.contains("it was made with another key"));
}
