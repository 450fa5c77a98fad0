//! Any file, any layout, any burst: with groups of a few sectors, so that there are many.

use std::fs::{self, File};
use std::path::Path;

use super::SECTOR;
use crate::support::noise;
use pack::digest::Digest;
use pack::error::Error;
use pack::parity::encode::{Subject, encode};
use pack::parity::layout::Layout;
use pack::parity::rebuild::rebuild;
use pack::parity::scan::scan;
use pack::parity::sectors::Sectors;
use pack::parity::sidecar::Sidecar;
use pack::parity::target::Target;
use pack::progress::Silent;
use proptest::prelude::*;

/// Makes parity of `bytes`, puts `damaged` in their place and repairs that; returns what is lost.
fn repaired(path: &Path, bytes: &[u8], layout: Layout, damaged: &[u8]) -> Vec<u64> {
    fs::write(path, bytes).expect("written");
    let parity = path.with_extension("parity");
    let seal = Digest::of(b"seal");
    encode(&Subject { file: &File::open(path).expect("opened"), path, seal }, layout, &parity, &Silent).expect("made");
    fs::write(path, damaged).expect("written");
    repair(path, &parity, usize::MAX).expect("written")
}

/// Repairs the file, stopping with an error after so many sectors; returns what is lost.
fn repair(path: &Path, parity: &Path, most: usize) -> Result<Vec<u64>, Error> {
    let sidecar = Sidecar::open(parity).expect("opened");
    assert!(sidecar.flaws().is_empty(), "{:?}", sidecar.flaws());
    let mut target = Target::open(path).expect("opened");
    let file = File::open(path).expect("opened");
    let sectors = Sectors::new(&file, sidecar.layout());
    let wrong = scan(&sectors, &sidecar, &Silent).expect("read");
    let mut left = most;
    let lost = rebuild(&sectors, &sidecar, &wrong, &Silent, |sector, bytes| {
        left = left.checked_sub(1).ok_or_else(|| Error::failed("killed"))?;
        target.put(sector * SECTOR as u64, bytes)
    })?;
    target.finish(sidecar.layout().length()).expect("written");
    Ok(lost)
}

/// A file, its division, and where a burst begins, in hundredths of the file.
fn files() -> impl Strategy<Value = (Vec<u8>, Layout, usize)> {
    let near_edge = (1..60usize, -1..=1i64).prop_map(|(sectors, by)| (sectors * SECTOR) as i64 + by);
    let length = prop_oneof![near_edge, 1..(60 * SECTOR) as i64];
    (length, 1..6u64, 1..8u64, 0..100usize, any::<u64>()).prop_filter_map(
        "a layout",
        |(length, groups, recovery, at, seed)| {
            let layout = Layout::with(length as u64, groups, recovery)?;
            Some((noise(seed, length as usize), layout, at))
        },
    )
}

/// The file with a burst of `count` sectors.
fn with_burst(bytes: &[u8], at: usize, count: usize) -> Vec<u8> {
    let sectors = bytes.len().div_ceil(SECTOR);
    let count = count.min(sectors);
    let start = (sectors - count) * at / 99;
    super::damaged(bytes, start..start + count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_burst_at_the_limit_is_repaired_and_one_sector_more_is_lost((bytes, layout, at) in files()) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        let limit = layout.parity() as usize;
        let lost = repaired(&path, &bytes, layout, &with_burst(&bytes, at, limit));
        prop_assert!(lost.is_empty() && fs::read(&path).expect("read") == bytes);
        if limit < layout.sectors() as usize {
            let lost = repaired(&path, &bytes, layout, &with_burst(&bytes, at, limit + 1));
            // Of one group there is one too many; the others are repaired.
            prop_assert_eq!(lost.len() as u64, layout.recovery() + 1);
            let group = lost[0] % layout.groups();
            prop_assert!(lost.iter().all(|sector| sector % layout.groups() == group));
        }
    }

    #[test]
    fn a_repair_that_was_killed_goes_on((bytes, layout, at) in files(), most in 0..5usize) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        let damaged = with_burst(&bytes, at, layout.parity() as usize);
        repaired(&path, &bytes, layout, &damaged);
        fs::write(&path, &damaged).expect("written");
        let parity = path.with_extension("parity");
        // Whether it was killed depends on how much there was to do.
        let _ = repair(&path, &parity, most);
        let lost = repair(&path, &parity, usize::MAX).expect("goes on");
        prop_assert!(lost.is_empty() && fs::read(&path).expect("read") == bytes);
    }
}
