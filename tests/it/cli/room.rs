//! A disk that is too small: told before the first byte, with what is needed, what is free, and what to type.

use std::fs;
use std::path::Path;

use crate::support::mounts::Tmpfs;
use crate::support::{BUNDLE, expect, file, noise, pack, portable, texts, write_product};

const SIZE: usize = 3_000_000;

/// How much is looked at of a file's beginning, middle and end, to see how small it gets.
const SAMPLE: usize = 128 << 10;

/// A folder with a small disk mounted as `small` in it.
fn with_disk(size: usize) -> Option<(tempfile::TempDir, Tmpfs)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let small = Tmpfs::mount(&folder.path().join("small"), &format!("size={size}"))?;
    Some((folder, small))
}

#[track_caller]
fn told(err: &str, needed: usize, hint: &str) {
    for said in ["not enough room", &format!("({needed} bytes)"), "free: ", hint] {
        assert!(err.contains(said), "{said}: {err}");
    }
}

/// Every file below `folder` that is not empty.
fn written(folder: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("listed"));
    let full = files.filter(|entry| entry.metadata().is_ok_and(|found| found.is_file() && found.len() > 0));
    full.map(|entry| entry.path().display().to_string()).collect()
}

#[test]
fn a_download_says_beforehand_what_it_needs() {
    let Some((folder, small)) = with_disk(2 << 20) else { return };
    let source = folder.path().join("source");
    fs::create_dir(&source).expect("a folder");
    write_product(&source, "1.0.0", &[file("a", "file", noise(1, SIZE)), file("b", "file", noise(2, 500_000))]);
    let words = ["download", "--no-cache", "--dir", "small/p", "source/manifest.json"];
    let (_, err) = expect(1, folder.path(), &words);
    told(&err, SIZE + 500_000, "pack download --dir /other/folder ");
    assert_eq!(written(small.path()), [""; 0]);
    // What is there already is not needed again.
    small.remount("size=5m");
    expect(0, folder.path(), &words);
    fs::write(small.path().join("p/b"), "a shorter one").expect("written");
    small.remount(&format!("size={}", SIZE + (1 << 20)));
    expect(0, folder.path(), &words);
}

#[test]
fn what_is_linked_from_the_cache_needs_no_room() {
    let Some((folder, small)) = with_disk(5 << 20) else { return };
    write_product(&folder.path().join("source"), "1.0.0", &[file("a", "image", noise(1, 4 << 20))]);
    let download = |cache: &Path, dir: &str| {
        let mut command = pack(folder.path());
        command.env("XDG_CACHE_HOME", cache).args(["download", "--dir", dir, "source/manifest.json"]);
        texts(&command.output().expect("pack runs")).1
    };
    let errors = |err: &str| err.lines().filter(|line| line.starts_with("error")).count();
    let (near, far) = (small.path().join("cache"), folder.path().join("cache"));
    for dir in ["small/p", "small/q"] {
        assert_eq!(errors(&download(&near, dir)), 0, "{dir}");
    }
    // From another disk it must be copied.
    assert_eq!(errors(&download(&far, "elsewhere")), 0);
    let err = download(&far, "small/r");
    assert!(err.contains("not enough room"), "{err}");
}

#[test]
fn extracting_says_beforehand_what_it_needs() {
    let Some((folder, small)) = with_disk(2 << 20) else { return };
    portable(folder.path(), &[file("a", "file", noise(1, SIZE)), file("b", "file", noise(2, 500_000))]);
    expect(0, folder.path(), &["bundle"]);
    let manifest = fs::metadata(folder.path().join("probe-portable/manifest.json")).expect("there").len() as usize;
    let (_, err) = expect(1, folder.path(), &["extract", BUNDLE, "small/out"]);
    told(&err, SIZE + 500_000 + manifest, &format!("pack extract {BUNDLE} /other/"));
    assert_eq!(written(small.path()), [""; 0]);
    let (_, err) = expect(1, folder.path(), &["extract", BUNDLE, "small/out", "a"]);
    told(&err, SIZE, "pack extract");
    expect(0, folder.path(), &["extract", BUNDLE, "small/out", "b"]);
}

#[test]
fn bundling_says_beforehand_what_it_needs_at_least() {
    let Some((folder, small)) = with_disk(1 << 20) else { return };
    portable(folder.path(), &[file("a", "file", noise(1, SIZE))]);
    let (_, err) = expect(1, folder.path(), &["bundle", "-o", "small/"]);
    for said in ["not enough room", "needed: ", "free: ", "pack bundle -o /other/folder/"] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert_eq!(written(small.path()), [""; 0]);
    // What may fit and may not is tried, with a note.
    let bundle = folder.path().join(BUNDLE);
    let mut holes = vec![0; 1 << 20];
    for at in [0, (holes.len() - SAMPLE) / 2, holes.len() - SAMPLE] {
        holes[at..at + SAMPLE].copy_from_slice(&noise(at as u64, SAMPLE));
    }
    portable(folder.path(), &[file("a", "file", noise(1, SIZE)), file("b", "file", holes)]);
    let note = "the bundle takes up to ";
    assert!(!expect(0, folder.path(), &["bundle"]).1.contains(note), "there is room");
    let size = fs::metadata(&bundle).expect("there").len();
    small.remount(&format!("size={}", size + (64 << 10)));
    let (_, err) = expect(0, folder.path(), &["bundle", "-o", "small/"]);
    assert!(err.contains(note), "{err}");
}

#[test]
fn a_disk_that_takes_no_more_files_is_told_as_such() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The root of the file system is one of them.
    let Some(small) = Tmpfs::mount(&folder.path().join("small"), "size=9m,nr_inodes=3") else { return };
    write_product(&folder.path().join("source"), "1.0.0", &[file("a", "file", "a")]);
    fs::write(small.path().join("one"), "").expect("written");
    fs::write(small.path().join("two"), "").expect("written");
    let (_, err) = expect(1, folder.path(), &["bundle", "source", "-o", "small/x.run"]);
    assert!(err.contains("takes no more files") && err.contains("df -i"), "{err}");
    fs::remove_file(small.path().join("two")).expect("removed");
    let (_, err) = expect(1, folder.path(), &["download", "--no-cache", "--dir", "small/p", "source/manifest.json"]);
    assert!(err.contains("df -i"), "{err}");
}
