//! What a damage map names is written over on the stick, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::craft::{small_bundle, with_frames};
use crate::support::mounts::Tmpfs;
use crate::support::{expect, file, json_of_output, noise, shell};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A bundle with parity in a folder, and its copy on what stands for a stick.
    fn new() -> Self {
        let place = Place { folder: tempfile::tempdir().expect("a temporary folder") };
        bundle(&place.path("x.run"), 1);
        expect(0, place.folder(), &["parity", "x.run"]);
        fs::create_dir(place.path("stick")).expect("a folder");
        expect(0, place.folder(), &["transfer", "x.run", "stick"]);
        place
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn spoil(&self, name: &str, places: &[usize]) {
        let mut bytes = fs::read(self.path(name)).expect("read");
        places.iter().for_each(|&at| bytes[at] ^= 1);
        fs::write(self.path(name), bytes).expect("written");
    }

    fn heal(&self, code: i32) -> (String, String) {
        expect(code, self.folder(), &["transfer", "--json", "x.run", "stick", "--heal", "damage.json"])
    }

    fn map(&self) -> serde_json::Value {
        expect(3, self.folder(), &["verify", "--map", "damage.json", "stick/x.run"]);
        json_of_output(&fs::read_to_string(self.path("damage.json")).expect("there"))
    }
}

fn bundle(path: &Path, seed: u64) {
    let files = [file("run.sh", "script", "exit\n"), file("noise", "file", noise(seed, 3_000_000))];
    small_bundle(path, b"#!/bin/sh\n# pack bundle: probe\n", &files);
    let bytes = with_frames(&fs::read(path).expect("read"), 100_000, |_| ());
    fs::write(path, bytes).expect("written");
}

#[test]
fn only_what_the_map_names_is_written_by_sectors_and_by_frames() {
    let place = Place::new();
    let right = fs::read(place.path("x.run")).expect("read");
    let damage = [5, 1_200_000, 1_200_001, 2_900_000, right.len() - 1];
    for with_parity in [true, false] {
        if !with_parity {
            fs::remove_file(place.path("stick/x.run.parity")).expect("removed");
        }
        // Without parity the end has to be right: it says what is in it.
        let damage = if with_parity { &damage[..] } else { &damage[..4] };
        place.spoil("stick/x.run", damage);
        let map = place.map();
        let named: u64 =
            map["ranges"].as_array().expect("a list").iter().filter_map(|range| range["size"].as_u64()).sum();
        assert!(named < 500_000, "{map}");
        // Damage that the map does not name shows what was not written.
        place.spoil("stick/x.run", &[2_000_000]);
        let document = json_of_output(&place.heal(0).0);
        assert_eq!((&document["written"], &document["files"][0]), (&named.into(), &"stick/x.run".into()));
        place.spoil("stick/x.run", &[2_000_000]);
        assert!(fs::read(place.path("stick/x.run")).expect("read") == right);
    }
    // Appended to, it gets its length back.
    expect(0, place.folder(), &["transfer", "x.run", "stick"]);
    place.spoil("stick/x.run", &[9]);
    let there = fs::read(place.path("stick/x.run")).expect("read");
    fs::write(place.path("stick/x.run"), [&there[..], &[7; 10_000]].concat()).expect("written");
    place.map();
    place.heal(0);
    assert!(fs::read(place.path("stick/x.run")).expect("read") == right);
    // Cut short, too.
    expect(0, place.folder(), &["transfer", "x.run", "stick"]);
    fs::OpenOptions::new()
        .write(true)
        .open(place.path("stick/x.run"))
        .and_then(|file| file.set_len(2_500_000))
        .expect("cut");
    place.map();
    let (out, _) = expect(0, place.folder(), &["transfer", "x.run", "stick", "--heal", "damage.json"]);
    assert!(out.contains("pack verify stick/x.run"), "{out}");
    assert!(fs::read(place.path("stick/x.run")).expect("read") == right);
}

#[test]
fn damage_in_a_volume_is_healed_in_the_volume() {
    let place = Place::new();
    shell(place.folder(), "rm stick/* && mkdir two");
    expect(0, place.folder(), &["transfer", "x.run", "stick", "--volume-size", "700K"]);
    shell(place.folder(), "cp -r stick right; mv stick/x.run.003 two");
    let at = fs::metadata(place.path("stick/x.run.002")).expect("there").len() as usize;
    // The end of one volume and the beginning of the next are one range.
    place.spoil("stick/x.run.002", &[at - 1]);
    place.spoil("two/x.run.003", &[0]);
    place.spoil("stick/x.run", &[20]);
    expect(3, place.folder(), &["verify", "--map", "damage.json", "stick/x.run", "--volumes", "two"]);
    let words = ["transfer", "--json", "x.run", "stick", "--heal", "damage.json", "--volumes", "two"];
    let document = json_of_output(&expect(0, place.folder(), &words).0);
    assert_eq!(document["files"].as_array().expect("a list").len(), 3, "{document}");
    for (one, other) in [("stick/x.run", "x.run"), ("stick/x.run.002", "x.run.002"), ("two/x.run.003", "x.run.003")] {
        let right = fs::read(place.path("right").join(other)).expect("read");
        assert!(fs::read(place.path(one)).expect("read") == right, "{one}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_and_nothing_is_written() {
    let place = Place::new();
    place.spoil("stick/x.run", &[1_000_000]);
    place.map();
    let damaged = fs::read(place.path("stick/x.run")).expect("read");
    let right = fs::read(place.path("x.run")).expect("read");
    // The good copy is damaged in the same frame.
    place.spoil("x.run", &[1_000_100]);
    assert!(place.heal(3).1.contains("nothing was healed"));
    // And in its launcher, where only that matters.
    place.spoil("x.run", &[1_000_100, 20]);
    place.heal(0);
    fs::write(place.path("stick/x.run"), &damaged).expect("written");
    place.spoil("x.run", &[20]);
    place.spoil("stick/x.run", &[5, 1_000_000]);
    place.map();
    place.spoil("x.run", &[20]);
    assert!(place.heal(3).1.contains("nothing was healed"));
    place.spoil("x.run", &[20]);
    // The map is of another bundle.
    bundle(&place.path("x.run"), 2);
    let other = fs::read(place.path("x.run")).expect("read");
    assert!(place.heal(3).1.contains("the damage map is of another bundle"));
    // Another bundle is on the stick.
    fs::write(place.path("x.run"), &right).expect("written");
    fs::write(place.path("stick/x.run"), &other).expect("written");
    assert!(place.heal(3).1.contains("the bundle on the medium is another one"));
    assert!(fs::read(place.path("stick/x.run")).expect("read") == other);
    // In volumes, too.
    fs::write(place.path("x.run"), &other).expect("written");
    fs::remove_file(place.path("stick/x.run")).expect("removed");
    expect(0, place.folder(), &["transfer", "x.run", "stick", "--volume-size", "700K"]);
    fs::write(place.path("x.run"), &right).expect("written");
    assert!(place.heal(3).1.contains("the bundle on the medium is another one"));
    expect(0, place.folder(), &["verify", "stick/x.run"]);
    fs::remove_file(place.path("stick/x.run")).expect("removed");
    place.heal(1);
    // Two sticks have not the same damage.
    let (_, err) = expect(2, place.folder(), &["transfer", "x.run", "stick", "two", "--heal", "damage.json"]);
    assert!(err.contains("pack transfer x.run stick --heal damage.json"), "{err}");
    let Some(locked) = Tmpfs::mount(&place.path("locked"), "size=8m") else { return };
    fs::write(locked.path().join("x.run"), &damaged).expect("written");
    locked.remount("ro");
    let (_, err) = expect(1, place.folder(), &["transfer", "x.run", "locked", "--heal", "damage.json"]);
    assert!(err.contains("the medium is read-only"), "{err}");
}
