//! Holds the house rules of the design: imports run downward only and never in a circle, some crates are
//! at home in one module, only `cli` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::files::files_below;
use crate::support::top;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The floors from the ground up. A module imports from lower floors, and from its own where no circle
/// comes of it. `lib.rs`, `main.rs` and what is in `bin/` are the doors and stand outside.
const FLOORS: [&[&str]; 6] = [
    &[
        "digest",
        "path",
        "platform",
        "image_ref",
        "in_order",
        "progress",
        "error",
        "language",
        "own_file",
        "staged_file",
        "small_file",
        "scratch",
        "room",
        "workers",
        "yaml",
    ],
    &["manifest", "signature", "stack", "product"],
    &["release", "cache", "image", "bundle", "parity", "medium"],
    &["fetch", "daemon", "site"],
    &["task"],
    &["cli"],
];

/// Pairs of modules of which the first never reaches the second, over no number of steps.
const APART: [(&str, &str); 7] = [
    ("fetch", "bundle"),
    ("bundle", "fetch"),
    ("site", "fetch"),
    ("fetch", "site"),
    ("site", "daemon"),
    ("fetch", "daemon"),
    ("daemon", "fetch"),
];

/// Where the program for a site begins. It never reaches the network: a linker can leave that out.
const ON_SITE: &str = "cli::on_site";
/// Rooms whose modules export nothing of each other: there a file's reach is that of the file alone.
const OF_SINGLE_FILES: [&str; 3] = ["cli", "parity", "task"];
/// What a program for a site has no use for: the network, and the making of parity.
const NOT_ON_SITE: [&str; 3] = ["fetch", "daemon", "parity::encode"];

/// Words (crates, keywords) that only one module's code may have.
const AT_HOME: [(&str, &[&str]); 2] = [
    ("fetch", &["reqwest", "tokio", "futures_util", "backon", "async", "await"]),
    ("cli", &["clap", "clap_complete", "clap_mangen", "comfy_table", "console", "indicatif", "rpassword"]),
];

#[test]
fn the_sources_keep_the_floors() {
    let sources: Vec<Source> =
        files_below("src", &["rs"]).into_iter().map(|(path, text)| Source::new(path, &text)).collect();
    assert!(sources.len() > 10, "only {} sources found", sources.len());
    let broken = broken_rules(&sources);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_guides_draw_these_floors() {
    for guide in ["src/lib.rs", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(top().join(guide)).expect("readable");
        for floor in FLOORS {
            let drawn = |line: &str| floor.iter().all(|room| line.split_whitespace().any(|word| word == *room));
            assert!(text.lines().any(drawn), "{guide} does not draw the floor {floor:?}");
        }
    }
}

#[test]
fn every_broken_rule_is_found() {
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text);
    let finds = |sources: &[Source], what: &str| {
        let broken = broken_rules(sources);
        assert!(broken.iter().any(|line| line.contains(what)), "expected '{what}' among {broken:?}");
    };
    finds(&[source("src/digest.rs", "use crate::manifest::Manifest;")], "digest is below manifest");
    finds(&[source("src/digest.rs", "use crate::{error::Error, release};")], "digest is below release");
    finds(&[source("src/bundle/read.rs", "fn f() { super::super::site::run() }")], "bundle is below site");
    finds(&[source("src/bundle.rs", "mod tests { use super::super::cli; }")], "bundle is below cli");
    finds(&[source("src/path.rs", "fn f() { vec![crate::cli::X] }")], "path is below cli");
    finds(&[source("src/site.rs", "pub use pack::fetch;")], "site reaches fetch");
    let hop = [source("src/fetch.rs", "use crate::release;"), source("src/release.rs", "use crate::bundle;")];
    finds(&hop, "fetch reaches bundle");
    let circle = [source("src/image.rs", "use crate::bundle;"), source("src/bundle.rs", "use crate::image;")];
    finds(&circle, "image imports itself in a circle");
    let encoder = [
        source("src/cli/on_site.rs", "use super::repair;"),
        source("src/cli/repair.rs", "use crate::parity::{rebuild, encode::encode};"),
        source("src/parity/encode.rs", ""),
    ];
    finds(&encoder, "cli::on_site reaches parity::encode");
    let inner = [
        source("src/bundle/a.rs", "use super::b::B;"),
        source("src/bundle/b.rs", "use crate::bundle::c::C;"),
        source("src/bundle/c.rs", "use super::a::A;"),
    ];
    finds(&inner, "bundle::a imports itself in a circle");
    finds(&[source("src/attic.rs", "")], "attic stands on no floor");
    finds(&[source("src/bundle.rs", "use tokio::fs;")], "'tokio'");
    finds(&[source("src/site.rs", "async fn f() {}")], "'async'");
    finds(&[source("src/main.rs", "use clap::Parser;")], "'clap'");
    finds(&[source("src/site.rs", "fn f() { println!(); }")], "prints");
    finds(&[source("src/fetch.rs", "fn f() { std::io::stderr().flush() }")], "prints");
    finds(&[source("src/fetch.rs", "fn f() { let out = io::stdout; }")], "prints");
}

#[test]
fn what_is_allowed_is_not_found() {
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text);
    let kept = [
        source("src/lib.rs", "//! crate::cli and println!\npub mod cli; pub use cli::run;"),
        source("src/cli.rs", "use crate::{fetch, site::run}; fn f() { println!(); io::stdout(); }"),
        source("src/fetch.rs", "use crate::release::{self, Folder}; async fn f() { tokio::spawn(g()).await }"),
        source("src/bundle.rs", "mod a; mod b; use crate::image::Layer; use crate::release;"),
        source("src/bundle/a.rs", "use super::b::B; const S: &str = \"crate::cli println!\";"),
        source("src/bundle/b.rs", "// crate::fetch\nfn f() { Command::new().stdout(x).stderr(y); copy(stdout) }"),
        source("src/image/oci.rs", "mod a; pub(crate) use a::A; use crate::error::Error;"),
        source("src/image/oci/a.rs", "use super::b::B; pub(super) use crate::image::oci::b; pub(crate) fn f() {}"),
        source("src/image.rs", "mod oci; mod limits; use oci::A; use crate::digest::Digest;"),
        source("src/cli/on_site.rs", "use super::verify;"),
        source("src/cli/verify.rs", "use crate::task::verify;"),
        source("src/task/verify.rs", "use crate::bundle;"),
        source("src/task/download.rs", "use crate::fetch::Fetcher;"),
        source("src/site.rs", "use crate::bundle::{a, b}; mod tests { use super::super::bundle::a; }"),
    ];
    assert_eq!(broken_rules(&kept), Vec::<String>::new());
}

/// A source file: its module path, the module paths it names, and every word in it.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) module: Vec<String>,
    pub(super) imports: Vec<Vec<String>>,
    words: BTreeSet<String>,
    prints: bool,
}

impl Source {
    pub(super) fn new(path: String, text: &str) -> Self {
        let module = module_of(&path);
        let tokens: TokenStream = text.parse().unwrap_or_else(|why| panic!("{path} is no Rust: {why}"));
        let (imports, words) = (Vec::new(), BTreeSet::new());
        let mut source = Source { path, module: module.clone(), imports, words, prints: false };
        source.scan(tokens, &module);
        source
    }

    /// Takes in the tokens of `module`; comments are no tokens, so what they say does not count.
    fn scan(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            let (before, after) = (&tokens[..place], &tokens[place + 1..]);
            match token {
                TokenTree::Group(group) => {
                    let mut inner = module.to_vec();
                    if let [.., TokenTree::Ident(keyword), TokenTree::Ident(name)] = before
                        && keyword == "mod"
                        && group.delimiter() == Delimiter::Brace
                    {
                        inner.push(name.to_string());
                    }
                    self.scan(group.stream(), &inner);
                }
                TokenTree::Ident(word) => {
                    let word = word.to_string();
                    let within_path = before.len() > 1 && is_path_separator(&before[before.len() - 2..]);
                    if !within_path && let Some(base) = base_of(&word, module) {
                        self.follow_path(base, after);
                    }
                    self.prints |= match word.as_str() {
                        "print" | "println" | "eprint" | "eprintln" | "dbg" => is_punct(after.first(), '!'),
                        "stdout" | "stderr" => within_path || (is_call(after) && !is_punct(before.last(), '.')),
                        _ => false,
                    };
                    self.words.insert(word);
                }
                _ => {}
            }
        }
    }

    /// Follows `::a::b` or `::{a, b::c}`, where the path so far means `base`.
    fn follow_path(&mut self, mut base: Vec<String>, mut rest: &[TokenTree]) {
        while rest.len() > 2 && is_path_separator(&rest[..2]) {
            match &rest[2] {
                TokenTree::Ident(word) if word == "super" => drop(base.pop()),
                TokenTree::Ident(word) => base.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for item in inner.split(|token| is_punct(Some(token), ',')) {
                        let Some((TokenTree::Ident(word), rest)) = item.split_first() else { continue };
                        let mut path = base.clone();
                        if word != "self" {
                            path.push(word.to_string());
                        }
                        self.follow_path(path, rest);
                    }
                    return;
                }
                _ => break,
            }
            rest = &rest[3..];
        }
        self.imports.push(base);
    }
}

/// What a path that begins with `word` begins at; `None` when it is no path into this crate.
fn base_of(word: &str, module: &[String]) -> Option<Vec<String>> {
    match word {
        "crate" | "pack" => Some(Vec::new()),
        "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
        "self" => Some(module.to_vec()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, expected: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expected)
}

fn is_path_separator(two: &[TokenTree]) -> bool {
    two.iter().all(|token| is_punct(Some(token), ':'))
}

fn is_call(after: &[TokenTree]) -> bool {
    matches!(after.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

/// `src/bundle/read.rs` is the module `bundle::read`; the door is the empty path.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let is_door = matches!(inner, "lib" | "main") || inner.starts_with("bin/");
    if is_door { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

/// The floor a top-level module stands on, counted from the ground.
fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

fn broken_rules(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for Source { path, module, imports, words, prints } in sources {
        let room = module.first().map(String::as_str);
        if *prints && room != Some("cli") {
            broken.push(format!("{path} prints; only cli does, the rest reports through Progress"));
        }
        for (home, at_home) in AT_HOME {
            for word in at_home.iter().filter(|word| room != Some(home) && words.contains(**word)) {
                broken.push(format!("{path} has '{word}', which is at home in {home}"));
            }
        }
        let Some(room) = room else { continue };
        let Some(floor) = floor_of(room) else {
            broken.push(format!("{path}: {room} stands on no floor; give it one in tests/it/house/floors.rs"));
            continue;
        };
        for other in imports.iter().filter_map(|import| import.first()) {
            if floor_of(other).is_some_and(|other| other > floor) {
                broken.push(format!("{path}: {room} is below {other} and must not know it"));
            }
        }
    }
    let graphs = graphs(sources);
    if let Some(rooms) = graphs.get(&Vec::new()) {
        for (from, to) in APART {
            if reached(rooms, from).contains(to) {
                broken.push(format!("{from} reaches {to}; they stay apart"));
            }
        }
    }
    let files = files(sources);
    for other in NOT_ON_SITE.into_iter().filter(|other| reached(&files, ON_SITE).contains(other)) {
        broken.push(format!("{ON_SITE} reaches {other}; what runs on a site has no use for that"));
    }
    for (parent, graph) in &graphs {
        for (module, known) in graph.iter().filter(|(module, _)| reached(graph, module).contains(module.as_str())) {
            let whole: Vec<&str> = parent.iter().chain([module]).map(String::as_str).collect();
            broken.push(format!("{} imports itself in a circle, through one of {known:?}", whole.join("::")));
        }
    }
    broken
}

/// Which modules name which others, of those that share a parent.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// For every parent module (the crate is the empty path) the imports among its children.
fn graphs(sources: &[Source]) -> BTreeMap<Vec<String>, Graph> {
    let known: BTreeSet<&[String]> =
        sources.iter().flat_map(|Source { module, .. }| (1..=module.len()).map(|length| &module[..length])).collect();
    let mut graphs: BTreeMap<Vec<String>, Graph> = BTreeMap::new();
    for Source { module, imports, .. } in sources {
        for import in imports {
            let shared = module.iter().zip(import).take_while(|(ours, theirs)| ours == theirs).count();
            if let (Some(from), Some(to)) = (module.get(shared), import.get(shared))
                // Below the crate's own rooms, what is no file is a name that the parent declares.
                && (shared == 0 || known.contains(&&import[..=shared]))
            {
                let graph = graphs.entry(import[..shared].to_vec()).or_default();
                graph.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    graphs
}

/// Which files name which others; rooms that export what is in their files count as one.
fn files(sources: &[Source]) -> Graph {
    let known: BTreeSet<&[String]> = sources.iter().map(|source| source.module.as_slice()).collect();
    let file = |path: &[String]| match path.first() {
        Some(room) if OF_SINGLE_FILES.contains(&room.as_str()) => {
            let longest = (1..=path.len()).rev().find(|&length| known.contains(&path[..length])).unwrap_or(1);
            path[..longest].join("::")
        }
        room => room.cloned().unwrap_or_default(),
    };
    let mut graph = Graph::new();
    for Source { module, imports, .. } in sources {
        graph.entry(file(module)).or_default().extend(imports.iter().map(|import| file(import)));
    }
    graph
}

/// Everything that `from` imports, over any number of steps.
fn reached<'a>(graph: &'a Graph, from: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in graph.get(module).into_iter().flatten() {
            if seen.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    seen
}
