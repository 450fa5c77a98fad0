//! Parity that is made on the stick.

use std::fs;
use std::path::Path;

use crate::support::craft::small_bundle;
use crate::support::mounts::Tmpfs;
use crate::support::{PACK, expect, file, json_of_output, noise, shell};
use pack::digest::Digest;

const SIZE: usize = 5_000_000;

fn bundle(folder: &Path, seed: u64) {
    fs::create_dir_all(folder).expect("a folder");
    let files = [file("run.sh", "script", "exit\n"), file("noise", "file", noise(seed, SIZE))];
    small_bundle(&folder.join("x.run"), b"#!/bin/sh\n# pack bundle: probe\n", &files);
}

/// Spoils every so many bytes of a file.
fn spoil(path: &Path, every: usize) {
    let mut bytes = fs::read(path).expect("read");
    bytes.iter_mut().step_by(every).for_each(|byte| *byte ^= 1);
    fs::write(path, bytes).expect("written");
}

#[test]
fn parity_fills_the_stick_is_read_back_and_stays_while_it_is_right() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder, 7);
    let Some(stick) = Tmpfs::mount(&folder.join("stick"), "size=9m") else { return };
    let transfer = || {
        let (out, _) = expect(0, folder, &["transfer", "--json", "x.run", "stick", "--parity", "fill"]);
        json_of_output(&out)["copies"][0]["receipt"].clone()
    };
    let receipt = transfer();
    let parity = stick.path().join("x.run.parity");
    let bytes = fs::read(&parity).expect("there");
    let free = pack::room::free(stick.path()).expect("known");
    assert!(bytes.len() > 2_000_000 && free < 1_500_000, "{} and {free} left", bytes.len());
    let listed = receipt["files"].as_array().expect("a list").last().expect("a file").clone();
    assert_eq!((&listed["name"], &listed["digest"]), (&"x.run.parity".into(), &Digest::of(&bytes).to_string().into()));
    assert!(receipt["written"].as_u64() > Some(bytes.len() as u64 + SIZE as u64), "{receipt}");
    assert_eq!(transfer()["written"], 0);
    // Half of all sectors of the beginning are wrong.
    spoil(&stick.path().join("x.run"), 16_384);
    expect(3, folder, &["verify", "stick/x.run"]);
    expect(0, folder, &["repair", "stick/x.run"]);
    expect(0, folder, &["verify", "stick/x.run"]);
    // A wrong byte anywhere in the parity has it made again.
    for part in 0..5 {
        let mut bytes = fs::read(&parity).expect("there");
        let at = [100, 5_000, bytes.len() / 2, bytes.len() - 5_000, bytes.len() - 100][part];
        bytes[at] ^= 1;
        fs::write(&parity, bytes).expect("written");
        let written = transfer()["written"].as_u64().expect("a number");
        assert!(written > 2_000_000 && written == fs::metadata(&parity).expect("there").len(), "{at}: {written}");
        assert_eq!(transfer()["written"], 0, "{at}");
    }
    let bytes = fs::read(&parity).expect("there");
    fs::write(&parity, [&bytes[..], &[0]].concat()).expect("written");
    assert!(transfer()["written"].as_u64() > Some(2_000_000), "appended to");
    // One that covers less, or another bundle of this length, is replaced.
    expect(0, folder, &["transfer", "x.run", "stick", "--parity", "3%"]);
    assert!(fs::metadata(&parity).expect("there").len() < 300_000);
    assert!(transfer()["written"].as_u64() > Some(2_000_000));
    let length = |path: &str| fs::metadata(folder.join(path)).expect("there").len();
    let is_as_long = |seed: &u64| {
        bundle(&folder.join("other"), *seed);
        length("other/x.run") == length("x.run")
    };
    (8..100).find(is_as_long).expect("indexes are of a few lengths");
    let (out, _) = expect(0, folder, &["transfer", "--json", "other/x.run", "stick", "--parity", "fill"]);
    let written = json_of_output(&out)["copies"][0]["receipt"]["written"].as_u64();
    assert!(written > Some(SIZE as u64 + 2_000_000), "{written:?}");
}

#[test]
fn where_a_second_copy_fits_that_is_offered_and_where_nothing_fits_that_is_said() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    bundle(folder, 7);
    let Some(_large) = Tmpfs::mount(&folder.join("large"), "size=15m") else { return };
    let (_, err) = expect(0, folder, &["transfer", "x.run", "large", "--parity", "fill"]);
    assert!(err.contains("a second copy of the bundle fits there"), "{err}");
    assert!(!folder.join("large/x.run.parity").exists());
    let (out, err) = expect(0, folder, &["parity", "--json", "--amount", "fill", "large/x.run"]);
    assert!(err.contains("second copy") && json_of_output(&out)["parity"].is_null(), "{out}{err}");
    let offered =
        err.split("more than parity: ").nth(1).and_then(|rest| rest.split("; where").next()).expect("a command");
    // From the bundle that is there onto the same stick.
    shell(folder, &offered.replace("pack transfer", &format!("{PACK} transfer")));
    expect(0, folder, &["verify", "large/copy/x.run"]);
    // Now nothing fits twice any more.
    for _ in 0..2 {
        // The second time it is in its own way.
        expect(0, folder, &["parity", "--amount", "fill", "large/x.run"]);
        assert!(fs::metadata(folder.join("large/x.run.parity")).expect("there").len() > 3_000_000);
    }

    let Some(small) = Tmpfs::mount(&folder.join("small"), "size=6m") else { return };
    fs::write(small.path().join("other"), vec![0; 300_000]).expect("written");
    let (_, err) = expect(1, folder, &["transfer", "x.run", "small", "--parity", "fill"]);
    assert!(err.contains("no room for parity"), "{err}");
    let (_, err) = expect(1, folder, &["transfer", "x.run", "small", "--parity", "50%"]);
    assert!(err.contains("there is not enough room"), "{err}");
    assert_eq!(fs::read_dir(small.path()).expect("listed").count(), 1, "before the first byte");
    let (_, err) = expect(2, folder, &["transfer", "x.run", "small", "--parity", "full"]);
    assert!(err.contains("'fill'"), "{err}");
    expect(2, folder, &["transfer", "x.run", "small", "--parity", "5%", "--volume-size", "1M"]);
}
