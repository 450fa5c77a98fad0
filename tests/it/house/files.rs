//! Files stay short and are named after an idea.

use std::fs;

use crate::support::top;
use walkdir::WalkDir;

/// The longest source file, in lines.
const LONGEST: usize = 400;
/// Files that are longer, each with its reason.
const LONGER: [(&str, &str); 1] =
    [("portable/run-portable.sh", "the product's manual promises one script that works alone in its folder")];
/// Names that say nothing about what is inside.
const NAMELESS: [&str; 6] = ["common", "helper", "helpers", "misc", "util", "utils"];

#[test]
fn files_are_short_and_named_after_an_idea() {
    let mut broken = Vec::new();
    for root in ["src", "redeflate", "tests", "fuzz/fuzz_targets", "ci", ".ci", "portable", "examples"] {
        for (path, text) in files_below(root, &["rs", "sh", "py", ""]) {
            broken.extend(bad_file(&path, &text));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_bad_file_is_found() {
    assert!(bad_file("src/x.rs", &"\n".repeat(LONGEST + 1)).is_some());
    assert!(bad_file("src/bundle/utils.rs", "").is_some());
    assert!(bad_file("tests/common/mod.rs", "").is_some());
    assert_eq!(bad_file("src/bundle/read.rs", &"\n".repeat(LONGEST)), None);
}

/// What is wrong with a file as a file, if anything.
fn bad_file(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    if lines > LONGEST && !LONGER.iter().any(|(known, _)| *known == path) {
        return Some(format!("{path} has {lines} lines; split it by idea ({LONGEST} at most)"));
    }
    let stem = |part: &str| part.split('.').next().unwrap_or_default().to_owned();
    let nameless = path.split('/').find(|part| NAMELESS.contains(&stem(part).as_str()));
    nameless.map(|name| format!("{path}: '{name}' says nothing about what is inside"))
}

/// The path from the repository's root and the text of every file below `root` with one of these extensions.
pub(super) fn files_below(root: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let top = top();
    let mut files = Vec::new();
    for entry in WalkDir::new(top.join(root)).sort_by_file_name().into_iter().filter_map(Result::ok) {
        let extension = entry.path().extension().unwrap_or_default().to_string_lossy().into_owned();
        if entry.file_type().is_file() && extensions.contains(&extension.as_str()) {
            let path = entry.path().strip_prefix(top).expect("below the top").display().to_string();
            // Without an extension it may be anything; what is no text is no source.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.push((path, text));
            }
        }
    }
    files
}
