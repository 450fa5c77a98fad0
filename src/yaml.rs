//! YAML as Docker's own tools take it, read and written through one library with one set of rules.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_saphyr::DuplicateKeyPolicy;

/// Reads the one document in `text`. Merge keys (`<<`) are followed, a key that stands twice is an error, and numbers
/// such as `0440` are octal, as Compose files mean them.
///
/// # Errors
/// The text is not YAML, or not what `T` asks for: what is wrong, and in which line.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        // What the library calls its options is of no use to a reader.
        let text = error.to_string();
        text.replace(", set DuplicateKeyPolicy in Options if acceptable", "")
    })
}

/// Writes a document. Every text is in quotes: what reads it may take YAML 1.1's `on`, `22:22` or `0440` for something else.
///
/// # Errors
/// The value has a map whose keys are not texts.
pub fn write<T: Serialize>(value: &T) -> Result<String, String> {
    let options = serde_saphyr::ser_options! { quote_all: true, indent_step: 2 };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let value =
            json!({ "a": ["on", "22:22", "0440", "", null, true, 288, 1.5, "x\ny\n", "#", "- a"], "y": { "": [] } });
        let text = write(&value).expect("written");
        assert_eq!(read::<Value>(&text), Ok(value), "{text}");
    }

    #[test]
    fn a_key_that_stands_twice_and_a_second_document_are_refused() {
        for (bad, line) in [("a: 1\na: 2\n", "line 2"), ("a: 1\n---\nb: 1\n", "line 3"), ("a: [", "line 1")] {
            let why = read::<Value>(bad).expect_err(bad);
            assert!(why.contains(line) && !why.contains("Policy"), "{why}");
        }
        assert_eq!(
            read::<Value>("mode: 0440\nb: &b { c: 1 }\nd: { <<: *b }"),
            Ok(json!({ "mode": 288, "b": { "c": 1 }, "d": { "c": 1 } }))
        );
    }
}
