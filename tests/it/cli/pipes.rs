//! A pipe that nobody writes into, in the place of each file that a command reads: an error at once, and no waiting.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{BUNDLE, PACK, expect, small_product};

/// Makes the file at `path` a pipe.
fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// Runs the words below `folder`; a command that waits is ended, and its exit code is then 124.
fn within_a_while(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.args(["60", PACK]).args(words).current_dir(folder).env("XDG_CACHE_HOME", folder.join("cache"));
    let output = command.env("HOME", folder).output().expect("timeout runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn no_command_waits_for_a_pipe_in_the_place_of_a_file() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let here = place.path();
    let manifest = small_product(here).join("manifest.json");
    let manifest = manifest.strip_prefix(here).expect("below").to_str().expect("text");
    expect(0, here, &["bundle", "-q"]);
    expect(0, here, &["keygen", "-q", "--no-password", "key"]);
    pipe(&here.join("pipe"));
    fs::write(
        here.join("local.json"),
        r#"{"schemaVersion": 1, "name": "x", "version": "1.0.0",
        "artifacts": [{"name": "a", "kind": "file", "urls": ["pipe"]}]}"#,
    )
    .expect("written");
    for words in [
        &["lock", "pipe"][..],
        &["lock", "local.json"],
        &["download", "pipe", "--dir", "new"],
        &["download", manifest, "--dir", "new", "--cacert", "pipe"],
        &["bundle", "--manifest", "pipe"],
        &["bundle", "--runtime", "pipe"],
        &["bundle", "--sign", "pipe"],
        &["sign", "--key", "key.key", "pipe"],
        &["sign", "--key", "pipe", manifest],
        &["verify", "--pubkey", "pipe", BUNDLE],
        &["verify", "--manifest", "pipe", "probe-portable"],
        &["inspect", "pipe"],
        &["diff", "pipe", BUNDLE],
        &["diff", BUNDLE, "pipe"],
        &["extract", "pipe", "out"],
        &["cat", "pipe", "data"],
        &["load", "pipe"],
        &["parity", "pipe"],
        &["repair", "pipe"],
        &["repair", "--from", "pipe", BUNDLE],
        &["repair", "--with", "pipe", BUNDLE],
        &["cut", "--map", "pipe", "--output", "new.patch", BUNDLE],
        &["transfer", "pipe", "stick"],
    ] {
        let (code, err) = within_a_while(here, words);
        assert!(matches!(code, Some(1..=3)) && err.contains("error: "), "{words:?}: {code:?} {err}");
    }
    // What the folder keeps of its own, and what lies beside a bundle.
    for own in [".pack/origin", ".pack/platform", "manifest.json.minisig", "manifest.json"] {
        let own = here.join("probe-portable").join(own);
        fs::create_dir_all(own.parent().expect("a folder")).expect("made");
        pipe(&own);
        for words in [&["verify", "probe-portable"][..], &["bundle"], &["download", "--dir", "probe-portable", "none"]]
        {
            let (code, err) = within_a_while(here, words);
            assert!(matches!(code, Some(0..=3)), "{own:?} {words:?}: {code:?} {err}");
        }
    }
    for beside in [".sha256", ".sha256.minisig", ".parity"] {
        pipe(&here.join(format!("{BUNDLE}{beside}")));
        for words in [&["verify", BUNDLE][..], &["verify", "--pubkey", "key.pub", BUNDLE], &["repair", BUNDLE]] {
            let (code, err) = within_a_while(here, words);
            assert!(matches!(code, Some(0..=3)), "{beside} {words:?}: {code:?} {err}");
        }
    }
}

#[test]
fn a_key_may_come_through_a_pipe_that_somebody_writes_into() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let manifest = small_product(place.path()).join("manifest.json");
    expect(0, place.path(), &["keygen", "-q", "--no-password", "key"]);
    let line = "\"$0\" sign -q --key <(cat key.key) \"$1\" && cd probe-portable && \"$0\" verify -q --pubkey <(cat ../key.pub) .";
    let mut shell = Command::new("bash");
    let output = shell.args(["-c", line, PACK]).arg(manifest).current_dir(place.path()).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
