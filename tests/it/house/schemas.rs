//! The JSON Schemas in `schema/` are what the code reads: the same keys, and the same verdict on what is wrong.

use std::collections::BTreeSet;
use std::fs;

use crate::support::top;
use pack::digest::Digest;
use pack::manifest::Manifest;
use pack::product::Product;
use pack::yaml;
use serde_json::{Map, Value, json};

fn schema(name: &str) -> Value {
    let path = top().join(format!("schema/{name}.schema.json"));
    serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON")
}

/// The words that an error names as those that are expected: `serde` lists every key that it knows.
fn expected(error: impl std::fmt::Debug) -> BTreeSet<String> {
    let text = format!("{error:?}");
    let list = text.split_once("expected").unwrap_or_else(|| panic!("no list of keys: {text}")).1;
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn keys(node: &Value) -> BTreeSet<String> {
    node["properties"].as_object().expect("an object").keys().cloned().collect()
}

const MANIFEST: &str = r#"{ "schemaVersion": 1, "name": "x", "version": "1.0.0", "artifacts": [ARTIFACT] MORE }"#;
const ARTIFACT: &str = r#"{ "name": "a", "kind": "file", "urls": ["a"] }"#;

fn manifest(artifact: &str, more: &str) -> String {
    MANIFEST.replace("ARTIFACT", artifact).replace("MORE", more)
}

const PRODUCT: &str = "schemaVersion: 1\ntitle: x\nstack: s.yaml\ninstallDir: /srv/x\n";

/// Each object of a product: its name in the schema, and a product with an unknown key in it.
const OBJECTS: [(&str, &str); 14] = [
    ("", "unknown: 1"),
    ("needs", "needs: { unknown: 1 }"),
    ("otherNeeds", "needs: { when: { a: { unknown: 1 } } }"),
    ("engine", "engines: [{ unknown: 1 }]"),
    ("option", "options: { a: { unknown: 1 } }"),
    ("service", "services: { a: { unknown: 1 } }"),
    ("folder", "folders: [{ unknown: 1 }]"),
    ("configuration", "configuration: { unknown: 1 }"),
    ("key", "configuration: { file: a, keys: { A: { unknown: 1 } } }"),
    ("hooks", "hooks: { unknown: a }"),
    ("dump", "dump: { unknown: 1 }"),
    ("gate", "gate: { unknown: 1 }"),
    ("probe", "gate: { probes: [{ unknown: 1 }] }"),
    ("cgroup", "engines: [{ artifact: a, cgroup: unknown }]"),
];

#[test]
fn the_schemas_have_exactly_the_keys_that_are_read() {
    let of_manifest = schema("manifest");
    let refused = |text: String| expected(Manifest::parse(text, "test").expect_err("an unknown key"));
    assert_eq!(keys(&of_manifest), refused(manifest(ARTIFACT, r#", "unknown": 1"#)));
    let artifact = &of_manifest["$defs"]["artifact"];
    assert_eq!(keys(artifact), refused(manifest(&ARTIFACT.replace('}', r#", "unknown": 1 }"#), "")));
    let kinds: BTreeSet<String> = words(&artifact["properties"]["kind"]["enum"]);
    assert_eq!(kinds, refused(manifest(&ARTIFACT.replace("\"file\"", "\"unknown\""), "")));

    let of_product = schema("product");
    for (name, text) in OBJECTS {
        let known = match name {
            "" => keys(&of_product),
            "hooks" => keys(&of_product["properties"]["hooks"]),
            "cgroup" => words(&of_product["$defs"]["engine"]["properties"]["cgroup"]["enum"]),
            name => keys(&of_product["$defs"][name]),
        };
        let error = Product::parse(&format!("{PRODUCT}{text}\n"), "test").expect_err("an unknown key");
        assert_eq!(known, expected(error), "{name}");
    }
}

fn words(list: &Value) -> BTreeSet<String> {
    list.as_array().expect("a list").iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

#[test]
fn what_is_read_fits_and_what_is_refused_does_not() {
    let of_manifest = schema("manifest");
    let fits = |text: &str| why_not(&of_manifest, &serde_json::from_str(text).expect("JSON"), &of_manifest);
    for path in ["manifest.json", "examples/hello/manifest.json", "examples/webapp/manifest.json"] {
        let text = fs::read_to_string(top().join(path)).expect("read");
        Manifest::parse(text.clone(), path).expect("valid");
        assert_eq!(fits(&text), None, "{path}");
    }
    let digest = format!(r#""digest": "{}""#, Digest::of(b""));
    for (artifact, more, is_right) in [
        (ARTIFACT.to_owned(), String::new(), true),
        (
            ARTIFACT.to_owned(),
            r#", "description": "x", "homepage": "https://example.com", "$schema": "./x""#.to_owned(),
            true,
        ),
        (ARTIFACT.to_owned(), r#", "homepage": "ftp://example.com""#.to_owned(), false),
        (ARTIFACT.to_owned(), r#", "$schema": 1"#.to_owned(), false),
        (ARTIFACT.to_owned(), r#", "description": "#.to_owned() + &format!("\"{}\"", "x".repeat(4_096)), true),
        (ARTIFACT.to_owned(), r#", "description": "#.to_owned() + &format!("\"{}\"", "x".repeat(4_097)), false),
        (ARTIFACT.replace("[\"a\"]", "[]"), String::new(), false),
        (ARTIFACT.replace("[\"a\"]", "\"a\""), String::new(), false),
        (ARTIFACT.replace("\"file\"", "\"thing\""), String::new(), false),
        (ARTIFACT.replace('}', r#", "platform": "linux/arm64" }"#), String::new(), true),
        (ARTIFACT.replace('}', r#", "platform": "linux/vax" }"#), String::new(), false),
        (ARTIFACT.replace('}', r#", "size": 0 }"#), String::new(), false),
        (ARTIFACT.replace('}', &format!(", \"size\": 0, {digest} }}")), String::new(), true),
        (ARTIFACT.replace('}', &format!(", \"size\": -1, {digest} }}")), String::new(), false),
        (
            ARTIFACT.replace('}', &format!(", {} }}", digest.to_uppercase().replace("DIGEST", "digest"))),
            String::new(),
            false,
        ),
        (String::new(), String::new(), false),
    ] {
        let text = manifest(&artifact, &more);
        assert_eq!(Manifest::parse(text.clone(), "test").is_ok(), is_right, "{text}");
        assert_eq!(fits(&text).is_none(), is_right, "{text}: {:?}", fits(&text));
    }
    let name = manifest(ARTIFACT, "").replace("\"x\"", "\"X\"");
    assert!(Manifest::parse(name.clone(), "test").is_err() && fits(&name).is_some());

    let of_product = schema("product");
    let fits = |text: &str| why_not(&of_product, &yaml::read(text).expect("YAML"), &of_product);
    for path in ["portable/product.yaml", "examples/webapp/product.yaml"] {
        let text = fs::read_to_string(top().join(path)).expect("read");
        Product::parse(&text, path).expect("valid");
        assert_eq!(fits(&text), None, "{path}");
    }
    for (more, is_right) in [
        ("$schema: ./product.schema.json\n", true),
        (
            "needs: { cores: 2, memory: 4GiB, disk: 100, diskSize: 1GiB, when: { \"!a\": { cores: 1 } } }\noptions: { a: { type: switch, default: true } }\n",
            true,
        ),
        ("needs: { cores: many }\n", false),
        ("engines: [{ artifact: a, cgroup: v1, unit: a.service }, { artifact: b }]\n", true),
        ("engines: [{ cgroup: v1 }]\n", false),
        ("engines: [{ artifact: a, cgroup: v3 }]\n", false),
        ("secrets: [a, { name: b, replaceable: true }]\n", true),
        ("secrets: [{ replaceable: true }]\n", false),
        ("secrets: [{ name: b, other: true }]\n", false),
        ("options: { a: { type: port } }\n", false),
        ("options: { a: { type: ports, default: 1 } }\n", false),
        ("folders: [{ path: a, mode: \"0700\" }]\n", true),
        ("folders: [{ mode: \"0700\" }]\n", false),
        ("folders: [{ path: a, mode: \"0800\" }]\n", false),
        ("hooks: { health: a.sh }\n", true),
        ("gate: { probes: [{ service: a, command: [] }] }\n", false),
        ("gate: { steady: soon }\n", false),
    ] {
        let text = format!("{PRODUCT}{more}");
        let read = Product::parse(&text, "test");
        assert_eq!(read.is_ok(), is_right, "{more}: {read:?}");
        assert_eq!(fits(&text).is_none(), is_right, "{more}: {:?}", fits(&text));
    }
    assert!(fits(&PRODUCT.replace("/srv/x", "srv/x")).is_some());
}

/// Why `value` is not as `node` of the schema `root` has it: the keywords of JSON Schema that ours use, and no other.
fn why_not(node: &Value, value: &Value, root: &Value) -> Option<String> {
    node.as_object().expect("a schema").iter().find_map(|(keyword, rule)| {
        let length = |text: &Value| text.as_str().map(|text| text.chars().count() as u64);
        let count = |list: &Value| list.as_array().map(|list| list.len() as u64);
        let limit = rule.as_u64();
        let empty = Map::new();
        let object = value.as_object().unwrap_or(&empty);
        let has = |key: &Value| object.contains_key(key.as_str().expect("a key"));
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let name = rule.as_str().and_then(|path| path.strip_prefix("#/$defs/")).expect("a definition");
                return why_not(&root["$defs"][name], value, root);
            }
            "type" => {
                rule.as_array().map_or(vec![rule], |all| all.iter().collect()).iter().any(|kind| is_a(kind, value))
            }
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "anyOf" => rule.as_array().expect("a list").iter().any(|one| why_not(one, value, root).is_none()),
            "required" => rule.as_array().expect("a list").iter().all(|key| !value.is_object() || has(key)),
            "dependentRequired" => rule
                .as_object()
                .expect("a map")
                .iter()
                .all(|(key, needs)| !object.contains_key(key) || needs.as_array().expect("a list").iter().all(has)),
            "properties" => {
                let known = |(key, rule): (&String, &Value)| why_not(rule, object.get(key)?, root);
                return rule.as_object().expect("a map").iter().find_map(known);
            }
            "additionalProperties" => {
                let others = object.iter().filter(|(key, _)| node["properties"].get(key.as_str()).is_none());
                let bad = |(key, value): (&String, &Value)| match rule {
                    Value::Bool(false) => Some(format!("an unknown key: {key}")),
                    rule => why_not(rule, value, root),
                };
                return others.into_iter().find_map(bad);
            }
            "items" => return value.as_array()?.iter().find_map(|item| why_not(rule, item, root)),
            "minItems" => count(value) >= limit || !value.is_array(),
            "maxItems" => count(value) <= limit,
            "minLength" => length(value) >= limit || !value.is_string(),
            "maxLength" => length(value) <= limit,
            "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().expect("a number")),
            "pattern" => value.as_str().is_none_or(|text| fits_pattern(rule.as_str().expect("a pattern"), text)),
            other => panic!("the schemas use a keyword that is not looked at here: {other}"),
        };
        (!holds).then(|| format!("{keyword} {rule}: {value}"))
    })
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no type that is looked at here: {other}"),
    }
}

/// The few patterns there are, each by hand.
fn fits_pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "^sha256:[0-9a-f]{64}$" => text.strip_prefix("sha256:").is_some_and(|digits| {
            digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }),
        "^[a-z0-9][a-z0-9._-]{0,63}$" => text.parse::<pack::manifest::ProductName>().is_ok(),
        "^https?://" => text.starts_with("http://") || text.starts_with("https://"),
        "^/" => text.starts_with('/'),
        "^[0-7]{1,5}$" => (1..=5).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7')),
        other => panic!("no pattern that is looked at here: {other}"),
    }
}

#[test]
fn a_wrong_document_is_found() {
    let root = json!({ "type": "object", "required": ["a"], "properties": { "a": { "maxLength": 1 } } });
    let found = |value: Value| why_not(&root, &value, &root).is_some();
    assert!(!found(json!({ "a": "x" })) && found(json!({})) && found(json!([])) && found(json!({ "a": "xx" })));
}
