//! Every library that is used has its reason beside it.

use crate::support::top;

#[test]
fn every_dependency_has_its_reason_in_its_line() {
    let text = std::fs::read_to_string(top().join("Cargo.toml")).expect("read");
    let lines = dependencies(&text);
    assert!(lines.len() > 20, "only {} dependencies found", lines.len());
    let bare: Vec<&str> = lines.into_iter().filter(|line| !has_reason(line)).collect();
    assert!(bare.is_empty(), "without a reason:\n{}", bare.join("\n"));
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let text =
        "[package]\nname = 1\n[dependencies]\n# a floor\na = \"1\" # b\n\n[lints]\nb = 1\n[dev-dependencies]\nc = 2\n";
    assert_eq!(dependencies(text), ["a = \"1\" # b", "c = 2"]);
    assert!(has_reason("a = \"1\" # b") && !has_reason("c = 2") && !has_reason("c = 2 # "));
}

/// The lines that name a dependency.
fn dependencies(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            is_inside = line.ends_with("dependencies]");
        } else if is_inside && !line.is_empty() && !line.starts_with('#') {
            found.push(line);
        }
    }
    found
}

fn has_reason(line: &str) -> bool {
    line.split_once(" # ").is_some_and(|(_, reason)| !reason.trim().is_empty())
}
