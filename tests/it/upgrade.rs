//! Which manifest may replace another: never an older version, never other content under the same version.

use crate::support::facts::Facts;
use pack::error::Result;
use pack::manifest::Manifest;
use pack::manifest::upgrade::check_upgrade;

const OLD: &str = r#"{"schemaVersion": 1, "name": "probe", "version": "1.0.0", "run": "a", "artifacts": [
    {"name": "a", "kind": "script", "urls": ["a"], "digest":
     "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
    {"name": "b", "kind": "script", "urls": ["b"]}, {"name": "c", "kind": "file", "urls": ["c"]}]}"#;

/// What becomes of a manifest like [`OLD`] with `new` in the place of `old`, under this version.
fn offered(old: &str, new: &str, version: &str) -> Result<()> {
    assert!(OLD.contains(old), "{old}");
    let read = |text: String| Manifest::parse(text, "test").expect("valid");
    let changed = OLD.replacen(old, new, 1).replacen("1.0.0", version, 1);
    check_upgrade(&read(OLD.to_owned()), &read(changed))
}

#[test]
fn the_same_version_has_the_same_content() {
    for (old, new, differs) in [
        (r#", {"name": "c", "kind": "file", "urls": ["c"]}"#, "", "'c' is not in it any more"),
        (r#"{"name": "c""#, r#"{"name": "d", "kind": "file", "urls": ["d"]}, {"name": "c""#, "'d' is new"),
        (r#""kind": "file""#, r#""kind": "unit""#, "'c' was of kind file, now unit"),
        (r#""run": "a""#, r#""run": "b""#, "another script is run"),
        (r#""run": "a", "#, "", "another script is run"),
        ("sha256:0", "sha256:1", "'a' was sha256:0"),
    ] {
        let error = offered(old, new, "1.0.0").expect_err(differs);
        assert_eq!(error.title(), "the same version was published with other content");
        assert!(error.fact_named("differs").is_some_and(|what| what.starts_with(differs)), "{error}");
        assert!(offered(old, new, "1.0.1").is_ok(), "a later version may differ: {differs}");
        let older = offered(old, new, "0.9.9").expect_err("an older version");
        assert_eq!(older.fact_named("differs"), error.fact_named("differs"));
    }
    offered(r#"["c"]"#, r#"["e"]"#, "1.0.0").expect("URLs do not count");
    let pinned = r#""urls": ["c"], "digest":
        "sha256:0000000000000000000000000000000000000000000000000000000000000000""#;
    offered(r#""urls": ["c"]"#, pinned, "1.0.0").expect("a first pin does not count");
}

#[test]
fn another_product_is_refused_in_any_version() {
    for version in ["0.9.9", "1.0.0", "1.0.1"] {
        let error = offered("probe", "other", version).expect_err("another product");
        assert_eq!(error.title(), "the folder holds another product");
    }
}
