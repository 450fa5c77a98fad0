//! `kill -9` at random moments: the next run finishes, and nothing wrong ever carries a final name.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::fault::{dripping, serve_files};
use crate::support::{PACK, expect, file, manifest, noise, pack, portable, staged};
use pack::digest::Digest;

/// How often a run is killed; `PACK_KILLS=250` for more.
pub(super) fn times() -> u64 {
    std::env::var("PACK_KILLS").map_or(50, |times| times.parse().expect("PACK_KILLS is a number"))
}

/// How many of these must hit in the middle of the work: more do, on a machine however busy.
const ENOUGH: u64 = 5;

/// Starts a command of `pack`, kills it after `wait`, and says whether it was still running.
pub(super) fn kill_after(wait: Duration, mut command: Command) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    std::thread::sleep(wait);
    let running = child.try_wait().expect("asked").is_none();
    // A process that has just ended is no failure.
    let _ = child.kill();
    child.wait().expect("ended");
    running
}

pub(super) fn with_words(folder: &Path, words: &[&str]) -> Command {
    let mut command = pack(folder);
    command.args(words);
    command
}

/// Moments spread over a run that takes about `whole`, in no order: enough for as many kills as are wanted, also where
/// most runs were done before.
pub(super) fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (0..20 * times()).map(move |n| whole.mul_f64(((n * 37 + 11) % times()) as f64 / times() as f64))
}

pub(super) fn time_of(run: impl FnOnce()) -> Duration {
    let begun = std::time::Instant::now();
    run();
    begun.elapsed()
}

#[test]
fn a_killed_download_is_finished_by_the_next() {
    let files = [
        file("run.sh", "script", "#!/bin/sh\n"),
        file("a", "file", noise(1, 4 << 20)),
        file("b", "file", noise(2, 3 << 20)),
        file("c/d", "file", noise(3, 1 << 20)),
    ];
    let server = serve_files(&files, Some(manifest("1.0.0", &files).to_string()), dripping);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = server.url("manifest.json").to_string();
    let words = ["download", url.as_str(), "--no-cache"];
    let command = || with_words(folder.path(), &words);
    let product = folder.path().join("probe-portable");
    let whole = time_of(|| drop(expect(0, folder.path(), &words)));
    fs::remove_dir_all(&product).expect("removed");
    let (mut killed, mut halfway) = (0, 0);
    for wait in moments(whole) {
        if killed == times() {
            break;
        }
        killed += u64::from(kill_after(wait, command()));
        let begun = fs::read_dir(product.join(".pack/partial")).is_ok_and(|mut partials| partials.next().is_some());
        halfway += u64::from(begun && !product.join("manifest.json").exists());
        for file in &files {
            if let Ok(content) = fs::read(product.join(file.name)) {
                assert!(content == file.content, "'{}' has its name and other bytes, killed after {wait:?}", file.name);
            }
        }
        if !product.join(".pack/partial").is_dir() || product.join("manifest.json").is_file() {
            // A new beginning once in a while, else the rest would find everything in place.
            fs::remove_dir_all(&product).ok();
        }
    }
    assert_eq!(killed, times(), "so many were still running when they were killed");
    assert!(halfway >= ENOUGH, "only {halfway} of {killed} kills found an artifact half there");
    expect(0, folder.path(), &words);
    expect(0, folder.path(), &["verify"]);
}

#[test]
fn a_killed_bundle_is_finished_by_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("run.sh", "script", "#!/bin/sh\n"), file("a", "file", noise(1, 12 << 20))]);
    let words = ["bundle", "-o", "x.run", "-q"];
    let command = || with_words(folder.path(), &words);
    let path = folder.path().join("x.run");
    let whole = time_of(|| drop(expect(0, folder.path(), &words)));
    let right = Digest::of(&fs::read(&path).expect("read"));
    let (mut killed, mut halfway) = (0, 0);
    for (number, wait) in moments(whole).enumerate() {
        if killed == times() {
            break;
        }
        if number % 2 == 0 {
            fs::remove_file(&path).expect("removed");
        }
        killed += u64::from(kill_after(wait, command()));
        halfway += u64::from(!staged(folder.path(), "x.run").is_empty());
        if let Ok(content) = fs::read(&path) {
            assert!(Digest::of(&content) == right, "a wrong bundle has the final name, killed after {wait:?}");
        } else {
            expect(0, folder.path(), &words);
        }
        let check = Command::new(PACK).args(["verify", "-q", "x.run"]).current_dir(folder.path()).status();
        assert!(check.expect("runs").success());
    }
    assert_eq!(killed, times(), "so many were still running when they were killed");
    assert!(halfway >= ENOUGH, "only {halfway} of {killed} kills found a bundle half written");
    expect(0, folder.path(), &words);
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name()).collect();
    left.sort();
    assert_eq!(left, ["probe-portable", "x.run", "x.run.sha256"], "what a killed run left is gone");
}

#[test]
fn a_killed_extraction_is_finished_by_the_next_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("a", "file", vec![0; 192 << 20]), file("c/d", "file", noise(3, 1 << 20))]);
    expect(0, folder.path(), &["bundle", "--compression", "fast", "-o", "x.run"]);
    let out = folder.path().join("out");
    let half_made = |place: &Path| {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        entries.filter(|entry| pack::staged_file::is_staged(&entry.file_name().to_string_lossy())).count()
    };
    for (words, place) in [(&["extract", "x.run", "out"][..], ".pack/partial"), (&["extract", "x.run", "out", "a"], "")]
    {
        let place = out.join(place);
        // Stopped in the middle of its work, behind the manifest; where it was done before the signal came, once more.
        let is_at_work = || half_made(&place) == 1 && (words.len() > 3 || out.join("manifest.json").exists());
        let mut child = loop {
            let mut child = pack(folder.path()).args(words).stderr(Stdio::null()).spawn().expect("runs");
            while !is_at_work() && child.try_wait().expect("asked").is_none() {}
            crate::support::shell(folder.path(), &format!("kill -STOP {} || true", child.id()));
            if is_at_work() {
                break child;
            }
            child.kill().expect("killed");
            child.wait().expect("ended");
            let _ = fs::remove_dir_all(&out);
        };
        // What another run works on stays.
        expect(0, folder.path(), &["extract", "x.run", "out", "c/d"]);
        assert_eq!(half_made(&place), 1, "the other run took it for left over");
        child.kill().expect("killed");
        child.wait().expect("ended");
        if words.len() == 3 {
            let (rows, _) = expect(3, folder.path(), &["verify", "out"]);
            assert!(!rows.contains("unexpected"), "{rows}");
        }
        expect(0, folder.path(), words);
        assert_eq!((half_made(&place), half_made(&out)), (0, 0));
        expect(0, folder.path(), &["extract", "x.run", "out"]);
        expect(0, folder.path(), &["verify", "out"]);
        fs::remove_dir_all(&out).expect("removed");
    }
}
