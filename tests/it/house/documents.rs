//! Holds the documents to what is there: links lead somewhere, commands exist, figures are the code's.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{PACK, top};
use pack::manifest::{Limits, Manifest};
use pack::platform::Platform;
use walkdir::WalkDir;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// Every document of ours.
fn documents() -> Vec<PathBuf> {
    let ours = |name: &str| !name.starts_with('.') && name != "target";
    WalkDir::new(top())
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || ours(&entry.file_name().to_string_lossy()))
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut seen = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("readable");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            seen += 1;
            let target = document.parent().expect("below the top").join(link);
            assert!(target.exists(), "{}: the link to {link} leads nowhere", document.display());
        }
    }
    assert!(seen > 5, "only {seen} links found");
}

#[test]
fn the_notice_lists_exactly_the_files_that_follow_the_source_of_others() {
    let is_altered = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("readable");
        text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Altered from "))
    };
    let below = |root: &str| WalkDir::new(top().join(root)).into_iter().filter_map(Result::ok);
    let sources = below("src").chain(below("redeflate/src")).map(walkdir::DirEntry::into_path);
    let altered = sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).filter(is_altered);
    let altered: BTreeSet<String> =
        altered.map(|path| path.strip_prefix(top()).expect("below the top").display().to_string()).collect();
    let notice = read("NOTICE");
    let rows = notice.lines().filter(|line| line.starts_with("    redeflate/src/") || line.starts_with("    src/"));
    let listed: BTreeSet<String> = rows.filter_map(|row| row.split_whitespace().next()).map(str::to_owned).collect();
    assert!(altered.len() > 5, "{altered:?}");
    assert_eq!(altered, listed);
}

#[test]
fn the_readmes_list_exactly_the_commands_there_are() {
    let help = Command::new(PACK).arg("--help").output().expect("started").stdout;
    let help = String::from_utf8(help).expect("text");
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let there: BTreeSet<&str> =
        listed.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    assert!(there.len() > 5, "{help}");
    for readme in READMES {
        let text = read(readme);
        let rows = text.lines().filter(|line| line.starts_with("| `pack "));
        let cells: Vec<&str> = rows.filter_map(|row| row.split(" | ").next()).collect();
        let told: BTreeSet<&str> = cells
            .iter()
            .flat_map(|cell| cell.split("`pack ").skip(1))
            .filter_map(|rest| rest.split([' ', '`']).next())
            .collect();
        assert_eq!(told, there, "{readme}");
    }
}

#[test]
fn the_readmes_show_the_same_commands_and_the_example_as_it_is() {
    let blocks = |text: &str| -> Vec<String> {
        let code = text.split("```").skip(1).step_by(2);
        // What follows a '#' is for people, in their language.
        let bare = |line: &str| line.split(" #").next().unwrap_or_default().trim().replace("参数", "ARGS");
        code.filter(|block| block.starts_with("sh\n"))
            .flat_map(|block| block.lines().map(bare).collect::<Vec<_>>())
            .collect()
    };
    let [english, chinese] = READMES.map(read);
    assert_eq!(blocks(&english), blocks(&chinese));
    let manifest = Manifest::parse(read("examples/hello/manifest.json"), "the example").expect("valid");
    for artifact in manifest.artifacts() {
        let pin = artifact.pin.expect("pinned");
        let row = format!("  {:<12}  {:>8} bytes  {}", artifact.id.name.as_str(), pin.size.expect("sized"), pin.digest);
        for text in [&english, &chinese] {
            assert!(text.contains(&row), "a README does not show: {row}");
        }
    }
}

#[test]
fn the_manifest_is_documented_as_it_is() {
    let text = read("docs/manifest.md");
    let example = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    Manifest::parse(example.to_owned(), "docs/manifest.md").expect("the example is valid");
    for platform in Platform::all() {
        assert!(text.contains(&format!("`{platform}`")), "{platform} is not documented");
    }
    let grouped = |number: usize| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    let limits = Limits::DEFAULT;
    for row in [
        format!("| the manifest's text | {} MiB |", limits.manifest_bytes >> 20),
        format!("| artifacts | {} |", grouped(limits.artifacts)),
        format!("| URLs of an artifact | {} |", grouped(limits.urls)),
        format!("| a URL | {} bytes |", grouped(limits.url_bytes)),
        format!("| an artifact | {} TiB |", limits.artifact_bytes >> 40),
    ] {
        assert!(text.contains(&row), "docs/manifest.md does not have: {row}");
    }
}
