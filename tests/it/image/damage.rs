//! The way back of images when the bundle is damaged or the disk full: what is wrong is told, and what to do.

use std::fs;
use std::path::Path;

use crate::support::images::{docker_legacy, gzip, image, layer};
use crate::support::mounts::Tmpfs;
use crate::support::{BUNDLE, expect, file, pack, payload_at, portable, stand_in, texts};

/// A bundle of one image whose layer is most of it.
fn bundled(words: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = docker_legacy(&[image("probe/one:1", vec![layer(1, 3_000_000)])]);
    portable(folder.path(), &[file("one.tar.gz", "image", gzip(&archive, 6))]);
    expect(0, folder.path(), &[&["bundle"], words].concat());
    folder
}

/// Flips a bit in the middle of the payload.
fn damage(folder: &Path) {
    let path = folder.join(BUNDLE);
    let from = payload_at(folder, BUNDLE) as usize;
    let mut bytes = fs::read(&path).expect("read");
    let middle = from + (bytes.len() - from) / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
}

#[test]
fn a_damaged_bundle_is_an_integrity_error_with_a_hint_however_it_is_used() {
    for words in [&[][..], &["--no-originals"], &["--compression", "fast"]] {
        let folder = bundled(words);
        damage(folder.path());
        let path = stand_in(folder.path(), "docker", "[ \"$1\" = load ] && exec cat >/dev/null\n[ \"$1\" = version ]");
        for command in [&["load", BUNDLE][..], &["extract", BUNDLE, "out"]] {
            let output = pack(folder.path()).args(command).env("PATH", &path).output().expect("pack runs");
            let (_, err) = texts(&output);
            assert_eq!(output.status.code(), Some(3), "{words:?} {command:?}: {err}");
            assert!(err.contains("hint: ") && err.contains("damaged"), "{words:?} {command:?}: {err}");
        }
    }
}

#[test]
fn a_full_disk_is_not_taken_for_a_bad_bundle() {
    for words in [&[][..], &["--no-originals"]] {
        let folder = bundled(words);
        // Too little is found before the first byte; what fills up meanwhile, when there is no more for another file.
        for (options, why) in [("size=500k", "there is not enough room"), ("size=64m,nr_inodes=6", "the disk is full")]
        {
            let Some(disk) = Tmpfs::mount(&folder.path().join("disk"), options) else { return };
            let (_, err) = expect(1, folder.path(), &["extract", BUNDLE, "disk/out"]);
            assert!(err.contains(why), "{words:?}: {err}");
            assert!(!err.contains("rebuilt") && !disk.path().join("out/one.tar.gz").exists(), "{words:?}: {err}");
        }
    }
}

/// The exhaustive tests are of a small bundle (`bundle_damage`); of one with images, samples.
#[test]
fn a_bundle_of_images_cut_lengthened_or_shuffled_is_damaged() {
    let folder = bundled(&[]);
    let path = folder.path().join(BUNDLE);
    let good = fs::read(&path).expect("read");
    let (shown, _) = expect(0, folder.path(), &["inspect", "--json", BUNDLE]);
    let document: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let frames = document["index"]["frames"].as_array().expect("a list");
    let place = |frame: &serde_json::Value| {
        let at = frame["offset"].as_u64().expect("a number") as usize;
        at..at + frame["size"].as_u64().expect("a number") as usize
    };
    let mut bad: Vec<Vec<u8>> = (1..40).map(|part| good[..good.len() * part / 40].to_vec()).collect();
    bad.push([&good[..], b"\0"].concat());
    assert!(frames.len() > 1, "{frames:?}");
    let (one, other) = (place(&frames[0]), place(&frames[1]));
    bad.push([&good[..one.start], &good[other.clone()], &good[one], &good[other.end..]].concat());
    for (number, bytes) in bad.iter().enumerate() {
        fs::write(&path, bytes).expect("written");
        let output = pack(folder.path()).args(["verify", BUNDLE]).output().expect("pack runs");
        // So little may be left that it does not even begin as a bundle does.
        let expected: &[i32] = if bytes.len() < 100 { &[1, 3] } else { &[3] };
        assert!(output.status.code().is_some_and(|code| expected.contains(&code)), "{number}: {}", texts(&output).1);
    }
}
