//! Indexes and trailers changed at random, with every digest right for what they say then: whatever comes, an
//! answer or an error, never a panic or an absurd allocation, and never a wrong or a stray file.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::support::bounded;
use crate::support::craft::{TRAILER, bundle_of_folder, with_index_text};
use crate::support::images::{Layers, docker_legacy, gzip, image, layer, oci, zstd};
use crate::support::{file, noise, write_product};
use pack::bundle::{Bundle, BundleAccess, Scope, extract_all, prove, verify};
use pack::digest::Digest;
use pack::error::{Error, Result};
use pack::image::{AnalysisOptions, export};
use pack::progress::Silent;
use pack::release::Folder;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// A bundle with every form of artifact but one in it, under a launcher and runtime of a few bytes.
static BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(|| made(true));
/// The same without its originals.
static EXPORTED: LazyLock<Vec<u8>> = LazyLock::new(|| made(false));

fn made(originals: bool) -> Vec<u8> {
    let root = tempfile::tempdir().expect("a temporary folder");
    let images = [image("a:1", vec![layer(1, 9_000), layer(2, 2_000)]), image("b:1", vec![layer(1, 9_000)])];
    write_product(
        root.path(),
        "1.0.0",
        &[
            file("run.sh", "script", "exit\n"),
            file("conf/empty", "file", ""),
            file("one.tar.gz", "image", gzip(&docker_legacy(&images[..1]), 6)),
            file("two.tar", "image", oci(&images[1..], Layers::Gzip, true)),
            file("two.tar.zst", "image", zstd(&docker_legacy(&images[1..]))),
            file("engine.tgz", "engine", gzip(&noise(3, 3_000), 9)),
        ],
    );
    let options = AnalysisOptions { originals, ..AnalysisOptions::default() };
    bundle_of_folder(root.path(), &options, |_| ())
}

/// Does with a bundle of these bytes everything that can be done with one. Files that come back are right,
/// and lie where they should, whether or not an error came with them.
fn use_all(bytes: &[u8]) -> Result<()> {
    let root = tempfile::tempdir().expect("a temporary folder");
    let (path, out) = (root.path().join("x.run"), root.path().join("out"));
    fs::write(&path, bytes).expect("written");
    let used = Bundle::open(&path).and_then(|bundle| {
        let access = BundleAccess::unproved(&bundle);
        let extracted = access.as_ref().map_or(Ok(()), |access| extract_all(access, &Folder::at(&out), &Silent));
        check_files(&bundle, &out);
        // Nothing is left out because something before it failed.
        let damage = verify(&bundle, &Silent);
        let proven = prove(&bundle, Scope::Everything, &Silent);
        let index = bundle.index();
        for entry in &index.entries {
            assert!(!index.used_by(entry).is_empty());
            if let Ok(access) = &access {
                let _ = std::io::copy(&mut access.stream(entry), &mut std::io::sink());
            }
        }
        for artifact in &index.artifacts {
            let images = bundle.index().images_of(artifact);
            if let Ok(access) = &access {
                let _ = export(&images, access, &Default::default(), &mut std::io::sink());
            }
        }
        if !damage?.is_empty() {
            return Err(Error::integrity("a digest in the index is wrong"));
        }
        proven?;
        extracted?;
        access.map(drop)
    });
    let around: Vec<_> =
        fs::read_dir(root.path()).expect("listed").map(|item| item.expect("one").file_name()).collect();
    assert!(around.iter().all(|name| name == "x.run" || name == "out"), "{around:?}");
    used
}

/// An artifact is in the folder as the index has it, or not at all.
fn check_files(bundle: &Bundle, out: &Path) {
    for artifact in bundle.index().artifacts.iter().filter(|artifact| !artifact.carried.is_exported()) {
        if let Ok(content) = fs::read(out.join(artifact.name.as_str())) {
            assert_eq!(Digest::of(&content), artifact.digest, "{}", artifact.name);
        }
    }
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |key: &str, value: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        places(value, &at, found);
        found.push(at);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(number, item)| below(&number.to_string(), item)),
        Value::Object(fields) => fields.iter().for_each(|(key, item)| below(key, item)),
        _ => {}
    }
}

/// What may happen to one place of an index.
#[derive(Debug, Clone)]
enum Change {
    Set(Value),
    Add(i64),
    CopyFrom(Index),
    Swap(Index),
    Remove,
    Twice,
}

fn change() -> impl Strategy<Value = Change> {
    let words =
        ["", ".", "..", "../x", "/etc/x", "a//b", "a\\b", "a\u{0}b", "\u{202e}", "manifest.json", "conf", "rebuilt"];
    let values = [json!(null), json!(true), json!([]), json!({}), json!(0.5), json!(-1), json!("x".repeat(70_000))];
    prop_oneof![
        3 => prop::sample::select(words.to_vec()).prop_map(|word| Change::Set(word.into())),
        2 => prop::sample::select(values.to_vec()).prop_map(Change::Set),
        3 => prop_oneof![Just(0), Just(1), Just(1 << 20), Just(1 << 28), Just(1 << 40), Just(u64::MAX - 1), Just(u64::MAX), any::<u64>()]
            .prop_map(|number| Change::Set(number.into())),
        4 => (-600i64..600).prop_map(Change::Add),
        4 => any::<Index>().prop_map(Change::CopyFrom),
        2 => any::<Index>().prop_map(Change::Swap),
        1 => Just(Change::Remove),
        1 => Just(Change::Twice),
    ]
}

fn apply(index: &mut Value, at: Index, change: &Change) {
    let mut found = Vec::new();
    places(index, "", &mut found);
    let place = &found[at.index(found.len())];
    let (parent, key) = place.rsplit_once('/').expect("below the root");
    let old = index.pointer(place).expect("there").clone();
    // A value of the same place in another item, or at least of the same sort, comes further than any.
    let alike = |other: &&String| {
        let value = index.pointer(other).expect("there");
        (value.is_number(), value.is_string(), value.is_array()) == (old.is_number(), old.is_string(), old.is_array())
    };
    let others: Vec<&String> = found.iter().filter(alike).collect();
    match change {
        Change::Set(value) => *index.pointer_mut(place).expect("there") = value.clone(),
        Change::Add(more) => {
            if let Some(number) = old.as_u64() {
                *index.pointer_mut(place).expect("there") = number.wrapping_add_signed(*more).into();
            }
        }
        Change::CopyFrom(from) => {
            let from = index.pointer(others[from.index(others.len())]).expect("there").clone();
            *index.pointer_mut(place).expect("there") = from;
        }
        Change::Swap(with) => {
            let with = others[with.index(others.len())];
            let other = index.pointer(with).expect("there").clone();
            *index.pointer_mut(place).expect("there") = other;
            if let Some(with) = index.pointer_mut(with) {
                *with = old;
            }
        }
        Change::Remove | Change::Twice => match index.pointer_mut(parent).expect("there") {
            Value::Array(items) if matches!(change, Change::Twice) => items.push(old),
            Value::Array(items) => drop(items.remove(key.parse().expect("a number"))),
            Value::Object(fields) => drop(fields.remove(key)),
            _ => unreachable!("only these have places below them"),
        },
    }
}

/// Runs a test where what a hostile index asks for is refused by then, not merely never touched.
fn within_memory(test: impl FnOnce()) {
    bounded::within(4 << 30, test);
}

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(400)
}

#[test]
fn a_changed_index_is_used_or_refused() {
    within_memory(|| {
        let changes = prop::collection::vec((any::<Index>(), change()), 1..4);
        proptest!(cases(), |(originals in any::<bool>(), changes in changes)| {
            let bundle = if originals { &BUNDLE } else { &EXPORTED };
            let bytes = with_index_text(bundle, |json| {
                let mut index = serde_json::from_slice(json).expect("JSON");
                changes.iter().for_each(|(at, change)| apply(&mut index, *at, change));
                index.to_string().into_bytes()
            });
            let _ = use_all(&bytes);
        });
    });
}

#[test]
fn an_index_of_changed_text_is_used_or_refused() {
    within_memory(|| {
        let change = (any::<Index>(), prop::collection::vec(any::<u8>(), 0..4), 0usize..40);
        proptest!(cases(), |(changes in prop::collection::vec(change, 1..3))| {
            let bytes = with_index_text(&BUNDLE, |json| {
                let mut json = json.to_vec();
                for (at, new, gone) in &changes {
                    let at = at.index(json.len());
                    let end = json.len().min(at + gone);
                    json.splice(at..end, new.iter().copied());
                }
                json
            });
            let _ = use_all(&bytes);
        });
    });
}

#[test]
fn an_index_of_any_text_is_refused() {
    within_memory(|| {
        proptest!(cases(), |(text in prop::collection::vec(any::<u8>(), 0..300))| {
            prop_assert!(use_all(&with_index_text(&BUNDLE, |_| text)).is_err());
        });
    });
}

#[test]
fn a_trailer_with_one_wrong_field_is_refused() {
    within_memory(|| {
        let values = [0, u64::MAX, u64::MAX - TRAILER as u64, 1 << 40];
        let value = prop_oneof![4 => prop::sample::select(values.to_vec()), 1 => any::<u64>(), 1 => 0u64..100_000];
        proptest!(cases(), |(field in 0usize..5, value in value)| {
            let mut bytes = BUNDLE.clone();
            // Behind the magic words: format, offset and size of the index, half of its digest's begin, total.
            let at = bytes.len() - TRAILER + [16, 20, 28, 36, 68][field];
            let value = value.to_le_bytes();
            let value = if field == 0 { &value[..4] } else { &value[..] };
            prop_assume!(&bytes[at..at + value.len()] != value);
            bytes[at..at + value.len()].copy_from_slice(value);
            prop_assert!(use_all(&bytes).is_err());
        });
    });
}

#[test]
fn any_bytes_are_refused() {
    within_memory(|| {
        let bytes = prop::collection::vec(any::<u8>(), 0..500);
        proptest!(cases(), |(bytes in bytes, end in any::<bool>(), kept in any::<Index>())| {
            let mut bytes = bytes;
            if end {
                // The right end behind wrong bytes.
                let kept = kept.index(TRAILER + 200);
                bytes.extend(&BUNDLE[BUNDLE.len() - kept..]);
            }
            prop_assert!(use_all(&bytes).is_err());
        });
    });
}

#[test]
fn the_unchanged_one_is_right() {
    within_memory(|| {
        use_all(&BUNDLE).expect("whole");
        use_all(&with_index_text(&BUNDLE, <[u8]>::to_vec)).expect("whole");
        let bundle = use_all(&EXPORTED).expect_err("nothing proves it");
        assert!(bundle.title().contains("originals"), "{bundle}");
    });
}

#[test]
fn an_index_nested_without_end_is_refused() {
    within_memory(|| {
        for text in ["[".repeat(1 << 20), "{\"requires\":".repeat(100_000)] {
            assert!(use_all(&with_index_text(&BUNDLE, |_| text.into_bytes())).is_err());
        }
    });
}
