//! Volumes as people type them.

use std::fs;
use std::process::Command;

use super::both;
use crate::support::{BUNDLE, PACK, expect, file, json_of_output, noise, portable, shell, skip, texts, tree};
use pack::digest::Digest;

/// A product whose bundle has several frames, for they are of 4 MiB with `--compression fast`.
fn product(folder: &std::path::Path) {
    let files = [file("run.sh", "script", "#!/bin/sh\necho ran\n"), file("noise", "file", noise(1, 20 << 20))];
    portable(folder, &files);
}

/// As large as the launcher and the runtime of a debug build are, at least.
fn size_for(folder: &std::path::Path) -> String {
    let header = json_of_output(&expect(0, folder, &["inspect", "--json", BUNDLE]).0)["index"]["headerSize"].as_u64();
    (header.expect("a number").max(8 << 20) + 100_000).to_string()
}

#[test]
fn a_bundle_is_packed_into_volumes() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    product(folder);
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["bundle", "--compression", "fast"]);
    let whole = fs::read(folder.join(BUNDLE)).expect("read");
    let size = size_for(folder);
    let words = ["bundle", "--json", "--compression", "fast", "--volume-size", &size, "--sign", "release.key"];
    let document = json_of_output(&expect(0, folder, &words).0);
    assert_eq!(document["digest"], Digest::of(&whole).to_string(), "of the bundle in one file");
    let volumes = document["volumes"].as_array().expect("a list");
    assert!(volumes.len() > 2, "{document}");
    for volume in volumes {
        let bytes = fs::read(folder.join(volume["path"].as_str().expect("a path"))).expect("read");
        assert!(bytes.len() <= size.parse().expect("a number"));
        assert_eq!(
            (volume["digest"].as_str(), volume["size"].as_u64()),
            (Some(&*Digest::of(&bytes).to_string()), Some(bytes.len() as u64))
        );
    }
    shell(folder, &format!("sha256sum -c {BUNDLE}.sha256"));
    expect(0, folder, &["verify", "--pubkey", "release.pub", BUNDLE]);
    expect(0, folder, &["extract", BUNDLE, "out"]);
    assert_eq!(tree(&folder.join("out")), tree(&folder.join("probe-portable")));
    let left = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").file_name());
    let mut left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(BUNDLE)).collect();
    left.sort();
    assert_eq!(left.len(), volumes.len() + 2, "{left:?}");
    // The line says so to people.
    let (out, _) = expect(0, folder, &["bundle", "--compression", "fast", "--volume-size", &size]);
    assert!(out.contains(&format!("{BUNDLE}.001")), "{out}");
    let (_, err) = expect(2, folder, &["bundle", "--volume-size", "1M"]);
    assert!(err.contains("does not fit into volumes so small") && err.contains("--volume-size "), "{err}");
    for words in [["--volume-size", "0"], ["--volume-size", "4GiB"], ["--volume-size", "x"]] {
        let (_, err) = expect(2, folder, &["bundle", words[0], words[1]]);
        assert!(err.contains("700M"), "{err}");
    }
    expect(2, folder, &["bundle", "--volume-size", "1G", "--parity", "5%"]);
}

#[test]
fn what_the_publisher_signed_is_proved_in_volumes_too() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    product(folder);
    expect(0, folder, &["keygen", "release", "--no-password"]);
    expect(0, folder, &["keygen", "other", "--no-password"]);
    // The manifest is not signed: only the checksum of the whole is.
    expect(0, folder, &["bundle", "--compression", "fast", "--sign", "release.key"]);
    shell(folder, "mkdir stick again");
    expect(0, folder, &["transfer", BUNDLE, "stick", "--volume-size", &size_for(folder)]);
    let there = format!("stick/{BUNDLE}");
    let sums = |place: &str| fs::read_to_string(folder.join(place)).expect("read");
    assert_eq!(sums(&format!("{there}.whole.sha256")), sums(&format!("{BUNDLE}.sha256")));
    shell(folder, &format!("cd stick && sha256sum -c {BUNDLE}.sha256"));
    expect(0, folder, &["verify", "--pubkey", "release.pub", &there]);
    expect(3, folder, &["verify", "--pubkey", "other.pub", &there]);
    // It goes along when the volumes are transferred again.
    expect(0, folder, &["transfer", &there, "again", "--pubkey", "release.pub"]);
    expect(0, folder, &["verify", "--pubkey", "release.pub", &format!("again/{BUNDLE}")]);
    fs::remove_file(folder.join(format!("{there}.whole.sha256.minisig"))).expect("removed");
    let (_, err) = expect(3, folder, &["verify", "--pubkey", "release.pub", &there]);
    assert!(err.contains("not signed"), "{err}");
    // What was signed is another bundle.
    fs::write(folder.join(format!("again/{BUNDLE}.whole.sha256")), sums("other.pub")).expect("written");
    expect(3, folder, &["verify", "--pubkey", "release.pub", &format!("again/{BUNDLE}")]);
}

#[test]
fn what_needs_one_file_says_what_to_do_instead() {
    let both = both();
    for (words, said) in [
        (&["parity", "cut/x.run"][..], "pack parity x.run"),
        (&["repair", "cut/x.run"], "pack verify cut/x.run"),
        (&["repair", "whole/x.run", "--from", "cut/x.run"], "pack cut x.run"),
    ] {
        let (_, err) = expect(2, both.folder(), words);
        assert!(err.contains("in volumes") && err.contains(said), "{words:?}: {err}");
    }
    // A map of damage in volumes is one of the bundle in one file.
    let mut bytes = fs::read(both.volume(2)).expect("read");
    bytes[100] ^= 1;
    fs::write(both.volume(2), bytes).expect("written");
    let (_, err) = expect(3, both.folder(), &["verify", "cut/x.run", "--map", "damage.json"]);
    assert!(err.contains("of x.run.002"), "{err}");
    expect(0, both.folder(), &["cut", "whole/x.run", "--map", "damage.json", "-o", "patch"]);
    let (_, err) = expect(2, both.folder(), &["cut", "cut/x.run", "--map", "damage.json", "-o", "patch"]);
    assert!(err.contains("in volumes"), "{err}");
    // Transferred again from where it is whole, the volume is healed and nothing else is written.
    let (out, _) = expect(0, both.folder(), &["transfer", "--json", "--volume-size", "250K", "whole/x.run", "cut"]);
    let written = json_of_output(&out)["copies"][0]["receipt"]["written"].as_u64().expect("a number");
    assert_eq!(written, fs::metadata(both.volume(2)).expect("there").len());
    expect(0, both.folder(), &["verify", "cut/x.run"]);
}

#[test]
fn at_a_terminal_a_missing_volume_is_asked_for_by_its_name() {
    let both = both();
    let folder = both.folder();
    if Command::new("script").arg("--version").output().is_err() {
        return skip("script is not installed");
    }
    shell(folder, "mkdir two; mv cut/x.run.002 cut/x.run.004 two");
    let typed = |answers: &str, line: &str| {
        let line = format!("printf '{answers}' | script -qec '{line}' /dev/null; echo \"ended with $?\"");
        let output = Command::new("sh").args(["-c", &line]).current_dir(folder).output().expect("sh runs");
        texts(&output).0
    };
    let verify = format!("{PACK} verify cut/x.run");
    let out = typed("nowhere\\n\\ntwo\\n", &verify);
    assert_eq!(out.matches("x.run.002: missing").count(), 3, "{out}");
    assert!(out.contains("Put x.run.002 into cut") && !out.contains("Put x.run.004"), "the folder has both: {out}");
    assert!(out.contains("every one accounted for") && out.contains("ended with 0"), "{out}");
    let out = typed("q\\n", &verify);
    assert!(out.contains("volumes of the bundle are missing") && out.contains("ended with 1"), "{out}");
    let out = typed("两\\nq\\n", &format!("{verify} --lang zh"));
    assert!(out.contains("x.run.002：缺失") && out.contains("ended with 1"), "{out}");
    // Nobody is asked who wants a document, or silence.
    for option in ["--json", "-q"] {
        let out = typed("two\\n", &format!("{verify} {option}"));
        assert!(!out.contains("press Enter") && out.contains("ended with 1"), "{out}");
    }
    let out = typed("two\\n", &format!("{verify} </dev/null"));
    assert!(!out.contains("press Enter") && out.contains("ended with 1"), "{out}");
}
