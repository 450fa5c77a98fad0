//! `pack init` and `pack add`: from what a publisher has to a manifest that can be pinned and packed.

mod added;
mod files;
mod of_engine;
mod stack_files;
mod whole_way;

use std::fs;
use std::path::Path;

use crate::support::{expect, json_of_output};
use pack::manifest::Manifest;
use serde_json::Value;

/// Runs `pack`, expects success and gives its document.
fn done(folder: &Path, words: &[&str]) -> Value {
    let words = [words, &["--json"]].concat();
    json_of_output(&expect(0, folder, &words).0)
}

/// Runs `pack`, expects this exit code and a hint, and gives what it said.
fn refused(code: i32, folder: &Path, words: &[&str]) -> String {
    let (_, err) = expect(code, folder, words);
    assert!(err.contains("hint:"), "{err}");
    err
}

/// Writes files with text below `folder`.
fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
}

/// The manifest at `folder/manifest.json`, which is valid.
fn manifest(folder: &Path) -> Manifest {
    let text = fs::read_to_string(folder.join("manifest.json")).expect("read");
    Manifest::parse(text, "manifest.json").expect("valid")
}

/// Name, kind, platform and first URL of each artifact, in their order.
fn listed(folder: &Path) -> Vec<String> {
    let line = |artifact: &pack::manifest::Artifact| {
        let platform = artifact.id.platform.map(|platform| format!(" {platform}")).unwrap_or_default();
        format!("{} {}{platform} {}", artifact.id.name, artifact.kind, artifact.urls.join(" "))
    };
    manifest(folder).artifacts().iter().map(line).collect()
}
