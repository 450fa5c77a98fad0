//! An index that contradicts itself is refused when the bundle is opened, each contradiction for its own reason.

use std::fs;

use crate::support::craft::{bundle_of_folder, small_bundle, with_index};
use crate::support::facts::Facts;
use crate::support::images::{docker_legacy, gzip, image, layer};
use crate::support::{expect, file, noise, write_product};
use pack::bundle::Bundle;
use pack::digest::Digest;
use pack::error::Class;
use pack::image::AnalysisOptions;
use serde_json::{Value, json};

type Change = fn(&mut Value);

/// What is wrong, and words of the reason.
const CONTRADICTIONS: [(Change, &str); 16] = [
    (|index| index["name"] = json!("../x"), "a product's name"),
    (|index| index["requires"] = json!(vec!["x"; 2_000]), "requires more than any pack knows"),
    (|index| index["frames"] = json!([]), "0 frames"),
    (|index| index["rawSize"] = json!(1), "not 1"),
    (|index| index["frames"][0]["offset"] = json!(1), "begins at 1"),
    (|index| index["entries"][1]["size"] = json!(u64::MAX), "does not lie in the payload by itself"),
    (|index| index["entries"][2]["offset"] = index["entries"][1]["offset"].clone(), "by itself"),
    (|index| index["entries"][1]["mode"] = json!(0o1000), "has the mode 1000"),
    (|index| index["entries"][2]["path"] = index["entries"][1]["path"].clone(), "is there twice"),
    (|index| index["entries"][0]["path"] = json!("other.json"), "no manifest.json"),
    (|index| index["artifacts"][0]["size"] = json!((1u64 << 40) + 1), "an artifact or a layer has"),
    (|index| index["artifacts"][1]["name"] = index["artifacts"][0]["name"].clone(), "two files of the folder"),
    (|index| index["artifacts"][0]["mode"] = json!(0o1755), "as the artifact it should be"),
    (|index| index["artifacts"][0]["digest"] = json!(Digest::of(b"x")), "as the artifact it should be"),
    (|index| index["artifacts"][0]["form"] = json!("exported"), "two files of the folder"),
    (|index| index["run"] = json!("not-there"), "is to be run, yet not there"),
];

#[test]
fn each_contradiction_is_refused_for_its_own_reason() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("x.run");
    small_bundle(
        &path,
        b"#!/bin/sh\n# pack bundle\n",
        &[file("run.sh", "script", "exit\n"), file("data", "file", "some bytes")],
    );
    let good = fs::read(&path).expect("read");
    Bundle::open(&path).expect("a bundle");
    for (change, reason) in CONTRADICTIONS {
        fs::write(&path, &good).expect("written");
        with_index(&path, change);
        let error = Bundle::open(&path).expect_err(reason);
        assert_eq!(error.class(), Class::Integrity, "{error}");
        assert!(error.fact_named("reason").is_some_and(|why| why.contains(reason)), "{reason}: {error}");
    }
}

#[test]
fn an_artifact_that_is_made_lacks_nothing_that_it_is_made_of() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let archive = docker_legacy(&[image("a:1", vec![layer(1, 4_000)])]);
    let engine = file("engine.tgz", "engine", gzip(&noise(3, 3_000), 9));
    write_product(place.path(), "1.0.0", &[file("one.tar", "image", archive), engine]);
    let good = bundle_of_folder(place.path(), &AnalysisOptions::default(), |_| ());
    let path = place.path().join("x.run");
    fs::write(&path, &good).expect("written");
    let bundle = Bundle::open(&path).expect("a bundle");
    let (image, made) = (&bundle.index().images[0], &bundle.index().artifacts);
    let parts = [
        format!("oci/blobs/sha256/{}", image.id.hex()),
        format!("oci/blobs/sha256/{}", image.layers[0].diff_id.hex()),
        format!(".pack/rebuild/{}.recipe", made[0].digest.hex()),
        format!(".pack/rebuild/{}.recipe", made[1].digest.hex()),
        format!(".pack/rebuild/{}", made[1].blobs()[0].hex()),
    ];
    let refused = |what: &str, change: &dyn Fn(&mut Value)| {
        fs::write(&path, &good).expect("written");
        with_index(&path, change);
        let error = Bundle::open(&path).expect_err(what);
        let why = error.fact_named("reason").expect("a reason");
        assert!(why.contains("as the artifact it should be"), "{what}: {error}");
    };
    for part in parts {
        refused(&part, &|index| {
            let entries = index["entries"].as_array_mut().expect("a list");
            entries.iter_mut().find(|entry| entry["path"] == part).expect("there")["path"] = json!("other");
        });
    }
    refused("another image", &|index| index["artifacts"][0]["images"] = json!([Digest::of(b"x")]));
}

#[test]
fn a_recipe_of_another_artifact_is_not_followed() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let archive = |seed| docker_legacy(&[image("a:1", vec![layer(seed, 4_000)])]);
    let engine = |seed| gzip(&noise(seed, 3_000), 9);
    let files =
        [file("one.tar", "image", archive(1)), file("a.tgz", "engine", engine(3)), file("b.tgz", "engine", engine(4))];
    write_product(place.path(), "1.0.0", &files);
    let path = place.path().join("x.run");
    fs::write(&path, bundle_of_folder(place.path(), &AnalysisOptions::default(), |_| ())).expect("written");
    let bundle = Bundle::open(&path).expect("a bundle");
    let recipes = [1, 2].map(|at| format!(".pack/rebuild/{}.recipe", bundle.index().artifacts[at].digest.hex()));
    with_index(&path, |index| {
        for entry in index["entries"].as_array_mut().expect("a list") {
            if let Some(at) = recipes.iter().position(|recipe| entry["path"] == **recipe) {
                entry["path"] = recipes[1 - at].as_str().into();
            }
        }
    });
    let (_, err) = expect(3, place.path(), &["extract", "x.run", "out"]);
    assert!(err.contains("a recipe in it is for another file"), "{err}");
    assert!(!place.path().join("out/a.tgz").exists() && !place.path().join("out/b.tgz").exists());
}
