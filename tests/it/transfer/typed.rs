//! `pack transfer` as people type it.

use std::fs;
use std::process::Stdio;

use crate::support::mounts::Stick;
use crate::support::{BUNDLE, expect, file, json_of_output, noise, pack, portable, small_product};
use pack::digest::Digest;

#[test]
fn a_bundle_and_what_lies_beside_it_is_on_two_sticks_with_signed_receipts() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    small_product(folder);
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["bundle", "--compression", "fast", "--parity", "2%", "--sign", "release.key"]);
    let (Some(one), Some(two)) = (Stick::mount(folder, "one", 64, "rw"), Stick::mount(folder, "two", 64, "rw")) else {
        return;
    };
    let (out, _) = expect(0, folder, &["transfer", "--json", "--key", "release.key", BUNDLE, "one", "two"]);
    let document = json_of_output(&out);
    let bundle = fs::read(folder.join(BUNDLE)).expect("read");
    for (number, stick) in [&one, &two].into_iter().enumerate() {
        let receipt = &document["copies"][number]["receipt"];
        assert_eq!(receipt["files"][0]["digest"], Digest::of(&bundle).to_string());
        assert_eq!(
            (&receipt["medium"]["kind"], &receipt["verdict"]),
            (&stick.kind().into(), &"ok".into()),
            "{receipt}"
        );
        assert_eq!(receipt["medium"]["mountedAt"], stick.path().display().to_string());
        assert!(fs::read(stick.path().join(BUNDLE)).expect("there") == bundle);
        for beside in ["parity", "sha256", "sha256.minisig", "receipt.json", "receipt.json.minisig"] {
            assert!(stick.path().join(format!("{BUNDLE}.{beside}")).is_file(), "{beside}");
        }
        let left = fs::read_dir(stick.path()).expect("read").count();
        assert_eq!(left, 6, "and nothing else");
        let written = fs::read_to_string(stick.path().join(format!("{BUNDLE}.receipt.json"))).expect("there");
        assert_eq!(&json_of_output(&written), receipt);
    }
    expect(0, folder, &["verify", "--pubkey", "release.pub", &format!("one/{BUNDLE}")]);
    let (out, _) = expect(0, folder, &["transfer", BUNDLE, "one"]);
    assert!(out.contains("0 B of it written") && out.trim_end().ends_with("safe to unplug"), "{out}");
}

#[test]
fn killed_at_any_time_the_same_command_goes_on() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    portable(folder, &[file("run.sh", "script", "exit\n"), file("noise", "file", noise(1, 40 << 20))]);
    expect(0, folder, &["bundle", "--compression", "fast"]);
    let stick = folder.join("stick");
    fs::create_dir(&stick).expect("a folder");
    let bundle = fs::read(folder.join(BUNDLE)).expect("read");
    let temporary = stick.join(format!(".{BUNDLE}.transfer"));
    for least in [1, 8 << 20, 30 << 20, bundle.len() as u64] {
        let mut child = pack(folder)
            .args(["transfer", BUNDLE, "stick"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let length = || temporary.metadata().map_or(0, |there| there.len());
        while length() < least && child.try_wait().expect("watched").is_none() {
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        let named = stick.join(BUNDLE);
        assert!(!named.exists() || fs::read(&named).expect("read") == bundle, "never half under its name");
    }
    expect(0, folder, &["transfer", BUNDLE, "stick"]);
    assert!(fs::read(stick.join(BUNDLE)).expect("there") == bundle);
    assert!(!temporary.exists());
}
