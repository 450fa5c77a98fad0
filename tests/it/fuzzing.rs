//! Every fuzz target over its corpus, and over what is near to that. `fuzz/README.md` tells how to look further.

use std::fs;
use std::panic;
use std::path::PathBuf;

use crate::support::top;

/// About how many truncations and how many changed bytes are tried of each seed.
const TRIES: usize = 400;

fn corpus(target: &str) -> PathBuf {
    top().join("fuzz/corpus").join(target)
}

/// Fails if `body` panics over a seed of `target`, over one cut short, or over one with a byte changed.
fn holds(target: &str, body: fn(&[u8])) {
    let mut seeds = 0;
    for seed in fs::read_dir(corpus(target)).expect("a corpus") {
        let path = seed.expect("an entry").path();
        let bytes = fs::read(&path).expect("a seed");
        let run = |what: &str, bytes: &[u8]| {
            let outcome = panic::catch_unwind(|| body(bytes));
            assert!(outcome.is_ok(), "{} with {what}", path.display());
        };
        run("nothing changed", &bytes);
        let step = bytes.len() / TRIES + 1;
        for at in (0..bytes.len()).step_by(step) {
            run(&format!("only its first {at} bytes"), &bytes[..at]);
            // Each place gets another value; over all places every bit is turned.
            let value = bytes[at] ^ [1, 0x80, 0xff, 0x10, 0x20, 2, 0x40, 4, 8][at / step % 9];
            let mut changed = bytes.clone();
            changed[at] = value;
            run(&format!("byte {at} set to {value}"), &changed);
        }
        seeds += 1;
    }
    assert!(seeds >= 4, "only {seeds} seeds for {target}");
}

/// Fails if nothing of the corpus is accepted: then it says little about what lies behind the first check.
fn some_are_accepted(target: &str, accepts: impl Fn(Vec<u8>) -> bool) {
    let seeds = fs::read_dir(corpus(target)).expect("a corpus");
    let accepted = seeds.filter(|seed| accepts(fs::read(seed.as_ref().expect("an entry").path()).expect("a seed")));
    assert!(accepted.count() >= 2, "hardly a seed of {target} is valid");
}

#[test]
fn manifests() {
    holds("manifest", pack::fuzzing::manifest);
    some_are_accepted("manifest", |seed| pack::manifest::Manifest::from_bytes(seed, "a seed").is_ok());
}

#[test]
fn indexes() {
    holds("index", pack::fuzzing::index);
}

#[test]
fn recipes() {
    holds("recipe", pack::fuzzing::recipe);
    let limits = pack::image::ImageLimits::DEFAULT;
    some_are_accepted("recipe", |seed| pack::image::Recipe::from_bytes(&seed, &limits).is_ok());
}

#[test]
fn tar_streams() {
    holds("tar", pack::fuzzing::tar);
}

#[test]
fn image_archives() {
    holds("archive", pack::fuzzing::archive);
}

#[test]
fn deflate_streams() {
    holds("inflate", pack::fuzzing::inflate);
}

#[test]
fn every_target_is_tested_here() {
    let here = include_str!("fuzzing.rs");
    for target in fs::read_dir(top().join("fuzz/fuzz_targets")).expect("targets") {
        let path = target.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(here.contains(&format!("holds(\"{name}\", pack::fuzzing::{name})")), "{name} is not tested");
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.contains(&format!("pack::fuzzing::{name}(data)")), "{} calls something else", path.display());
    }
}

/// The names under `[dependencies]` of the program, and those that the lock file of `fuzz/` gives it.
fn libraries() -> (Vec<String>, Vec<String>) {
    let read = |path: &str| fs::read_to_string(top().join(path)).expect("readable");
    let (program, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let (_, section) = program.split_once("[dependencies]\n").expect("a section");
    let section = section.split("\n[").next().unwrap_or_default();
    let mut asked: Vec<String> =
        section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect();
    let (_, package) = lock.split_once("name = \"pack\"\n").expect("the program in the lock file");
    let package = package.split("]\n").next().unwrap_or_default();
    let mut locked: Vec<String> = package
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.split(['"', ' ']).next()?.to_owned()))
        .collect();
    asked.sort();
    locked.sort();
    (asked, locked)
}

/// Else `cargo fuzz` would change the file, or with `--locked` not build.
#[test]
fn the_lock_file_of_the_targets_has_the_libraries_that_the_program_asks_for() {
    let (asked, locked) = libraries();
    assert!(asked.len() > 20, "{asked:?}");
    assert_eq!(asked, locked, "after a library came or went: cargo metadata --manifest-path fuzz/Cargo.toml");
}
