//! Changing single keys of a flat YAML file, of which everything else stays as somebody wrote it.

use serde_json::{Map, Value};

use super::{read, write};
use crate::language::tr;

/// `text` with these keys set. A key that is there keeps its place; its comment behind the value goes.
///
/// # Errors
/// The text is no flat map, or a key's value takes several lines: why.
pub fn set(text: &str, changes: &[(String, Value)]) -> Result<String, String> {
    let before = read_flat(text)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (key, value) in changes {
        let line = write(&Value::Object(Map::from_iter([(key.clone(), value.clone())])));
        let line = line.trim_end().to_owned();
        match lines.iter().position(|line| key_of(line).as_deref() == Some(key)) {
            Some(place) => lines[place] = line,
            None => lines.push(line),
        }
    }
    let after = lines.join("\n") + "\n";
    // What came out is what was meant, or it is not written.
    let mut expected = before;
    expected.extend(changes.iter().cloned());
    match read_flat(&after) {
        Ok(found) if found == expected => Ok(after),
        _ => Err(tr!("a value in it takes several lines")),
    }
}

/// The keys and values of a flat file.
///
/// # Errors
/// The text is not YAML, or no map.
pub fn read_flat(text: &str) -> Result<Map<String, Value>, String> {
    match read::<Value>(text)? {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        _ => Err(tr!("it is no map of keys and values")),
    }
}

/// The key that a line begins with.
fn key_of(line: &str) -> Option<String> {
    if line.starts_with([' ', '\t', '#', '-']) {
        return None;
    }
    let map = read_flat(line).ok()?;
    map.keys().next().cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_keys_that_change_change() {
        let text = "# the product's\nA: 1 # one\n\n'B': 'x: y'\nLIST:\n  - a\n";
        let changed = set(text, &[("B".to_owned(), json!("z#")), ("C".to_owned(), json!(true))]).expect("set");
        assert_eq!(changed, "# the product's\nA: 1 # one\n\nB: \"z#\"\nLIST:\n  - a\nC: true\n");
        assert_eq!(set("", &[("A".to_owned(), json!("0440"))]).expect("set"), "A: \"0440\"\n");
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused() {
        for text in ["- a\n", "A: [", "A: |\n  x\n  y\n", "A: 1\nA: 2\n", "{ A: 1, B: 2 }\n"] {
            assert!(set(text, &[("A".to_owned(), json!(2))]).is_err(), "{text:?}");
        }
    }
}
