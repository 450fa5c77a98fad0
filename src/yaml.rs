//! YAML as Docker's own tools take it.
//!
//! Text becomes [`serde_json::Value`], so that what is read from YAML and from JSON is the same to the rest: merge keys
//! (`<<`) are followed, a key that stands twice is an error, and plain scalars are what YAML 1.1 takes them for, as Docker
//! does (`0440` is octal, `on` is true).

mod flat;
mod scalar;
mod write;

use saphyr::{Yaml, YamlLoader};
use saphyr_parser::{Event, Parser};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::language::tr;

pub use flat::{read_flat, set};
pub use write::write;

/// How deep maps and lists may lie in each other.
const DEEPEST: usize = 64;

/// Reads the one document in `text`.
///
/// # Errors
/// The text is not YAML, or not what `T` asks for: what is wrong, and where.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(value(text)?).map_err(|error| {
        let path = error.path().to_string();
        if path == "." { error.inner().to_string() } else { format!("{path}: {}", error.inner()) }
    })
}

fn value(text: &str) -> Result<Value, String> {
    let documents = load(text)?;
    match documents.as_slice() {
        [] => Ok(Value::Null),
        [document] => convert(document, 0),
        several => Err(tr!("{} documents, where one is expected", several.len())),
    }
}

/// Scalars stay text: which of them were in quotes decides what they are.
fn load(text: &str) -> Result<Vec<Yaml<'_>>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_depth(text)?;
    let mut loader: YamlLoader<'_, Yaml<'_>> = YamlLoader::default();
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true).map_err(|error| error.to_string())?;
    match loader.error() {
        Some(error) => Err(error.to_string()),
        None => Ok(loader.into_documents()),
    }
}

/// Checks how deep maps and lists lie in each other before there are any: the loader, and whoever drops what it made, takes a
/// frame of the stack for each.
fn check_depth(text: &str) -> Result<(), String> {
    let mut depth = 0usize;
    for event in Parser::new_from_str(text) {
        match event.map_err(|error| error.to_string())?.0 {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn too_deep() -> String {
    tr!("maps and lists lie more than {} deep in each other", DEEPEST)
}

fn convert(node: &Yaml<'_>, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(too_deep());
    }
    match node {
        Yaml::Representation(text, style, tag) => Ok(scalar::resolve(text, *style, tag.is_some())),
        Yaml::Sequence(items) => items.iter().map(|item| convert(item, depth + 1)).collect(),
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            let mut merged = Map::new();
            for (key, value) in pairs {
                let value = convert(value, depth + 1)?;
                match key {
                    Yaml::Representation(key, ..) if key == "<<" => merge(&mut merged, value)?,
                    Yaml::Representation(key, ..) => {
                        // In quotes and without them it is the same key.
                        if map.insert(key.to_string(), value).is_some() {
                            return Err(tr!("duplicate key: {key}", key));
                        }
                    }
                    _ => return Err(tr!("a map has a key that is no text")),
                }
            }
            for (key, value) in merged {
                map.entry(key).or_insert(value);
            }
            Ok(Value::Object(map))
        }
        Yaml::Tagged(_, inner) => convert(inner, depth + 1),
        Yaml::Value(_) | Yaml::Alias(_) | Yaml::BadValue => Err(tr!("a value that cannot be read")),
    }
}

/// Takes in what a merge key names: a map, or several, of which the first that has a key decides (YAML 1.1, merge key
/// language-independent type).
fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                into.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(several) => several.into_iter().try_for_each(|one| merge(into, one)),
        _ => Err(tr!("'<<' names no map")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_and_lists_may_lie_as_deep_in_each_other_as_the_limit() {
        let lists = |depth: usize| read::<Value>(&("[".repeat(depth) + "1" + &"]".repeat(depth)));
        assert!(lists(DEEPEST).is_ok() && lists(DEEPEST + 1).is_err());
        let maps = |depth: usize| read::<Value>(&("{ a: ".repeat(depth) + "1" + &" }".repeat(depth)));
        assert!(maps(DEEPEST).is_ok() && maps(DEEPEST + 1).is_err());
        // Far more than a stack takes, in each way to write it; and an alias in the other.
        let indented: String = (0..3_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        for deep in ["- ".repeat(200_000), "? ".repeat(200_000), "[".repeat(200_000), "{a: ".repeat(200_000), indented]
        {
            assert!(read::<Value>(&deep).is_err(), "{:?}", &deep[..9]);
        }
        let aliases: String = (1..20_000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
        assert!(read::<Value>(&format!("a0: &a0 x\n{aliases}")).is_err());
    }

    #[test]
    fn a_key_that_stands_twice_and_a_second_document_are_refused() {
        for (bad, why) in [
            ("a: 1\na: 2\n", "duplicate"),
            ("a: 1\n'a': 2\n", "duplicate"),
            ("a: 1\n---\nb: 1\n", "2 documents"),
            ("a: [", "line"),
            ("a: 1\n\tb: 2", "line"),
            ("<<: 1", "no map"),
            ("{ [1]: 2 }", "no text"),
        ] {
            let error = read::<Value>(bad).expect_err(bad);
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        let bomb =
            (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
        assert!(read::<Value>(&bomb).is_err());
    }

    #[test]
    fn merge_keys_are_followed_and_the_first_decides() {
        let text = "b: &b { c: 1, d: 1 }\ne: &e { c: 2, f: 2 }\ng: { <<: [*b, *e], d: 3 }\nh: { <<: *b }";
        let value: Value = read(text).expect("read");
        assert_eq!(value["g"], json!({ "c": 1, "d": 3, "f": 2 }));
        assert_eq!(value["h"], json!({ "c": 1, "d": 1 }));
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Outer {
            inner: std::collections::BTreeMap<String, u32>,
        }
        let error = read::<Outer>("inner: { a: 1, b: x }").expect_err("no number");
        assert!(error.starts_with("inner.b: "), "{error}");
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let value = json!({
            "a": ["on", "22:22", "0440", "", null, true, 288, -1, 1.5, "x\ny\n", "#", "- a", "\u{1}\u{85}\u{2028}é\u{1f600}\"\\"],
            "y": { "": [], "n": {}, "o": [[1, [2]], { "p": [{ "q": 1 }] }] },
        });
        let text = write(&value);
        assert_eq!(read::<Value>(&text), Ok(value), "{text}");
    }
}
