//! Artifacts that have layers or whole images in common, each carried in its own way.

use std::fs;
use std::path::Path;

use crate::support::images::{Layers, Made, docker_archive, gzip, image, layer, oci, zstd};
use crate::support::{BUNDLE, File, expect, file, pack, portable, shell, stand_in, texts, tree};

const PRODUCT: &str = "probe-portable";

fn product(files: &[File]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), files);
    folder
}

fn on_one_base() -> [Made; 2] {
    let base = layer(1, 300_000);
    [image("probe/a:1", vec![base.clone(), layer(2, 40_000)]), image("probe/b:1", vec![base, layer(3, 40_000)])]
}

fn assert_comes_back(folder: &Path) {
    expect(0, folder, &["verify", BUNDLE]);
    expect(0, folder, &["extract", BUNDLE, "out"]);
    assert_eq!(tree(&folder.join("out")), tree(&folder.join(PRODUCT)));
    fs::remove_dir_all(folder.join("out")).expect("removed");
}

#[test]
fn what_is_kept_as_it_is_carries_no_layer_for_others() {
    let [a, b] = on_one_base();
    // zstd cannot be put on again: the layers of the second are carried compressed.
    let folder = product(&[
        file("a.tar.zst", "image", zstd(&docker_archive(std::slice::from_ref(&a)))),
        file("b.tar", "image", oci(std::slice::from_ref(&b), Layers::Zstd, false)),
    ]);
    expect(0, folder.path(), &["bundle"]);
    assert_comes_back(folder.path());
    // The archive beside it has the base for itself alone: nothing is shared.
    let (shown, _) = expect(0, folder.path(), &["inspect", BUNDLE]);
    assert!(shown.contains("carried under its own zstd") && !shown.contains("shared with"), "{shown}");

    let folder = product(&[
        file("a.tar.gz", "image", gzip(&docker_archive(&[a]), 6)),
        file("b.tar", "image", oci(&[b], Layers::Gzip, false)),
    ]);
    for words in [&["bundle", "--compression", "fast"][..], &["bundle"], &["bundle", "--compression", "max"]] {
        expect(0, folder.path(), words);
        assert_comes_back(folder.path());
    }
}

#[test]
fn of_one_image_in_two_artifacts_the_carried_one_is_described() {
    let [a, b] = on_one_base();
    let both = [a.clone(), b];
    for kept_first in [true, false] {
        let names = if kept_first { ["1.tar.zst", "2.tar"] } else { ["2.tar.zst", "1.tar"] };
        let folder = product(&[
            file(names[0], "image", zstd(&docker_archive(&both))),
            file(names[1], "image", oci(std::slice::from_ref(&a), Layers::Zstd, false)),
        ]);
        expect(0, folder.path(), &["bundle"]);
        assert_comes_back(folder.path());
    }
}

#[test]
fn every_artifact_keeps_its_own_names_for_an_image_that_others_have_too() {
    let [a, _] = on_one_base();
    // The same config under another name.
    let b = Made { tag: "probe/other:2".into(), ..a.clone() };
    let folder = product(&[
        file("a.tar.gz", "image", gzip(&docker_archive(std::slice::from_ref(&a)), 6)),
        file("b.tar.gz", "image", gzip(&docker_archive(std::slice::from_ref(&b)), 6)),
    ]);
    // An engine that keeps what it was given for us to see, and has nothing.
    let path = stand_in(folder.path(), "docker", "[ \"$1\" = load ] && exec cat >loaded.tar\n[ \"$1\" = version ]");
    for words in [&["bundle"][..], &["bundle", "--no-originals"], &["bundle", "--compression", "fast"]] {
        expect(0, folder.path(), words);
        let output =
            pack(folder.path()).args(["load", BUNDLE, "b.tar.gz"]).env("PATH", &path).output().expect("pack runs");
        let (_, err) = texts(&output);
        assert!(err.contains("probe/other:2") && !err.contains("probe/a:1"), "{words:?}: {err}");
        let sent = shell(folder.path(), "tar -xOf loaded.tar manifest.json");
        assert!(sent.contains("probe/other:2") && !sent.contains("probe/a:1"), "{words:?}: {sent}");
    }
    expect(0, folder.path(), &["bundle", "--no-originals"]);
    expect(0, folder.path(), &["extract", BUNDLE, "plain"]);
    for (name, own, other) in [("a", &a, &b), ("b", &b, &a)] {
        let manifest = shell(folder.path(), &format!("tar -xOf plain/{name}.tar.gz manifest.json"));
        assert!(manifest.contains(&own.tag) && !manifest.contains(&other.tag), "{manifest}");
    }
}

#[test]
fn what_two_artifacts_are_made_of_is_added_by_neither() {
    let text = layer(1, 900_000);
    let folder = product(&[file("a.tgz", "engine", gzip(&text, 6)), file("b.tgz", "engine", gzip(&text, 9))]);
    expect(0, folder.path(), &["bundle"]);
    let (shown, _) = expect(0, folder.path(), &["inspect", "--json", BUNDLE]);
    let document: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    for name in ["a.tgz", "b.tgz"] {
        let adds = document["adds"][name].as_u64().expect("a number");
        assert!(adds > 0 && adds < 300_000, "{name}: {adds}");
    }
}
