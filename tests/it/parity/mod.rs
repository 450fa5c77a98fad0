//! Parity beside a bundle, and what is repaired by it.

mod by_hand;
mod lost;
mod named;
mod properties;
mod sidecar;
mod typed;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::craft::small_bundle;
use crate::support::{file, noise};
use pack::error::Result;
use pack::progress::Silent;
use pack::task::repair::{self, Options, RepairSource, Report};
use pack::task::trust::Trust;

/// A sector's length in bytes.
const SECTOR: usize = 4096;

/// A bundle with parity beside it.
struct Probe {
    folder: tempfile::TempDir,
    path: PathBuf,
    parity: PathBuf,
    bytes: Vec<u8>,
}

impl Probe {
    /// A bundle of a little more than `size` bytes, with so much parity in percent.
    fn new(size: usize, percent: u8) -> Self {
        let probe = Self::bare(size, 7);
        pack::task::parity::run(&probe.path, format!("{percent}%").parse().expect("an amount"), &Silent).expect("made");
        probe
    }

    /// A bundle without parity, of other bytes for each seed.
    fn bare(size: usize, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.run");
        let files = [file("run.sh", "script", "exit\n"), file("noise", "file", noise(seed, size))];
        small_bundle(&path, b"#!/bin/sh\n# pack bundle: probe\n", &files);
        let bytes = fs::read(&path).expect("read");
        Probe { parity: folder.path().join("x.run.parity"), folder, path, bytes }
    }

    fn sectors(&self) -> usize {
        self.bytes.len().div_ceil(SECTOR)
    }

    /// Puts the bundle there with these sectors overwritten.
    fn damage(&self, sectors: impl IntoIterator<Item = usize>) {
        fs::write(&self.path, damaged(&self.bytes, sectors)).expect("written");
    }

    fn repair(&self, source: RepairSource) -> Result<Report> {
        repair_at(&self.path, source)
    }

    fn is_whole(&self) -> bool {
        fs::read(&self.path).expect("read") == self.bytes
    }
}

fn repair_at(path: &Path, source: RepairSource) -> Result<Report> {
    repair::run(&Options { bundle: path.to_owned(), source, trust: Trust::default() }, &Silent)
}

/// `bytes` with these sectors overwritten.
fn damaged(bytes: &[u8], sectors: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for sector in sectors {
        let end = bytes.len().min((sector + 1) * SECTOR);
        bytes[sector * SECTOR..end].iter_mut().for_each(|byte| *byte = !*byte);
    }
    bytes
}
