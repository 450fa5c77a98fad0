//! A file with the right bytes that others can write to is not kept as it is: who owns it, or holds it open, would change it
//! after it was compared.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::support::{expect, file, json_of_output, skip, write_product};

const RIGHT: &str = "#!/bin/sh\necho right\n";
const SOMEBODY: u32 = 4_711;
const DOWNLOAD: [&str; 5] = ["download", "--no-cache", "--dir", "out", "src/manifest.json"];

/// A product in `src`, and in `out` its files, put there by hand; the script's path.
fn by_hand(folder: &Path) -> PathBuf {
    let files = [file("run.sh", "script", RIGHT), file("data", "file", "x")];
    write_product(&folder.join("src"), "1.0.0", &files);
    let out = folder.join("out");
    fs::create_dir(&out).expect("a folder");
    write_product(&out, "1.0.0", &files);
    set(&out, None, 0o755);
    out.join("run.sh")
}

fn set(path: &Path, owner: Option<u32>, mode: u32) {
    chown(path, owner, None).expect("root may");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its owner, or root, may");
}

#[test]
fn a_right_file_that_others_can_write_to_is_made_anew() {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip("to give a file to another user takes root");
    }
    for (owner, mode, told) in [
        (None, 0o777, "others may write to it"),
        (None, 0o775, "others may write to it"),
        (Some(SOMEBODY), 0o755, "it belongs to another user"),
        (Some(SOMEBODY), 0o777, "it belongs to another user"),
    ] {
        if owner.is_some() && !is_root {
            continue;
        }
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let folder = scratch.path();
        let path = by_hand(folder);
        set(&path, owner, mode);
        let mut held = File::options().write(true).open(&path).expect("open");
        let (out, err) = expect(0, folder, &[&DOWNLOAD[..], &["--json"]].concat());
        let report = json_of_output(&out);
        assert_eq!(report["artifacts"][0]["how"], "replaced", "{report}");
        assert_eq!(report["artifacts"][1]["how"], "kept", "{report}");
        assert!(err.contains("run.sh") && err.contains(told), "{err}");
        held.write_all(b"#!/bin/sh\necho wrong\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), RIGHT, "{owner:?} {mode:o}");
        let now = fs::metadata(&path).expect("there");
        assert_eq!(now.uid(), rustix::process::geteuid().as_raw());
        assert_eq!(now.mode() & 0o7777, 0o755);
        let (out, err) = expect(0, folder, &DOWNLOAD);
        assert!(out.contains("2 kept, 0 fetched, 0 replaced"), "once is enough: {out}\n{err}");
        expect(0, folder, &["verify", "out"]);
    }
}

#[test]
fn a_link_to_what_others_can_write_to_is_replaced_by_a_file() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let path = by_hand(folder);
    let theirs = folder.join("theirs");
    fs::rename(&path, &theirs).expect("moved");
    set(&theirs, None, 0o777);
    std::os::unix::fs::symlink(&theirs, &path).expect("a link");
    expect(0, folder, &DOWNLOAD);
    assert!(fs::symlink_metadata(&path).expect("there").is_file());
    assert_eq!(fs::read_to_string(&theirs).expect("untouched"), RIGHT);
}

#[test]
fn what_nobody_else_can_write_to_who_cannot_exchange_it_is_kept() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let path = by_hand(folder);
    let is_kept = |what: &str| {
        let before = fs::metadata(&path).expect("there");
        let (out, err) = expect(0, folder, &DOWNLOAD);
        let now = fs::metadata(&path).expect("there");
        assert!(out.contains("2 kept"), "{what}: {out}\n{err}");
        assert_eq!((now.ino(), now.mode(), now.uid()), (before.ino(), before.mode(), before.uid()), "{what}");
    };
    for mode in [0o444, 0o500, 0o755] {
        set(&path, None, mode);
        is_kept("only we write to it");
    }
    set(&path, None, 0o775);
    set(&folder.join("out"), None, 0o775);
    is_kept("a group works together");
    // So are all files and folders where the medium has no modes.
    set(&path, None, 0o777);
    set(&folder.join("out"), None, 0o777);
    is_kept("who may write to it may exchange it");
    if !rustix::process::geteuid().is_root() {
        return skip("to give a file to another user takes root");
    }
    set(&path, Some(SOMEBODY), 0o755);
    set(&folder.join("out"), Some(SOMEBODY), 0o755);
    is_kept("it belongs to the folder's owner, as on a medium without owners");
}
