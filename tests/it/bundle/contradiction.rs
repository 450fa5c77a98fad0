//! An index that contradicts itself is refused when the bundle is opened, each contradiction for its own reason.

use std::fs;

use crate::support::craft::{small_bundle, with_index};
use crate::support::facts::Facts;
use crate::support::file;
use pack::bundle::Bundle;
use pack::digest::Digest;
use pack::error::Class;
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
