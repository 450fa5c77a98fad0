//! A document as block-style YAML. Every text is in double quotes, as JSON has it, which is YAML too: what reads it may
//! take a plain `on`, `22:22` or `0440` for something else.

use std::fmt::Write;

use serde_json::Value;

/// Writes a document; it ends with a line feed.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut out),
        _ => {
            flow(value, &mut out);
            out.push('\n');
        }
    }
    out
}

/// The lines of a map or list that is not empty.
fn block(value: &Value, depth: usize, out: &mut String) {
    let lead = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&lead);
                let is_plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
                let begins = key.starts_with(|c: char| c.is_ascii_alphabetic());
                // YAML 1.1 takes these for booleans or nothing.
                let is_word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
                    .contains(&key.to_lowercase().as_str());
                if is_plain && begins && !is_word {
                    out.push_str(key)
                } else {
                    flow(&Value::String(key.clone()), out)
                }
                out.push(':');
                below(value, depth + 1, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&lead);
                out.push('-');
                below(item, depth + 1, out);
            }
        }
        _ => {}
    }
}

/// What comes behind a colon or a dash.
fn below(value: &Value, depth: usize, out: &mut String) {
    let is_empty =
        value.as_object().map(serde_json::Map::is_empty).or(value.as_array().map(Vec::is_empty)).unwrap_or(true);
    if is_empty {
        out.push(' ');
        flow(value, out);
        out.push('\n');
    } else {
        out.push('\n');
        block(value, depth, out);
    }
}

/// A scalar, or an empty map or list, on the line.
fn flow(value: &Value, out: &mut String) {
    let Value::String(text) = value else {
        // Writing to a text cannot fail.
        let _ = write!(out, "{value}");
        return;
    };
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // Breaks and marks that a reader of YAML treats in its own way.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_a_line_for_each_thing() {
        let value = json!({ "a": { "b": ["x", { "on": 1, "c": [] }] }, "z": null });
        let expected = "a:\n  b:\n    - \"x\"\n    -\n      c: []\n      \"on\": 1\nz: null\n";
        assert_eq!(write(&value), expected);
    }
}
