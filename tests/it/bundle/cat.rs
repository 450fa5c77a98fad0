//! One file out of a bundle, on standard output.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::craft::with_index;
use crate::support::images::{gzip, zstd};
use crate::support::{BUNDLE, expect, file, noise, pack, payload_at, portable, shell, texts};
use pack::digest::Digest;

/// The text of what is compressed in the product of [`bundled`].
fn content() -> Vec<u8> {
    let lines: String = (0..20_000).map(|number| format!("line {number} of the text\n")).collect();
    [lines.into_bytes(), noise(3, 50_000)].concat()
}

/// A bundle of the same content as it is, under gzip, and under zstd.
fn bundled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zstd = zstd(&content());
    let files = [
        file("plain", "file", content()),
        file("engine.tgz", "engine", gzip(&content(), 6)),
        file("data.zst", "file", zstd),
    ];
    portable(folder.path(), &files);
    expect(0, folder.path(), &["bundle"]);
    folder
}

fn cat(folder: &Path, words: &[&str]) -> Output {
    pack(folder).arg("cat").args(words).output().expect("pack runs")
}

#[test]
fn every_file_comes_as_it_is_or_without_its_compression() {
    let folder = bundled();
    for name in ["manifest.json", "plain", "engine.tgz", "data.zst"] {
        let original = fs::read(folder.path().join("probe-portable").join(name)).expect("read");
        let output = cat(folder.path(), &[BUNDLE, name]);
        assert_eq!(output.status.code(), Some(0), "{name}: {:?}", texts(&output));
        assert!(output.stdout == original, "{name}: {} bytes", output.stdout.len());
        let output = cat(folder.path(), &["--decompress", BUNDLE, name]);
        assert_eq!(output.status.code(), Some(0), "{name}: {:?}", texts(&output));
        let expected = if name == "manifest.json" { original } else { content() };
        assert!(output.stdout == expected, "{name}: {} bytes", output.stdout.len());
    }
}

#[test]
fn the_engine_was_carried_without_its_compression_or_this_test_shows_little() {
    let folder = bundled();
    let (shown, _) = expect(0, folder.path(), &["inspect", "--json", BUNDLE]);
    assert!(shown.contains("\"form\": \"rebuilt\""), "{shown}");
    let (shown, _) = expect(0, folder.path(), &["inspect", BUNDLE]);
    let row = |name: &str| shown.lines().find(|line| line.starts_with(name)).expect("a row");
    assert!(row("engine.tgz").contains("rebuilt") && row("plain").contains("file"), "{shown}");
}

#[test]
fn who_reads_only_the_begin_has_no_error_and_who_asks_wrongly_is_told() {
    let folder = bundled();
    let pack = crate::support::PACK;
    for name in ["plain", "engine.tgz"] {
        for option in ["", "--decompress"] {
            let line = format!("{pack} cat {option} {BUNDLE} {name} | head -c 10 | wc -c");
            let line = format!("bash -o pipefail -c '{line}'");
            assert_eq!(shell(folder.path(), &line).trim(), "10", "{line}");
        }
    }
    let (_, err) = texts(&cat(folder.path(), &[BUNDLE, "other"]));
    assert!(err.contains("no such file") && err.contains("other") && err.contains("pack inspect"), "{err}");
    let output = cat(folder.path(), &["--json", BUNDLE, "plain"]);
    assert_eq!((output.status.code(), output.stdout.starts_with(b"{")), (Some(2), true));
}

/// `content` by a real zstd with a window of so many bits, which is in the header whatever the content's size.
fn long(bits: u32, content: &[u8]) -> Option<Vec<u8>> {
    let mut zstd = Command::new("zstd")
        .args(["-c", &format!("--long={bits}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = zstd.stdin.take().expect("a pipe");
    let content = content.to_owned();
    let feeding = std::thread::spawn(move || input.write_all(&content));
    let output = zstd.wait_with_output().expect("zstd ends");
    feeding.join().expect("a thread").expect("written");
    output.status.success().then_some(output.stdout)
}

#[test]
fn a_file_whose_own_compression_is_not_read_is_not_called_damaged() {
    let (Some(w31), Some(w28)) = (long(31, &content()), long(28, &content())) else {
        return crate::support::skip("there is no zstd");
    };
    let garbage = [gzip(&content(), 6), b"garbage".to_vec()].concat();
    let cases = [
        ("w31.zst", w31, "zstd with a window of 2048 MiB; the limit is 128 MiB", "zstd -dc --long=31"),
        ("w28.zst", w28, "zstd with a window of 256 MiB; the limit is 128 MiB", "zstd -dc --long=28"),
        ("g.tgz", garbage, "bytes follow the gzip file's end", "gzip -dc"),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = cases.clone().map(|(name, bytes, ..)| file(name, "engine", bytes));
    portable(folder.path(), &files);
    for options in [&[][..], &["--detached"]] {
        let (_, noted) = expect(0, folder.path(), &[&["bundle", "-o", "x.run"], options].concat());
        let place = if options.is_empty() { "" } else { "probe-portable/" };
        let bundle = format!("{place}x.run");
        if !options.is_empty() {
            fs::rename(folder.path().join("x.run"), folder.path().join(&bundle)).expect("renamed");
        }
        for (name, bytes, what, program) in &cases {
            // What stays out of a bundle is not read for its compression.
            if options.is_empty() {
                let told = noted.lines().any(|line| line.contains(&format!("{name}: it is packed as it is")));
                assert!(told, "{name}: {noted}");
            }
            let (_, err) = expect(1, folder.path(), &["cat", "--decompress", &bundle, name]);
            assert!(err.contains("own compression cannot be read here") && err.contains(what), "{name}: {err}");
            assert!(!err.contains("damaged") && !err.contains("copy it again"), "{name}: {err}");
            assert!(err.contains(&format!("pack cat {bundle} {name} | {program}")), "{name}: {err}");
            assert!(cat(folder.path(), &[&bundle, name]).stdout == *bytes, "{name}");
            let line = format!("{} cat {bundle} {name} | {program} 2>/dev/null | sha256sum", crate::support::PACK);
            let sum = shell(folder.path(), &line);
            assert!(sum.starts_with(&Digest::of(&content()).hex().to_string()), "{name}: {sum}");
        }
    }
}

#[test]
fn zeros_after_the_end_of_a_gzip_file_are_none_of_its_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("padded.gz", "file", [gzip(&content(), 6), vec![0; 700]].concat())]);
    expect(0, folder.path(), &["bundle"]);
    let output = cat(folder.path(), &["--decompress", BUNDLE, "padded.gz"]);
    assert!(output.status.success() && output.stdout == content(), "{:?}", texts(&output).1);
}

#[test]
fn nothing_of_a_damaged_frame_comes_out() {
    let folder = bundled();
    let from = payload_at(folder.path(), BUNDLE) as usize;
    let path = folder.path().join(BUNDLE);
    let good = fs::read(&path).expect("read");
    // One of them is in every frame of the payload.
    for part in 1..20 {
        let mut bad = good.clone();
        bad[from + (good.len() - from) * part / 20] ^= 1;
        fs::write(&path, bad).expect("written");
        for words in [&[BUNDLE, "engine.tgz"][..], &["--decompress", BUNDLE, "engine.tgz"], &[BUNDLE, "plain"]] {
            let output = cat(folder.path(), words);
            let original = fs::read(folder.path().join("probe-portable").join(words[words.len() - 1])).expect("read");
            let expected = if words.len() == 3 { content() } else { original };
            match output.status.code() {
                Some(0) => assert!(output.stdout == expected, "{words:?}: wrong bytes"),
                Some(3) => assert!(expected.starts_with(&output.stdout), "{words:?}: wrong bytes"),
                other => panic!("{words:?}: {other:?} {:?}", texts(&output)),
            }
        }
    }
}

/// A recipe is read while its frames are, and nothing is made of it before it was compared as a whole.
#[test]
fn of_a_recipe_that_is_not_what_the_index_says_nothing_is_made() {
    let folder = bundled();
    with_index(&folder.path().join(BUNDLE), |index| {
        let entries = index["entries"].as_array_mut().expect("a list");
        let is_recipe =
            |entry: &&mut serde_json::Value| entry["path"].as_str().is_some_and(|it| it.ends_with(".recipe"));
        let recipe = entries.iter_mut().find(is_recipe).expect("a recipe");
        recipe["digest"] = Digest::of(b"another").to_string().into();
    });
    for words in [&["cat", BUNDLE, "engine.tgz"][..], &["extract", BUNDLE, "out"]] {
        let (out, err) = expect(3, folder.path(), words);
        assert!(err.contains(".recipe") && err.contains("actual"), "{words:?}: {err}");
        assert!(out.is_empty() && !folder.path().join("out/engine.tgz").exists(), "{words:?}");
    }
}
