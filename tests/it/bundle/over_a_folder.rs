//! What a folder may hold that a bundle is extracted into.

use std::fs;
use std::path::Path;

use crate::support::craft::small_bundle;
use crate::support::{expect, file, manifest, tree, write_product};
use pack::platform::Platform;
use pack::release::Folder;

/// `x.run` in `place`, of version 1.0.0.
fn bundle(place: &Path) {
    small_bundle(&place.join("x.run"), b"#!/bin/sh\n# pack bundle\n", &[file("a", "file", "bundled")]);
}

#[test]
fn only_an_earlier_version_of_the_same_product_is_extracted_over() {
    let place = tempfile::tempdir().expect("a temporary folder");
    bundle(place.path());
    let out = place.path().join("out");
    for (name, version, code) in [
        ("probe", "0.9.9", 0),
        ("probe", "1.0.0", 3), // with other content
        ("probe", "1.0.1", 3),
        ("other", "0.9.9", 3),
    ] {
        let theirs = [file("a", "file", "theirs")];
        fs::create_dir(&out).expect("a folder");
        write_product(&out, version, &theirs);
        let mut document = manifest(version, &theirs);
        document["name"] = name.into();
        fs::write(out.join("manifest.json"), document.to_string()).expect("written");
        let before = tree(&out);
        let (_, err) = expect(code, place.path(), &["extract", "x.run", "out"]);
        if code == 0 {
            assert_eq!(fs::read(out.join("a")).expect("read"), b"bundled");
        } else {
            assert!(err.contains("into an empty folder"), "{err}");
            assert_eq!(tree(&out), before, "{name} {version}");
        }
        fs::remove_dir_all(&out).expect("removed");
    }
}

#[test]
fn an_extracted_folder_knows_its_platform() {
    let place = tempfile::tempdir().expect("a temporary folder");
    bundle(place.path());
    expect(0, place.path(), &["extract", "x.run", "out"]);
    assert_eq!(Folder::at(place.path().join("out")).platform().expect("read"), Some(Platform::AMD64));
}

#[test]
fn what_a_killed_extraction_left_goes_with_the_next() {
    let place = tempfile::tempdir().expect("a temporary folder");
    bundle(place.path());
    let out = place.path().join("out");
    for (words, folder) in
        [(&["extract", "x.run", "out"][..], ".pack/partial"), (&["extract", "x.run", "out", "a"], ".")]
    {
        let left = [".", folder].map(|folder| out.join(folder).join(".a.abcdefABC123.partial"));
        for path in &left {
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "half").expect("written");
        }
        expect(0, place.path(), words);
        assert!(left.iter().all(|path| !path.exists()), "{words:?}");
    }
}

#[test]
fn a_folder_in_a_files_place_and_a_file_in_a_folders_are_told() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let files = [file("a", "file", "bundled"), file("d/b", "file", "bundled")];
    small_bundle(&place.path().join("x.run"), b"#!/bin/sh\n# pack bundle\n", &files);
    let out = place.path().join("out");
    fs::create_dir_all(out.join("a")).expect("made");
    let (_, err) = expect(1, place.path(), &["extract", "x.run", "out"]);
    assert!(err.contains("a folder is where a file should be") && err.contains("into an empty folder"), "{err}");
    fs::remove_dir(out.join("a")).expect("removed");
    fs::write(out.join("d"), "mine").expect("written");
    let (_, err) = expect(1, place.path(), &["extract", "x.run", "out"]);
    assert!(err.contains("create the folder") && err.contains("out/d"), "{err}");
    assert_eq!(fs::read(out.join("d")).expect("kept"), b"mine");
}
