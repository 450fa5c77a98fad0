//! Holds the table of limits in docs/security.md to the sources: each limit stands there, with its value. That the tests
//! exist which it names, `download::attacks` sees to.

use std::collections::BTreeMap;
use std::fs;

use crate::support::top;
use pack::image::ImageLimits;
use pack::manifest::Limits;
use walkdir::WalkDir;

/// How the name of a limit begins.
const LIKE_A_LIMIT: [&str; 5] = ["LIMIT", "LARGEST", "LONGEST", "DEEPEST", "MOST"];

/// What is named like one and refuses nothing: how much is shown, kept, cut off, or done at a time.
const NONE: [&str; 17] = [
    "src/bundle/damage.rs MOST_FILES",
    "src/bundle/frame_cache.rs MOST",
    "src/cli/inspect.rs MOST_LISTED",
    "src/cli/verify.rs MOST_FACTS",
    "src/daemon/command.rs MOST_COMPLAINT",
    "src/error.rs LONGEST",
    "src/image/fuzzing.rs MOST",
    "src/image/gzip.rs MOST",
    "src/image/gzip.rs MOST_POINTS",
    "src/parity/encode.rs MOST_CORES",
    "src/parity/rebuild.rs MOST_CORES",
    "src/site/lifecycle/bare_host/programs.rs MOST_SAID",
    "src/site/lifecycle/docker.rs MOST_COMPLAINT",
    "src/site/lifecycle/docker.rs MOST_LOG",
    "src/site/silence.rs MOST_SAID",
    "src/staged_file.rs LONGEST_STEM",
    "src/task/diff/side.rs MOST_FACTS",
];
/// The most that a file of that file system has; a larger bundle is told so before it is copied.
const OF_FAT: &str = "src/medium/file_system.rs LONGEST_ON_FAT";
/// What is read of a file that has a word.
const OF_A_WORD: &str = "src/release.rs LONGEST_PLATFORM";

/// What `Debug` shows of a struct of numbers.
fn fields(shown: &str) -> impl Iterator<Item = (String, u64)> {
    let (_, list) = shown.split_once('{').expect("a struct");
    list.trim_end_matches('}').split(',').map(|field| {
        let (name, value) = field.split_once(':').expect("a field");
        // What is counted in KiB, the table has in bytes.
        let unit = if name.ends_with("_kib") { 1 << 10 } else { 1 };
        (name.trim().to_owned(), value.trim().parse::<u64>().expect("a number") * unit)
    })
}

/// `1 << 20` or `10_000`; what is neither is no plain number.
fn evaluated(expression: &str) -> Option<u64> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    match expression.split_once("<<") {
        Some((left, right)) => Some(number(left)? << number(right)?),
        None => number(expression),
    }
}

/// `4 MiB`, `4,096 bytes` or `10,000`.
fn told(value: &str) -> Option<u64> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, "bytes"));
    let unit = ["bytes", "KiB", "MiB", "GiB", "TiB"].iter().position(|known| *known == unit)?;
    Some(number.replace(',', "").parse::<u64>().ok()? << (10 * unit))
}

#[test]
fn the_document_has_every_limit_with_its_value() {
    let mut limits: BTreeMap<String, u64> = fields(&format!("{:?}", Limits::DEFAULT)).collect();
    limits.extend(fields(&format!("{:?}", ImageLimits::DEFAULT)));
    for entry in WalkDir::new(top().join("src")).into_iter().filter_map(Result::ok) {
        let file = entry.path().strip_prefix(top()).expect("below the top").display().to_string();
        if !file.ends_with(".rs") {
            continue;
        }
        for line in fs::read_to_string(entry.path()).expect("readable").lines() {
            let Some((_, constant)) = line.split_once("const ") else { continue };
            let Some((name, (_, value))) =
                constant.split_once(": ").and_then(|(name, rest)| Some((name, rest.split_once(" = ")?)))
            else {
                continue;
            };
            let key = format!("{file} {name}");
            let is_limit = LIKE_A_LIMIT.iter().any(|word| name.starts_with(word)) || name == "REDIRECTS";
            let is_none = NONE.contains(&key.as_str()) || [OF_FAT, OF_A_WORD].contains(&key.as_str());
            if is_limit
                && !is_none
                && let Some(value) = evaluated(value.trim_end_matches(';'))
            {
                limits.insert(key, value);
            }
        }
    }
    assert!(limits.len() > 45, "{limits:?}");
    let document = fs::read_to_string(top().join("docs/security.md")).expect("readable");
    let (_, table) = document.split_once("### Each limit, ").expect("its heading");
    let (table, _) = table.split_once("\n### ").expect("another heading");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut stand: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let (name, rest) = row.split_once("` | ").expect("a name");
        let (value, tests) = rest.split_once(" | ").expect("a value");
        assert!(tests.contains("::"), "{name} has no test");
        assert!(stand.insert(name.to_owned(), told(value).expect("a value")).is_none(), "{name} stands twice");
    }
    assert_eq!(stand, limits);
}
