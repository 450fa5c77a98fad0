//! Bundles in volumes.

mod by_the_document;
mod read;
mod site;
mod sizes;
mod spread;
mod typed;
mod wrong;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::craft::{small_bundle, with_frames};
use crate::support::{file, noise};
use pack::bundle::Bundle;
use pack::error::Result;
use pack::progress::Silent;
use pack::task::transfer::{self, Options};

/// How much of the tar stream is in a frame.
const FRAME: usize = 100_000;

/// A bundle in one file, and the same in volumes in a folder of its own.
struct Both {
    folder: tempfile::TempDir,
    whole: PathBuf,
    cut: PathBuf,
}

impl Both {
    /// The volume of that number, counted from 1.
    fn volume(&self, number: usize) -> PathBuf {
        self.cut.with_file_name(format!("x.run.{number:03}"))
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn opened(&self) -> Result<Bundle> {
        Bundle::open(&self.cut)
    }
}

/// Writes a bundle of noise that `seed` makes, in frames of which none is longer than [`FRAME`] and a few bytes.
fn bundle(path: &Path, seed: u64) {
    let files = [
        file("run.sh", "script", "exit\n"),
        file("first", "file", noise(seed, 250_000)),
        file("empty", "file", ""),
        file("second", "file", noise(seed + 1, 550_000)),
    ];
    small_bundle(path, b"#!/bin/sh\n# pack bundle: probe\n", &files);
    let bytes = with_frames(&fs::read(path).expect("read"), FRAME, |_| ());
    fs::write(path, bytes).expect("written");
}

/// Copies a bundle into a folder, in files of at most `size` bytes.
fn divide(whole: &Path, folder: &Path, size: u64) -> Result<()> {
    fs::create_dir_all(folder).expect("a folder");
    let options = Options {
        bundle: whole.to_owned(),
        destinations: vec![folder.to_owned()],
        volume_size: Some(size),
        ..Options::default()
    };
    transfer::run(&options, &Silent, |_| Ok(()))
}

/// A bundle in four volumes of two or three frames.
fn both() -> Both {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (whole, cut) = (folder.path().join("whole/x.run"), folder.path().join("cut/x.run"));
    fs::create_dir(folder.path().join("whole")).expect("a folder");
    bundle(&whole, 1);
    divide(&whole, &folder.path().join("cut"), 250_000).expect("divided");
    let both = Both { folder, whole, cut };
    assert!(both.volume(4).exists() && !both.volume(6).exists(), "some volumes, and not many");
    both
}
