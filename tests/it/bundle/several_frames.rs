//! Files and tar headers that lie in several frames, and empty files between them.

use std::fs;
use std::path::Path;

use crate::support::images::gzip;
use crate::support::{BUNDLE, expect, file, noise, pack, portable, tree};
use pack::bundle::{Bundle, Scope, prove};
use pack::progress::Silent;

/// The frames' size under `--compression fast`.
const FRAME: usize = 4 << 20;

/// A bundle whose second frame begins with the header of `first`. The header of the file after that, which takes three
/// blocks for its long name, lies in the second frame and in the third; `empty` and `data.gz` follow.
fn bundled() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let long = "l".repeat(150);
    let files = [
        file("run.sh", "script", "#!/bin/sh\n"),
        file("first", "file", noise(1, FRAME - 2 * 512)),
        file(long.clone().leak(), "file", "behind a long name"),
        file("empty", "file", ""),
        file("data.gz", "file", gzip(&noise(2, 2 * FRAME + 1_000), 1)),
        file("last", "file", "the end"),
    ];
    portable(folder.path(), &files);
    expect(0, folder.path(), &["bundle", "--compression", "fast"]);
    (folder, long)
}

#[test]
fn each_file_comes_out_whole() {
    let (folder, long) = bundled();
    let product = folder.path().join("probe-portable");
    let bundle = Bundle::open(&folder.path().join(BUNDLE)).expect("opened");
    let (index, frame) = (bundle.index(), FRAME as u64);
    assert_eq!(index.frames.len(), 5);
    let entry = index.entry(&long).expect("there");
    let second_ends = index.frames[0].raw_size + frame;
    assert!(entry.offset > second_ends && entry.offset - 3 * 512 < second_ends, "its header lies in two frames");

    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    assert_eq!(tree(&folder.path().join("out")), tree(&product));
    for name in ["manifest.json", "first", &long, "empty", "data.gz", "last"] {
        let output = pack(folder.path()).args(["cat", BUNDLE, name]).output().expect("pack runs");
        assert!(output.status.success() && output.stdout == fs::read(product.join(name)).expect("read"), "{name}");
    }
    let output = pack(folder.path()).args(["cat", "--decompress", BUNDLE, "data.gz"]).output().expect("pack runs");
    assert!(output.status.success() && output.stdout == noise(2, 2 * FRAME + 1_000));
    prove(&bundle, Scope::Everything, &Silent).expect("proved");
}

#[test]
fn of_the_frames_only_those_are_read_that_have_something_of_what_is_asked_for() {
    let (folder, _) = bundled();
    let path = folder.path().join(BUNDLE);
    let mut bytes = fs::read(&path).expect("read");
    let bundle = Bundle::open(&path).expect("opened");
    for frame in &bundle.index().frames[1..4] {
        bytes[(frame.offset + frame.size / 2) as usize] ^= 1;
    }
    fs::write(&path, bytes).expect("written");
    // The empty file lies behind the frame that is read.
    expect(0, folder.path(), &["extract", BUNDLE, "out", "run.sh", "empty"]);
    let names: Vec<_> = tree(&folder.path().join("out")).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, [Path::new("empty"), Path::new("run.sh")]);
    assert_eq!(expect(0, folder.path(), &["cat", BUNDLE, "last"]).0, "the end");
    for name in ["first", "data.gz"] {
        expect(3, folder.path(), &["cat", BUNDLE, name]);
    }
    let (rows, _) = expect(3, folder.path(), &["verify", BUNDLE]);
    let state = |name: &str| rows.lines().find(|row| row.contains(name)).and_then(|row| row.split_whitespace().next());
    for (name, right) in [
        ("(launcher and runtime)", "ok"),
        ("run.sh", "ok"),
        ("first", "damaged"),
        ("data.gz", "damaged"),
        ("last", "ok"),
    ] {
        assert_eq!(state(name), Some(right), "{name}: {rows}");
    }
    let mut bytes = fs::read(&path).expect("read");
    bytes[100] ^= 1;
    fs::write(&path, bytes).expect("written");
    let (rows, _) = expect(3, folder.path(), &["verify", BUNDLE]);
    let row = rows.lines().find(|row| row.contains("(launcher and runtime)")).expect("a row");
    assert!(row.trim_start().starts_with("damaged"), "{rows}");
}
