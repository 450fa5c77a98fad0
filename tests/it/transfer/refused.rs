//! Media that cannot have a bundle are refused before the first byte.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::craft::small_bundle;
use crate::support::facts::Facts;
use crate::support::mounts::Stick;
use crate::support::{file, noise, shell, skip};
use pack::error::{Class, Error};
use pack::progress::Silent;
use pack::task::transfer::{self, Options};
use pack::task::trust::Trust;

fn bundle(folder: &Path, size: usize) -> PathBuf {
    let path = folder.join("x.run");
    let files = [file("run.sh", "script", "exit\n"), file("noise", "file", noise(7, size))];
    small_bundle(&path, b"#!/bin/sh\n# pack bundle: probe\n", &files);
    path
}

fn refused(bundle: &Path, destination: &Path) -> Error {
    let options = Options {
        bundle: bundle.to_owned(),
        destinations: vec![destination.to_owned()],
        volume_size: None,
        signer: None,
        trust: Trust::default(),
    };
    let error = transfer::run(&options, &Silent, |_| Ok(())).expect_err("refused");
    assert!(error.hint_text().is_some(), "{error}");
    error
}

#[test]
fn a_read_only_or_full_medium_is_named() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = bundle(place.path(), 5_000_000);
    let Some(stick) = Stick::mount(place.path(), "locked", 40, "ro") else { return };
    assert_eq!(refused(&path, stick.path()).title(), "the medium is read-only");
    drop(stick);
    let Some(stick) = Stick::mount(place.path(), "full", 40, "rw") else { return };
    let free = pack::room::free(stick.path()).expect("known");
    // ext4 keeps some of what is free for itself.
    fs::write(stick.path().join("other"), vec![0; free as usize - 3_000_000]).expect("written");
    let error = refused(&path, stick.path());
    assert_eq!(error.title(), "there is not enough room on the disk");
    fs::remove_file(stick.path().join("other")).expect("removed");
    // ext4 gives its blocks back when the journal is written.
    shell(stick.path(), "sync -f .");
    let options = Options {
        bundle: path,
        destinations: vec![stick.path().to_owned()],
        volume_size: None,
        signer: None,
        trust: Trust::default(),
    };
    transfer::run(&options, &Silent, |_| Ok(())).expect("now it fits");
}

#[test]
fn a_mount_point_with_nothing_mounted_on_it_is_refused() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = bundle(place.path(), 1_000);
    let point = PathBuf::from(format!("/mnt/pack-test-{}", std::process::id()));
    if fs::create_dir(&point).is_err() {
        return skip("a folder in /mnt needs root");
    }
    let error = refused(&path, &point);
    let empty = fs::read_dir(&point).expect("read").count() == 0;
    fs::remove_dir(&point).expect("removed");
    assert!(empty, "nothing was written");
    assert!(error.title().starts_with("nothing is mounted there"), "{error}");
    assert_eq!(error.fact_named("mount point"), Some(point.display().to_string().as_str()));
}

#[test]
fn a_damaged_bundle_or_its_own_folder_is_refused() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = bundle(place.path(), 1_000);
    assert_eq!(refused(&path, place.path()).class(), Class::Usage);
    let stick = place.path().join("stick");
    fs::create_dir(&stick).expect("a folder");
    let mut bytes = fs::read(&path).expect("read");
    bytes[10] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert_eq!(refused(&path, &stick).class(), Class::Integrity);
    assert_eq!(refused(&path, &place.path().join("none")).class(), Class::Failed);
    assert_eq!(refused(&path, &path).class(), Class::Usage);
    assert_eq!(fs::read_dir(&stick).expect("read").count(), 0);
}
