//! What a folder may hold that a bundle is extracted into.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::craft::small_bundle;
use crate::support::{File, expect, file, manifest, tree, write_product};
use pack::platform::Platform;
use pack::release::Folder;

/// `x.run` in `place`, of version 1.0.0.
fn bundle(place: &Path) {
    small_bundle(&place.join("x.run"), b"#!/bin/sh\n# pack bundle\n", &[file("a", "file", "bundled")]);
}

/// The new folder `out`, of another product or version.
fn product_in(out: &Path, (name, version): (&str, &str), files: &[File]) {
    fs::create_dir(out).expect("a folder");
    write_product(out, version, files);
    let mut document = manifest(version, files);
    document["name"] = name.into();
    fs::write(out.join("manifest.json"), document.to_string()).expect("written");
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
        product_in(&out, (name, version), &theirs);
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
fn a_file_taken_out_alone_is_not_put_among_those_of_another_manifest() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let files = [file("a", "file", "bundled"), file("same", "file", "same"), file("new", "file", "new")];
    small_bundle(&place.path().join("x.run"), b"#!/bin/sh\n# pack bundle\n", &files);
    let out = place.path().join("out");
    for (name, version) in [("probe", "2.0.0"), ("probe", "0.9.9"), ("probe", "1.0.0"), ("other", "1.0.0")] {
        let theirs = [file("a", "file", "theirs"), file("same", "file", "same")];
        product_in(&out, (name, version), &theirs);
        let before = tree(&out);
        for names in [&["a"][..], &["new", "a"], &["manifest.json"]] {
            let (_, err) = expect(3, place.path(), &[&["extract", "x.run", "out"], names].concat());
            assert!(err.contains(names[names.len() - 1]) && err.contains(version), "{err}");
            assert!(err.contains("into an empty folder"), "{err}");
            assert_eq!(tree(&out), before, "{name} {version} {names:?}");
        }
        // Nothing that their manifest pins becomes another.
        expect(0, place.path(), &["extract", "x.run", "out", "same", "new"]);
        assert_eq!(fs::read(out.join("new")).expect("there"), b"new");
        fs::remove_dir_all(&out).expect("removed");
    }
    // The folder's own file comes back, whatever became of it; and where there is no manifest, nothing says what belongs there.
    expect(0, place.path(), &["extract", "x.run", "out"]);
    for manifest_stays in [true, false] {
        fs::write(out.join("a"), "damaged").expect("written");
        if !manifest_stays {
            fs::remove_file(out.join("manifest.json")).expect("removed");
        }
        expect(0, place.path(), &["extract", "x.run", "out", "a"]);
        assert_eq!(fs::read(out.join("a")).expect("there"), b"bundled");
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

#[test]
fn a_link_in_the_place_of_a_folder_is_not_followed() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let files = [file("run.sh", "script", "#!/bin/sh\n"), file("d/b", "file", "bundled")];
    write_product(place.path(), "1.0.0", &files);
    small_bundle(&place.path().join("x.run"), b"#!/bin/sh\n# pack bundle\n", &files);
    let (theirs, out) = (place.path().join("theirs"), place.path().join("out"));
    fs::create_dir(&theirs).expect("made");
    for link in ["d", ".pack", ".pack/partial"] {
        let link = out.join(link);
        fs::create_dir_all(link.parent().expect("a folder")).expect("made");
        symlink(&theirs, &link).expect("a link");
        for words in [
            &["extract", "x.run", "out"][..],
            &["extract", "x.run", "out", "d/b"],
            &["download", "--no-cache", "--dir", "out", "manifest.json"],
        ] {
            // What is taken out alone needs nothing of the folder's own.
            if words.last() == Some(&"d/b") && !link.ends_with("d") {
                continue;
            }
            let (_, err) = expect(1, place.path(), words);
            assert!(err.contains("is not followed") && err.contains("rm out/"), "{words:?} {link:?}: {err}");
        }
        assert_eq!(fs::read_dir(&theirs).expect("there").count(), 0, "{link:?}");
        fs::remove_dir_all(&out).expect("removed");
    }
    expect(0, place.path(), &["extract", "x.run", "out"]);
    fs::rename(out.join(".pack"), place.path().join("moved")).expect("moved");
    symlink(place.path().join("moved"), out.join(".pack")).expect("a link");
    assert!(expect(1, place.path(), &["bundle", "out"]).1.contains("is not followed"));
}
