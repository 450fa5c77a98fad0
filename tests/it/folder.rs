//! What is found in a folder of artifacts and removed from it, in the library: `tests/it/cli` has what a command says.

use std::fs;
use std::os::unix::fs::symlink;

use pack::digest::Digest;
use pack::manifest::Manifest;
use pack::platform::Platform;
use pack::progress::Silent;
use pack::release::{Folder, Partial, Row, State, verify};
use serde_json::{Value, json};

const CONTENT: &[u8] = b"content";

fn rows(root: &std::path::Path, names: &[(&str, Option<usize>)]) -> Vec<Row> {
    let artifact = |&(name, size): &(&str, Option<usize>)| {
        let mut artifact = json!({ "name": name, "kind": "file", "urls": ["u"], "digest": Digest::of(&vec![b'x'; size.unwrap_or(7)]) });
        if let Some(size) = size {
            artifact["size"] = size.into();
        }
        artifact
    };
    let artifacts: Vec<Value> = names.iter().map(artifact).collect();
    let text = json!({ "schemaVersion": 1, "name": "x", "version": "1.0.0", "artifacts": artifacts }).to_string();
    let manifest = Manifest::parse(text, "test").expect("valid");
    let selection = manifest.select(Platform::AMD64).expect("pinned");
    verify(&Folder::at(root), &selection, &Silent).expect("listed")
}

#[test]
fn each_artifact_has_its_row_in_the_manifests_order_and_what_was_found() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    let expected = [
        // the name, the pinned size, the size of what lies there
        ("small", Some(1), Some(1), State::Ok),
        ("large", Some(90_000), Some(90_000), State::Ok),
        ("missing", Some(7), None, State::Missing),
        ("short", Some(7), Some(6), State::Truncated),
        ("long", Some(7), Some(8), State::Mismatch),
        ("sizeless", None, Some(7), State::Ok),
        ("sizeless-long", None, Some(8), State::Mismatch),
    ];
    for (name, _, lies, _) in &expected {
        if let Some(lies) = lies {
            fs::write(root.join(name), vec![b'x'; *lies]).expect("written");
        }
    }
    fs::write(root.join("other"), CONTENT).expect("written");
    fs::create_dir(root.join("folder")).expect("a folder");
    symlink("loop", root.join("loop")).expect("a link");
    fs::write(root.join("nobodys"), CONTENT).expect("written");
    let mut names: Vec<_> = expected.iter().map(|&(name, pinned, ..)| (name, pinned)).collect();
    names.extend([("other", Some(7)), ("folder", Some(7)), ("loop", Some(7))]);
    let rows = rows(root, &names);
    let told: Vec<_> = rows.iter().map(|row| (row.name.as_str(), &row.state, row.actual_size)).collect();
    let mut right: Vec<_> =
        expected.iter().map(|(name, _, lies, state)| (*name, state, lies.map(|lies| lies as u64))).collect();
    right.extend([
        ("other", &State::Mismatch, Some(7)),
        ("folder", &State::Mismatch, None),
        ("loop", &State::Unreadable, None),
        ("nobodys", &State::Unexpected, Some(7)),
    ]);
    assert_eq!(told, right);
    let row = |name: &str| rows.iter().find(|row| row.name == name).expect("a row");
    assert_eq!(row("small").actual_digest, Some(Digest::of(b"x")));
    assert_eq!(row("other").actual_digest, Some(Digest::of(CONTENT)), "whose file it is, the digest tells");
    assert_eq!((row("short").actual_digest, row("long").actual_digest), (None, None), "the size says enough");
    assert!(row("loop").cause.as_deref().is_some_and(|cause| cause.contains("symbolic links")));
    assert!(row("missing").cause.is_none());
}

/// A manifest of files with these names and contents.
fn listing(files: &[(&str, &[u8])]) -> Manifest {
    let artifact = |&(name, content): &(&str, &[u8])| json!({ "name": name, "kind": "file", "urls": ["u"], "size": content.len(), "digest": Digest::of(content) });
    let artifacts: Vec<Value> = files.iter().map(artifact).collect();
    let text = json!({ "schemaVersion": 1, "name": "x", "version": "1.0.0", "artifacts": artifacts }).to_string();
    Manifest::parse(text, "test").expect("valid")
}

#[test]
fn of_an_older_version_only_what_is_still_its_own_is_removed() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    let folder = Folder::at(root).lock().expect("locked");
    let old = listing(&[("gone", CONTENT), ("changed", CONTENT), ("longer", CONTENT), ("stays", CONTENT)]);
    let files: [(&str, &[u8]); 4] =
        [("gone", CONTENT), ("changed", b"conteNt"), ("longer", b"content, and more"), ("stays", CONTENT)];
    for (name, content) in files {
        fs::write(root.join(name), content).expect("written");
    }
    let new = listing(&[("stays", b"another one")]);
    let selection = new.select(Platform::AMD64).expect("pinned");
    let removed = folder.remove_left_over(&old, &selection).expect("removed");
    assert_eq!(removed.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["gone"]);
    for (name, content) in &files[1..] {
        assert_eq!(fs::read(root.join(name)).expect("there"), *content, "{name}: somebody's own now");
    }
}

#[test]
fn a_file_that_becomes_a_folder_is_kept_as_a_partial_if_it_is_still_what_was_pinned() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let root = place.path();
    let folder = Folder::at(root).lock().expect("locked");
    let old = listing(&[("a", CONTENT), ("b", CONTENT)]);
    let new = listing(&[("a/inside", CONTENT), ("b/inside", b"other")]);
    let selection = new.select(Platform::AMD64).expect("pinned");
    fs::write(root.join("a"), CONTENT).expect("written");
    fs::write(root.join("b"), b"conteNt").expect("written");
    // What an earlier download left: it is not of these bytes.
    let pin = selection[0].pin;
    let mut partial = Partial::open(&folder, pin).expect("opened");
    partial.append(b"xyz").expect("written");
    partial.flush().expect("written");
    drop(partial);
    let removed = folder.remove_conflicting(&old, &selection).expect("removed");
    assert_eq!(removed.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(Partial::open(&folder, pin).expect("opened").is_pinned().expect("read"));
    assert_eq!(fs::read(root.join("b")).expect("there"), b"conteNt", "somebody's own now");
}

#[test]
fn the_command_that_downloads_again_names_where_the_folder_came_from() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::at(place.path());
    let command = format!("pack download --dir {}", place.path().display());
    assert_eq!(folder.download_again(), command);
    fs::write(place.path().join("manifest.json"), "{}").expect("written");
    assert_eq!(folder.download_again(), format!("{command} {}/manifest.json", place.path().display()));
    assert!(!folder.is_begun());
    let origin = place.path().join(".pack/origin");
    fs::create_dir(place.path().join(".pack")).expect("a folder");
    fs::write(&origin, "https://host.example/manifest.json\n").expect("written");
    assert!(folder.is_begun(), "by its origin alone");
    assert_eq!(folder.download_again(), format!("{command} https://host.example/manifest.json"));
    for no_url in ["", "\n", "https://host.example/ --insecure\n"] {
        fs::write(&origin, no_url).expect("written");
        assert_eq!(folder.origin(), None, "{no_url:?}");
    }
    fs::remove_file(&origin).expect("removed");
    fs::create_dir(place.path().join(".pack/partial")).expect("a folder");
    assert!(folder.is_begun(), "by its partials alone");
}

#[test]
fn where_a_folder_came_from_may_be_as_long_as_the_limit() {
    let place = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(place.path().join(".pack")).expect("a folder");
    for (length, is_known) in [(16 << 10, true), ((16 << 10) + 1, false)] {
        let mut url = b"https://host.example/".to_vec();
        url.resize(length, b'x');
        fs::write(place.path().join(".pack/origin"), &url).expect("written");
        assert_eq!(Folder::at(place.path()).origin().is_some(), is_known, "{length} bytes");
    }
}

#[test]
fn a_signature_that_cannot_be_removed_keeps_the_new_manifest_away() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::at(place.path()).lock().expect("locked");
    fs::create_dir(place.path().join("manifest.json.minisig")).expect("a folder");
    let error = folder.write_manifest(&listing(&[("a", CONTENT)]), None).expect_err("refused");
    assert!(error.title().contains("remove the old signature"), "{error}");
    assert!(!place.path().join("manifest.json").exists(), "the old signature would lie beside it");
}

#[test]
fn a_folder_without_a_manifest_is_not_locked_for_reading_and_left_as_it_is() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::at(place.path());
    folder.lock_for_reading().expect_err("nothing of ours");
    assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 0);
    fs::write(place.path().join("manifest.json"), listing(&[("a", CONTENT)]).text()).expect("written");
    drop(folder.lock_for_reading().expect("locked"));
    assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 1, "a reader leaves no trace");
}
