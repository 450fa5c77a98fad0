//! Writing sizes and digests into a manifest's text, touching nothing else in it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use semver::Version;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::registry_ref::RegistryRef;
use super::{Artifact, ArtifactId, Manifest, Pin};
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, Result};

/// Returns the manifest's text with `pins` in it, the descriptors of artifacts. Order, blanks and line ends of everything else stay as they were; pins that are there
/// already change nothing.
///
/// # Errors
/// The result would not be the intended manifest. No text that [`Manifest::parse`] accepts makes this happen; it is
/// checked all the same, because the publisher's file is overwritten with the result.
pub fn with_pins(manifest: &Manifest, pins: &[(ArtifactId, Descriptor)]) -> Result<String> {
    let members = |pin: &Descriptor| vec![("size", pin.size.to_string()), ("digest", quoted(&pin.digest))];
    let edited = with_members(manifest, pins.iter().map(|(id, pin)| (id, members(pin))))?;
    let intended = |pin: &Descriptor| Some(Pin { size: Some(pin.size), digest: pin.digest });
    checked(edited, |artifact| artifact.pin, pins.iter().map(|(id, pin)| (id, intended(pin))))
}

/// Returns the manifest's text with the fingerprints of the keys that images were signed with.
///
/// # Errors
/// As [`with_pins`].
pub fn with_cosign_keys(manifest: &Manifest, keys: &[(ArtifactId, Digest)]) -> Result<String> {
    let edited = with_members(manifest, keys.iter().map(|(id, key)| (id, vec![("cosignKey", quoted(key))])))?;
    checked(edited, |artifact| artifact.cosign_key, keys.iter().map(|(id, key)| (id, Some(*key))))
}

/// A member's key and its value, in JSON.
type NewMember = (&'static str, String);

fn quoted(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// The text with members of artifacts added, or changed where they are there.
fn with_members<'a>(
    manifest: &Manifest,
    added: impl Iterator<Item = (&'a ArtifactId, Vec<NewMember>)>,
) -> Result<String> {
    let text = manifest.text();
    let members = members(text)?;
    let list = members.iter().find(|member| member.key == "artifacts").ok_or_else(unreadable)?;
    let objects: Vec<&RawValue> = serde_json::from_str(list.value.get()).map_err(|_| unreadable())?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let places: HashMap<&ArtifactId, usize> =
        manifest.artifacts().iter().enumerate().map(|(place, artifact)| (&artifact.id, place)).collect();
    for (id, added) in added {
        let object = places.get(id).and_then(|&place| objects.get(place)).ok_or_else(unreadable)?;
        edits.extend(edits_of(text, object.get(), added)?);
    }
    Ok(replaced(text, edits))
}

/// The edited text, if the manifest in it says of each artifact what is intended.
fn checked<'a, T: PartialEq>(
    edited: String,
    said: impl Fn(&Artifact) -> T,
    mut intended: impl Iterator<Item = (&'a ArtifactId, T)>,
) -> Result<String> {
    let read_back = Manifest::parse(edited, "the manifest with its pins")?;
    let found: HashMap<&ArtifactId, T> =
        read_back.artifacts().iter().map(|artifact| (&artifact.id, said(artifact))).collect();
    if intended.all(|(id, value)| found.get(id) == Some(&value)) {
        Ok(read_back.text().to_owned())
    } else {
        Err(unreadable())
    }
}

/// Returns the manifest's text with the digests of manifests behind the tags in the artifacts' `oci://` URLs: for each
/// artifact the tags, whether or not they are pinned now, and what they stand for.
///
/// # Errors
/// As [`with_pins`].
pub fn with_tags(manifest: &Manifest, tags: &[(ArtifactId, RegistryRef, Digest)]) -> Result<String> {
    let text = manifest.text();
    let top = members(text)?;
    let list = top.iter().find(|member| member.key == "artifacts").ok_or_else(unreadable)?;
    let objects: Vec<&RawValue> = serde_json::from_str(list.value.get()).map_err(|_| unreadable())?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (artifact, object) in manifest.artifacts().iter().zip(objects) {
        let own: Vec<_> = tags.iter().filter(|(id, ..)| *id == artifact.id).collect();
        if own.is_empty() {
            continue;
        }
        let keys = members(object.get())?;
        let urls = keys.iter().find(|member| member.key == "urls").ok_or_else(unreadable)?;
        let urls: Vec<&RawValue> = serde_json::from_str(urls.value.get()).map_err(|_| unreadable())?;
        for (raw, url) in urls.into_iter().zip(&artifact.urls) {
            let Ok(reference) = RegistryRef::parse(url) else { continue };
            if let Some((.., digest)) = own.iter().find(|(_, tag, _)| *tag == reference.unpinned()) {
                // As it is written, perhaps with the version's placeholder.
                let written: String = serde_json::from_str(raw.get()).map_err(|_| unreadable())?;
                let tag = written.split('@').next().unwrap_or_default();
                let pinned = serde_json::to_string(&format!("{tag}@{digest}")).map_err(|_| unreadable())?;
                edits.push((range_in(text, raw.get()), pinned));
            }
        }
    }
    Ok(replaced(text, edits))
}

/// Returns the manifest's text with another version in it, and nothing else changed.
///
/// # Errors
/// As [`with_pins`].
pub fn with_version(manifest: &Manifest, version: &Version) -> Result<String> {
    let text = manifest.text();
    let members = members(text)?;
    let member = members.iter().find(|member| member.key == "version").ok_or_else(unreadable)?;
    let mut edited = text.to_owned();
    edited.replace_range(range_in(text, member.value.get()), &format!("\"{version}\""));
    let read_back = Manifest::parse(edited.clone(), "the manifest with its version")?;
    if read_back.version() == version { Ok(edited) } else { Err(unreadable()) }
}

pub(super) fn unreadable() -> Error {
    Error::failed("the pins cannot be written into this manifest")
        .hint("this is a mistake in pack: please report it together with the manifest")
}

/// One member of a JSON object: its key, and its value's place in the text.
pub(super) struct ObjectMember<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: &'a RawValue,
}

/// The members of an object in the order of the text.
struct ObjectMembers<'a>(Vec<ObjectMember<'a>>);

impl<'de> Deserialize<'de> for ObjectMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = ObjectMembers<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(ObjectMember { key: key.into(), value });
                }
                Ok(ObjectMembers(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

pub(super) fn members(object: &str) -> Result<Vec<ObjectMember<'_>>> {
    serde_json::from_str::<ObjectMembers<'_>>(object).map(|members| members.0).map_err(|_| unreadable())
}

/// Where `part`, a slice of `text`, lies in it.
pub(super) fn range_in(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// `text` with each of these places, none of which lies in another, replaced.
fn replaced(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // From the end on: what comes before stays where it is.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut edited = text.to_owned();
    for (range, new) in edits {
        edited.replace_range(range, &new);
    }
    edited
}

fn edits_of(text: &str, object: &str, added: Vec<NewMember>) -> Result<Vec<(Range<usize>, String)>> {
    let members = members(object)?;
    let last = members.last().ok_or_else(unreadable)?;
    let end = range_in(text, last.value.get()).end;
    let separator = blank_before_key(text, range_in(text, last.value.get()).start);
    let mut edits = Vec::new();
    let mut appended = String::new();
    for (key, value) in added {
        match members.iter().find(|member| member.key == key) {
            Some(member) if member.value.get() == value => {}
            Some(member) => edits.push((range_in(text, member.value.get()), value)),
            None => appended.push_str(&format!(",{separator}\"{key}\": {value}")),
        }
    }
    if !appended.is_empty() {
        edits.push((end..end, appended));
    }
    Ok(edits)
}

/// The blanks before the key whose value begins at `value`: what separates members in this object.
pub(super) fn blank_before_key(text: &str, value: usize) -> &str {
    let before = text[..value].trim_end().trim_end_matches(':').trim_end();
    let key = before.trim_end_matches('"').rfind('"').unwrap_or(0);
    let outside = &before[..key];
    &outside[outside.trim_end().len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\r\n  \"version\": \"1.0.0\", \"schemaVersion\": 1,\n\t\"artifacts\": [\n    { \"kind\": \"file\",\n      \"name\": \"a\",\n      \"urls\": [\"a\"] },\n    {\"urls\":[\"b\"],\"name\":\"b\",\"kind\":\"file\"}\n  ],\n  \"name\": \"x\"\n}\n";

    fn pin(size: u64) -> Descriptor {
        Descriptor { size, digest: Digest::of(b"") }
    }

    fn id(name: &str) -> ArtifactId {
        ArtifactId { name: name.parse().expect("a path"), platform: None }
    }

    #[test]
    fn pins_go_in_and_everything_else_stays() {
        let manifest = Manifest::parse(TEXT.to_owned(), "test").expect("valid");
        let once = with_pins(&manifest, &[(id("a"), pin(1)), (id("b"), pin(2))]).expect("pinned");
        let digest = Digest::of(b"");
        let expected = TEXT
            .replace("[\"a\"] }", &format!("[\"a\"],\n      \"size\": 1,\n      \"digest\": \"{digest}\" }}"))
            .replace("\"file\"}", &format!("\"file\",\"size\": 2,\"digest\": \"{digest}\"}}"));
        assert_eq!(once, expected);
        let manifest = Manifest::parse(once.clone(), "test").expect("valid");
        assert_eq!(with_pins(&manifest, &[(id("b"), pin(2)), (id("a"), pin(1))]).expect("pinned"), once);
        let third = with_pins(&manifest, &[(id("a"), pin(30))]).expect("pinned");
        assert_eq!(third, once.replace("\"size\": 1,", "\"size\": 30,"));
        assert!(with_pins(&manifest, &[(id("c"), pin(1))]).is_err(), "there is no such artifact");
    }

    #[test]
    fn a_version_goes_in_and_everything_else_stays() {
        let manifest = Manifest::parse(TEXT.to_owned(), "test").expect("valid");
        let version = |text: &str| Version::parse(text).expect("a version");
        let edited = with_version(&manifest, &version("2.0.0-rc.1")).expect("written");
        assert_eq!(edited, TEXT.replace("1.0.0", "2.0.0-rc.1"));
        assert_eq!(with_version(&manifest, &version("1.0.0")).expect("written"), TEXT);
    }

    #[test]
    fn one_name_on_two_platforms_is_two_artifacts() {
        let artifact = |platform: &str| {
            format!(r#"{{ "name": "a", "kind": "file", "platform": "{platform}", "urls": ["{platform}"] }}"#)
        };
        let (amd64, arm64) = (artifact("linux/amd64"), artifact("linux/arm64"));
        let text =
            format!(r#"{{"schemaVersion": 1, "name": "x", "version": "1.0.0", "artifacts": [{amd64}, {arm64}]}}"#);
        let manifest = Manifest::parse(text.clone(), "test").expect("valid");
        let second = manifest.artifacts()[1].id.clone();
        assert_eq!(second.to_string(), "a (linux/arm64)");
        let pinned = with_pins(&manifest, &[(second, pin(7))]).expect("pinned");
        let expected = arm64.replace("\"] }", &format!("\"], \"size\": 7, \"digest\": \"{}\" }}", Digest::of(b"")));
        assert_eq!(pinned, text.replace(&arm64, &expected));
    }
}
