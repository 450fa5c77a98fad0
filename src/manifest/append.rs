//! A manifest's text from nothing, and more artifacts in the text of one.

use std::fmt::Write;
use std::ops::Range;

use semver::Version;
use serde_json::value::RawValue;

use super::edit::{blank_before_key, members, range_in, unreadable};
use super::{Artifact, Manifest, ProductName, SCHEMA_VERSION};
use crate::error::Result;
use crate::path::RelPath;

/// The text of a new manifest: an artifact a line.
pub fn new_text(name: &ProductName, version: &Version, run: Option<&RelPath>, artifacts: &[Artifact]) -> String {
    let run = run.map(|run| format!("  \"run\": {},\n", quoted(run.as_str()))).unwrap_or_default();
    let style = Style::of_a_line();
    let lines: Vec<String> = artifacts.iter().map(|artifact| format!("    {}", style.written(artifact))).collect();
    format!(
        "{{\n  \"schemaVersion\": {SCHEMA_VERSION},\n  \"name\": \"{name}\",\n  \"version\": \"{version}\",\n{run}  \
         \"artifacts\": [\n{}\n  ]\n}}\n",
        lines.join(",\n")
    )
}

/// Returns the manifest's text with these artifacts behind those that are there, written as the last of them is. Everything else
/// stays as it was.
///
/// # Errors
/// The result breaks a rule of the schema, such as a name that is there twice.
pub fn with_artifacts(manifest: &Manifest, artifacts: &[Artifact]) -> Result<String> {
    let text = manifest.text();
    let top = members(text)?;
    let list = top.iter().find(|member| member.key == "artifacts").ok_or_else(unreadable)?;
    let objects: Vec<&RawValue> = serde_json::from_str(list.value.get()).map_err(|_| unreadable())?;
    let last = range_in(text, objects.last().ok_or_else(unreadable)?.get());
    let lead = blank_before(text, last.start);
    let style = Style::of(text, last.clone())?;
    let new: String = artifacts.iter().map(|artifact| format!(",{lead}{}", style.written(artifact))).collect();
    let mut edited = text.to_owned();
    edited.insert_str(last.end, &new);
    let read_back = Manifest::parse(edited.clone(), "the manifest with what was added")?;
    let ids = |artifacts: &[Artifact]| artifacts.iter().map(|artifact| artifact.id.clone()).collect::<Vec<_>>();
    let is_as_meant = ids(read_back.artifacts()) == [ids(manifest.artifacts()), ids(artifacts)].concat();
    if is_as_meant { Ok(edited) } else { Err(unreadable()) }
}

/// What stands between the parts of an artifact's object.
#[derive(Debug)]
struct Style<'a> {
    /// Before each key that is known, the first one first; and before any other.
    keys: Vec<(String, &'a str)>,
    other: &'a str,
    /// Between a key and its value.
    colon: &'a str,
    /// Before a URL, and behind the last.
    url: (&'a str, &'a str),
    /// Before the brace at the end.
    end: &'a str,
}

impl Style<'_> {
    fn of_a_line() -> Self {
        Style { keys: vec![(String::new(), " ")], other: " ", colon: ": ", url: ("", ""), end: " " }
    }

    fn written(&self, artifact: &Artifact) -> String {
        let mut values = vec![("name", quoted(artifact.id.name.as_str())), ("kind", quoted(artifact.kind.as_str()))];
        values.extend(artifact.id.platform.map(|platform| ("platform", quoted(platform.as_str()))));
        let urls: Vec<String> = artifact.urls.iter().map(|url| format!("{}{}", self.url.0, quoted(url))).collect();
        values.push(("urls", format!("[{}{}]", urls.join(","), self.url.1)));
        let mut out = String::from("{");
        for (place, (key, value)) in values.into_iter().enumerate() {
            let known = self.keys.iter().skip(1).find(|(known, _)| known == key).map(|(_, blank)| *blank);
            let blank = match self.keys.first() {
                Some((_, first)) if place == 0 => first,
                _ => known.unwrap_or(self.other),
            };
            let comma = if place == 0 { "" } else { "," };
            // Writing to a text cannot fail.
            let _ = write!(out, "{comma}{blank}\"{key}\"{}{value}", self.colon);
        }
        out + self.end + "}"
    }
}

impl<'a> Style<'a> {
    /// The style of the object at `object` in a manifest's text.
    fn of(text: &'a str, object: Range<usize>) -> Result<Self> {
        let members = members(&text[object.clone()])?;
        let start = |value: &RawValue| range_in(text, value.get()).start;
        let keys: Vec<(String, &str)> = members
            .iter()
            .map(|member| (member.key.to_string(), blank_before_key(text, start(member.value))))
            .collect();
        let (second, last) = (members.get(1).ok_or_else(unreadable)?, members.last().ok_or_else(unreadable)?);
        let before = &text[object.start..start(second.value)];
        let colon = before.rfind('"').map(|quote| &before[quote + 1..]).ok_or_else(unreadable)?;
        let urls = members.iter().find(|member| member.key == "urls").ok_or_else(unreadable)?;
        let list = range_in(text, urls.value.get());
        let first_url = text[list.start + 1..list.end].trim_start();
        let url = (blank_before(text, list.end - first_url.len()), blank_before(text, list.end - 1));
        let end = &text[range_in(text, last.value.get()).end..object.end - 1];
        let other = keys.get(1).map_or(" ", |(_, blank)| *blank);
        Ok(Style { keys, other, colon, url, end })
    }
}

/// The blanks that end at `end`.
fn blank_before(text: &str, end: usize) -> &str {
    let before = &text[..end];
    &before[before.trim_end().len()..]
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ArtifactId, Kind};
    use crate::platform::Platform;

    fn artifact(name: &str, kind: Kind, url: &str) -> Artifact {
        let platform = (kind == Kind::Image).then_some(Platform::AMD64);
        let id = ArtifactId { name: name.parse().expect("a path"), platform };
        Artifact { id, kind, urls: vec![url.to_owned()], pin: None, cosign_key: None }
    }

    fn added(list: &str) -> String {
        let text = format!("{{\"artifacts\": {list},\r\n\"name\": \"x\", \"version\":\"1.0.0\",\"schemaVersion\":1}}");
        let manifest = Manifest::parse(text, "test").expect("valid");
        let new = [artifact("b", Kind::File, "b\""), artifact("c", Kind::Image, "oci://h.example/c:1")];
        let text = with_artifacts(&manifest, &new).expect("added");
        let (head, rest) = text.split_once(list.trim_end_matches([' ', '\n', ']'])).expect("as it was");
        assert_eq!(head, "{\"artifacts\": ");
        rest.strip_suffix(",\r\n\"name\": \"x\", \"version\":\"1.0.0\",\"schemaVersion\":1}")
            .expect("as it was")
            .to_owned()
    }

    #[test]
    fn what_is_added_is_written_as_the_last_one_is() {
        assert_eq!(
            added("[{\"name\":\"a\",\"kind\":\"file\",\"urls\":[\"a\"]}]"),
            ",{\"name\":\"b\",\"kind\":\"file\",\"urls\":[\"b\\\"\"]},{\"name\":\"c\",\"kind\":\"image\",\"platform\":\"linux/amd64\",\"urls\":[\"oci://h.example/c:1\"]}]"
        );
        assert_eq!(
            added("[\n  { \"name\": \"a\", \"kind\": \"file\",\n    \"urls\": [ \"a\" ] }\n]"),
            ",\n  { \"name\": \"b\", \"kind\": \"file\",\n    \"urls\": [ \"b\\\"\" ] },\n  { \"name\": \"c\", \"kind\": \"image\", \"platform\": \"linux/amd64\",\n    \"urls\": [ \"oci://h.example/c:1\" ] }\n]"
        );
        let pretty = added(
            "[\n  {\n    \"urls\": [\n      \"a\"\n    ],\n    \"kind\" : \"file\",\n    \"name\" : \"a\"\n  }\n]",
        );
        assert!(
            pretty.starts_with(
                ",\n  {\n    \"name\" : \"b\",\n    \"kind\" : \"file\",\n    \"urls\" : [\n      \"b\\\"\"\n    ]\n  },\n  {"
            ),
            "{pretty}"
        );
    }

    #[test]
    fn a_new_manifest_is_one() {
        let artifacts = [artifact("a b", Kind::Script, "a%20b"), artifact("c", Kind::Image, "oci://h.example/c:1")];
        let name: ProductName = "x".parse().expect("a name");
        let text = new_text(&name, &Version::new(1, 0, 0), Some(&artifacts[0].id.name), &artifacts);
        let manifest = Manifest::parse(text, "test").expect("valid");
        assert_eq!(manifest.artifacts().len(), 2);
        assert_eq!(manifest.run().map(RelPath::as_str), Some("a b"));
    }

    #[test]
    fn a_name_that_is_there_is_refused() {
        let name: ProductName = "x".parse().expect("a name");
        let one = [artifact("a", Kind::File, "a")];
        let manifest = Manifest::parse(new_text(&name, &Version::new(1, 0, 0), None, &one), "test").expect("valid");
        assert!(with_artifacts(&manifest, &one).is_err());
    }
}
