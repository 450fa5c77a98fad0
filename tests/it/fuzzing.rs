//! Every fuzz target over its corpus, and over what is near to that. `fuzz/README.md` tells how to look further.

use std::fs;
use std::io::Write;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::images::gzip;
use crate::support::strace::{can_trace, traced};
use crate::support::{PACK, expect, file, top, write_product};

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
    // As the programs do it; without, a seed takes gigabytes.
    pack::image::confine(|| pack::image::confined(PACK));
    holds("recipe", pack::fuzzing::recipe);
    let limits = pack::image::ImageLimits::DEFAULT;
    some_are_accepted("recipe", |seed| pack::image::Recipe::from_bytes(&seed, &limits).is_ok());
}

/// preflate takes as much memory as corrections ask for: 10 KB of `corrections-that-ask-for-empty-blocks` ask for hundreds of
/// MiB. So the child that follows them is limited before it does.
#[test]
fn what_follows_corrections_is_limited_by_the_size_of_its_task() {
    if !can_trace() {
        return;
    }
    let (content, corrections) = ([b'x'; 1000], [0; 24]);
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=prlimit64,write", "-o"]).arg(&trace).arg(PACK).arg("follow-corrections");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("strace is installed");
    let mut input = child.stdin.take().expect("a pipe");
    for part in [&(content.len() as u64).to_le_bytes()[..], &content, &corrections] {
        input.write_all(part).expect("it reads");
    }
    drop(input);
    child.wait().expect("it ends");
    let trace = fs::read_to_string(trace).expect("a trace");
    let space = (64 << 20) + 16 * (content.len() + corrections.len());
    for (resource, most) in [("RLIMIT_AS", space), ("RLIMIT_CPU", 120), ("RLIMIT_CORE", 0)] {
        let set = trace.lines().find(|line| line.contains(&format!("{resource}, {{")));
        let set = set.unwrap_or_else(|| panic!("no {resource} in {trace}"));
        let value = set.split("rlim_cur=").nth(1).and_then(|rest| rest.split([',', '}']).next()).expect("a value");
        let bytes = value.split('*').map(|factor| factor.parse::<usize>().expect("a number")).product::<usize>();
        assert_eq!(bytes, most, "{set}");
    }
}

/// The call of it: whatever reads an artifact that is made by a recipe.
#[test]
fn a_recipe_is_followed_by_a_child() {
    let folder = tempfile::tempdir().expect("a folder");
    let text: Vec<u8> = (0..20_000u32).flat_map(|n| format!("line {} of {}\n", n % 700, n / 3).into_bytes()).collect();
    let packed = gzip(&text, 2);
    let product = folder.path().join("p");
    fs::create_dir(&product).expect("a folder");
    write_product(&product, "1.0.0", &[file("a.tar.gz", "engine", packed.clone())]);
    expect(0, folder.path(), &["bundle", "p", "-o", "x.run"]);
    if !can_trace() {
        return;
    }
    let words = [PACK, "cat", "x.run", "a.tar.gz"];
    let (output, calls) = traced(folder.path(), &words, &["-f", "-e", "trace=execve"], ("LC_ALL", Path::new("C")));
    assert!(output.stdout == packed, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(calls.contains("execve(\"/proc/self/exe\", [\"/proc/self/exe\", \"follow-corrections\"]"), "{calls}");
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

/// The names of what the program is built of and with, and those that the lock file of `fuzz/` gives it.
fn libraries() -> (Vec<String>, Vec<String>) {
    let read = |path: &str| fs::read_to_string(top().join(path)).expect("readable");
    let (program, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let mut asked = Vec::new();
    for heading in ["\n[dependencies]\n", "\n[build-dependencies]\n"] {
        let (_, section) = program.split_once(heading).expect("a section");
        let section = section.split("\n[").next().unwrap_or_default();
        asked.extend(section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())));
    }
    let (_, package) = lock.split_once("name = \"pack\"\n").expect("the program in the lock file");
    let package = package.split("]\n").next().unwrap_or_default();
    let mut locked: Vec<String> = package
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.split(['"', ' ']).next()?.to_owned()))
        .collect();
    asked.sort();
    asked.dedup();
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
