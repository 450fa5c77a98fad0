//! A document that exists in both languages says the same in both: as many sections, the same commands, the same figures.

use std::fs;

use super::files::files_below;
use crate::support::top;

#[test]
fn both_sides_of_a_document_have_the_same_sections_commands_and_figures() {
    let mut pairs = 0;
    let below: Vec<(String, String)> = files_below("docs", &["md"]);
    for (path, chinese) in below.iter().filter(|(path, _)| path.ends_with(".zh-CN.md")) {
        let other = path.replace(".zh-CN.md", ".md");
        let english = fs::read_to_string(top().join(&other)).unwrap_or_else(|why| panic!("{other}: {why}"));
        for (what, of) in [("headings", headings as fn(&str) -> Vec<String>), ("commands", code), ("figures", figures)]
        {
            assert_eq!(of(&english), of(chinese), "{what} of {other} and {path}");
        }
        pairs += 1;
    }
    assert!(pairs > 0, "no document in both languages found");
}

#[test]
fn what_differs_is_seen() {
    assert_ne!(headings("# a\n## b\n"), headings("# a\n"));
    assert_ne!(code("type `pack verify`"), code("输入 `pack extract`"));
    assert_eq!(code("`doctor` names both"), code("`doctor` 会指出"));
    assert_ne!(figures("took 286 s"), figures("耗时 268 s"));
    assert_eq!(figures("4 GB of memory, and 2 cores"), figures("2 核，4 GB 内存"));
}

/// The levels of its headings.
fn headings(text: &str) -> Vec<String> {
    let levels = text.lines().filter(|line| line.starts_with('#'));
    levels.map(|line| line.chars().take_while(|c| *c == '#').collect()).collect()
}

/// What is typed or named, sorted: a sentence of another language has another order.
fn code(text: &str) -> Vec<String> {
    // What follows a '#' in a command is for people.
    let bare = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let mut found: Vec<String> = text.lines().filter(|line| line.starts_with("    ")).map(bare).collect();
    let prose: String = text.lines().filter(|line| !line.starts_with("    ")).collect::<Vec<_>>().join("\n");
    found.extend(prose.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")));
    found.sort();
    found.dedup();
    found
}

/// Its numbers of two digits and more, or with a dot, outside of code, sorted.
fn figures(text: &str) -> Vec<String> {
    let prose: String = text.split('`').step_by(2).collect();
    let mut found: Vec<String> = prose
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|number| number.trim_matches('.').to_owned())
        .filter(|number| number.len() > 1)
        .collect();
    found.sort();
    found.dedup();
    found
}
