//! A file or word that is another than was asked for: the error says what it is.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::{expect, file, pack, portable, texts};
use serde_json::json;

/// A folder with a product in `probe-portable` and the keys `release.key`, without a password, and `release.pub`.
fn with_keys() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a temporary folder");
    portable(place.path(), &[file("data", "file", "data")]);
    expect(0, place.path(), &["keygen", "release", "--no-password"]);
    place
}

#[test]
fn what_is_no_secret_key_is_not_blamed_on_a_password() {
    let place = with_keys();
    let folder = place.path();
    fs::write(folder.join("empty.key"), "").expect("written");
    fs::write(folder.join("text.key"), "a\nb\nc\n").expect("written");
    let secret = fs::read_to_string(folder.join("release.key")).expect("read");
    fs::write(folder.join("cut.key"), &secret[..secret.len() - 20]).expect("written");
    for (key, told) in [
        ("release.pub", "it is a public key"),
        ("empty.key", "it is empty"),
        ("text.key", "does not have the form of one"),
        ("cut.key", "does not have the form of one"),
    ] {
        // Nobody is asked for a password either: there is none to read.
        let words = ["sign", "probe-portable/manifest.json", "--key", key];
        let output = pack(folder).args(words).stdin(Stdio::null()).output().expect("runs");
        let err = texts(&output).1;
        assert!(output.status.code() == Some(1) && !err.contains("password is wrong"), "{err}");
        assert!(err.contains("this is no secret key") && err.contains(told) && err.contains(key), "{err}");
        assert!(!err.contains(&secret[60..100]), "{err}");
    }
    assert!(!folder.join("probe-portable/manifest.json.minisig").exists());
    expect(0, folder, &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    // One that the stock program wrote, under a password, has the form too.
    let output = pack(folder).args(["keygen", "locked"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut child = output.expect("runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), b"sesame\n").expect("written");
    assert!(child.wait().expect("ended").success());
    let words = ["sign", "probe-portable/manifest.json", "--key", "locked.key"];
    let output = pack(folder).args(words).stdin(Stdio::null()).output().expect("runs");
    assert!(!texts(&output).1.contains("this is no secret key"), "{:?}", texts(&output));
}

#[test]
fn a_public_key_that_is_not_there_is_told_with_its_path() {
    let place = with_keys();
    let folder = place.path();
    fs::create_dir(folder.join("keys")).expect("a folder");
    for missing in ["nothere.pub", "./nothere", "keys/nothere", "no/where.pub", "my keys/release.pub", ".pub"] {
        let (_, err) = expect(2, folder, &["verify", "--pubkey", missing]);
        assert!(err.contains("is not there") && err.contains(&format!("path: {missing}\n")), "{missing}: {err}");
    }
    let secret = fs::read_to_string(folder.join("release.key")).expect("read");
    let secret = secret.lines().nth(1).expect("two lines");
    for word in ["nothere", &format!("{}/{}", &secret[..60], &secret[60..])] {
        let (_, err) = expect(2, folder, &["verify", "--pubkey", word]);
        assert!(err.contains("this is no public key") && !err.contains(&secret[..40]), "{err}");
    }
    // What is there and is none is not missing.
    let (_, err) = expect(2, folder, &["verify", "--pubkey", "release.key"]);
    assert!(err.contains("this is no public key") && err.contains("path: release.key"), "{err}");
}

/// What `pack verify` says of a folder whose manifest is `text`.
fn said_of(folder: &Path, text: &str) -> String {
    fs::write(folder.join("probe-portable/manifest.json"), text).expect("written");
    expect(1, folder, &["verify", "probe-portable"]).1
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_key() {
    let place = tempfile::tempdir().expect("a temporary folder");
    portable(place.path(), &[file("run.sh", "script", "#!/bin/sh\n")]);
    let manifest = fs::read_to_string(place.path().join("probe-portable/manifest.json")).expect("read");
    let good: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let mut checked = 0;
    let mut check = |change: &dyn Fn(&mut serde_json::Value), told: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let err = said_of(place.path(), &serde_json::to_string_pretty(&bad).expect("JSON"));
        assert!(err.contains(&format!("reason: {told}")) && err.contains("line: "), "{told}: {err}");
        checked += 1;
    };
    check(&|m| m["version"] = json!(1.0), "version is the number 1.0, and must be a text in quotes");
    for key in ["name", "version", "run", "expires", "description", "homepage", "$schema"] {
        check(&|m| m[key] = json!([key]), &format!("{key} is a list, and must be a text in quotes"));
    }
    for key in ["name", "digest", "kind", "platform"] {
        let told = format!("{key} is the number 5, and must be a text in quotes");
        check(&|m| m["artifacts"][0][key] = json!(5), &told);
    }
    check(&|m| m["name"] = json!(null), "name is null, and must be");
    check(&|m| m["artifacts"][0]["size"] = json!("5"), "size is a text, and must be a number");
    check(&|m| m["artifacts"][0]["size"] = json!(1.5), "size: ");
    check(&|m| m["artifacts"][0]["kind"] = json!("movie"), "kind: unknown variant `movie`");
    check(&|m| m["artifacts"] = json!({ "a": 1 }), "artifacts is an object, and must be a list");
    check(&|m| m["artifacts"][0] = json!("https://ada:secret@h/"), "an artifact is a text, and must be an object\n");
    check(&|m| m["schemaVersion"] = json!({ "a": [1, 2, 3] }), "schemaVersion is an object; this pack reads 1");
    assert_eq!(checked, 19);
}

#[test]
fn a_file_that_is_no_object_is_told_for_what_it_is() {
    let place = tempfile::tempdir().expect("a temporary folder");
    portable(place.path(), &[file("data", "file", "data")]);
    let manifest = fs::read_to_string(place.path().join("probe-portable/manifest.json")).expect("read");
    let err = said_of(place.path(), "404: Not Found");
    assert!(err.contains("this is not a manifest") && err.contains("this begins with: 404: Not Found"), "{err}");
    assert!(err.contains("what a server says") && !err.contains("correct that line"), "{err}");
    // What may be a secret is not repeated.
    for secret in ["ghp_secret", "see https://ada:secret@host.example/", &format!("{} secret", "x".repeat(80))] {
        let err = said_of(place.path(), secret);
        assert!(err.contains("it is text, and a manifest is JSON") && !err.contains("secret"), "{err}");
    }
    let err = said_of(place.path(), &format!("[{manifest}]"));
    assert!(err.contains("it is a list") && err.len() < 400 && !err.contains("sha256:"), "{err}");
}

#[test]
fn a_platform_may_be_typed_as_other_programs_spell_it() {
    let place = tempfile::tempdir().expect("a temporary folder");
    portable(place.path(), &[file("data", "file", "data")]);
    for (typed, meant) in [
        ("linux/arm64/v8", "linux/arm64"),
        ("arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("arm64v8", "linux/arm64"),
        ("linux/x86_64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("linux/arm/v7", "linux/arm"),
    ] {
        let (out, _) = expect(0, place.path(), &["verify", "--json", "--platform", typed]);
        assert_eq!(crate::support::json_of_output(&out)["platform"], meant, "{typed}");
    }
    let (_, err) = expect(2, place.path(), &["verify", "--platform", "linux/arm/v6"]);
    assert!(err.contains("linux/arm/v6") && err.contains("linux/arm64"), "{err}");
}
