//! While a folder is packed nobody changes it; where no lock can be made, it is packed all the same.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::mounts::Tmpfs;
use crate::support::{expect, file, noise, pack, small_product, staged, write_product};
use pack::release::Folder;

/// Stopped when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `pack bundle` that has begun to write and takes long.
fn packing(folder: &Path, words: &[&str]) -> Running {
    // A staged file of a killed run is no sign of this one.
    staged(folder, "x.run").iter().for_each(|left| fs::remove_file(left).expect("removed"));
    let mut command = pack(folder);
    command.args(["bundle", "--compression", "max", "--threads", "1", "-o", "x.run"]).args(words);
    let mut child = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs"));
    while staged(folder, "x.run").is_empty() {
        assert!(child.0.try_wait().expect("asked").is_none(), "it ended before it began to write");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn a_download_waits_for_a_bundle_and_a_bundle_for_a_download() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for place in ["src", "probe-portable"] {
        fs::create_dir(folder.path().join(place)).expect("a folder");
        write_product(&folder.path().join(place), "1.0.0", &[file("noise", "file", noise(5, 64 << 20))]);
    }
    let busy = |words: &[&str]| {
        let (_, err) = expect(1, folder.path(), words);
        assert!(err.contains("another pack is working here") && err.contains("hint: wait"), "{err}");
    };
    let reader = packing(folder.path(), &["probe-portable"]);
    busy(&["download", "src"]);
    expect(0, folder.path(), &["bundle", "probe-portable", "--compression", "fast", "-o", "y.run"]);
    drop(reader);
    // With --manifest it downloads first, and lets nobody in between.
    let writer = packing(folder.path(), &["--manifest", "src"]);
    busy(&["download", "src"]);
    busy(&["bundle", "probe-portable", "-o", "y.run"]);
    drop(writer);
    let held = Folder::at(folder.path().join("probe-portable")).lock().expect("locked");
    busy(&["bundle", "probe-portable", "-o", "y.run"]);
    drop(held);
    expect(0, folder.path(), &["bundle", "probe-portable", "--compression", "fast", "-o", "y.run"]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_packed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(stick) = Tmpfs::mount(&folder.path().join("stick"), "size=1m") else { return };
    let product = small_product(stick.path());
    // Full: there is no room for so much as a lock.
    let mut ballast = fs::File::create(stick.path().join("ballast")).expect("made");
    while std::io::Write::write(&mut ballast, &[0; 4096]).is_ok_and(|written| written > 0) {}
    drop(ballast);
    expect(0, folder.path(), &["bundle", "stick/probe-portable", "-o", "full.run"]);
    fs::remove_file(stick.path().join("ballast")).expect("removed");
    fs::remove_dir_all(product.join(".pack")).ok();
    for known in [false, true] {
        if known {
            stick.remount("rw");
            drop(Folder::at(&product).lock().expect("locked"));
        }
        stick.remount("ro");
        expect(0, folder.path(), &["bundle", "stick/probe-portable", "-o", "read-only.run"]);
        expect(0, folder.path(), &["verify", "read-only.run"]);
        assert_eq!(product.join(".pack").exists(), known);
    }
}

#[test]
fn packing_leaves_no_trace_in_a_folder_made_by_hand() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = small_product(folder.path());
    expect(0, folder.path(), &["bundle"]);
    assert!(!product.join(".pack").exists());
    let folder = Folder::at(&product);
    let (one, two) = (folder.lock_for_reading().expect("free"), folder.lock_for_reading().expect("shared"));
    drop(one);
    assert!(folder.lock().is_err(), "the other still reads");
    drop(two);
    let writer = folder.lock().expect("nobody reads any more");
    assert!(folder.lock_for_reading().is_err());
    drop(writer);
    drop(folder.lock_for_reading().expect("free"));
    assert!(product.join(".pack/lock").exists(), "what a download made stays");
}

#[test]
fn a_folder_that_is_none_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("other")).expect("a folder");
    expect(1, folder.path(), &["bundle", "other"]);
    assert_eq!(fs::read_dir(folder.path().join("other")).expect("listed").count(), 0);
}

#[test]
fn a_lock_that_was_given_up_is_free_though_processes_are_being_started() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let started = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while started.fetch_add(1, Ordering::Relaxed) < 300 {
                    // Until it is another program, a process has every file that this one has open.
                    Command::new("true").current_dir("/").status().expect("true runs");
                }
            });
        }
        while started.load(Ordering::Relaxed) < 300 {
            Folder::at(folder.path()).lock().expect("nobody else is here");
        }
    });
}
