//! What is lost of a bundle comes back, up to the limit and not one sector further.

use std::fs;

use super::{Probe, SECTOR, damaged};
use crate::support::facts::Facts;
use crate::support::noise;
use pack::error::Class;
use pack::task::repair::RepairSource;

#[test]
fn every_sector_of_a_small_bundle_is_repaired_alone() {
    for (size, percent) in [(100, 1), (30_000, 5)] {
        let probe = Probe::new(size, percent);
        for sector in 0..probe.sectors() {
            probe.damage([sector]);
            let report = probe.repair(RepairSource::Parity).expect("repaired");
            assert!(probe.is_whole(), "sector {sector} of {}", probe.sectors());
            let size = SECTOR.min(probe.bytes.len() - sector * SECTOR) as u64;
            assert_eq!(report.written, size, "only the damaged sector is written");
        }
        let report = probe.repair(RepairSource::Parity).expect("nothing to do");
        assert_eq!((report.written, report.length_was), (0, None));
    }
}

#[test]
fn bursts_at_the_limit_are_repaired_and_one_sector_more_is_told() {
    // 75 sectors and a little: one group, with 4 parity sectors.
    let probe = Probe::new(300_000, 5);
    let limit = probe.sectors().div_ceil(20);
    assert_eq!(limit, 4);
    for start in 0..probe.sectors() - limit {
        probe.damage(start..start + limit);
        probe.repair(RepairSource::Parity).expect("repaired");
        assert!(probe.is_whole(), "from {start}");
        probe.damage(start..start + limit + 1);
        let before = fs::read(&probe.path).expect("read");
        let error = probe.repair(RepairSource::Parity).expect_err("too much");
        assert_eq!(error.class(), Class::Integrity);
        assert_eq!(error.title(), "more is damaged than the parity can repair");
        assert!(error.fact_named("left").is_some_and(|left| left.ends_with(" bytes")), "{error}");
        assert!(fs::read(&probe.path).expect("read") == before, "what cannot be repaired is left as it is");
    }
}

#[test]
fn sectors_lost_anywhere_are_repaired() {
    let probe = Probe::new(300_000, 20);
    let limit = probe.sectors().div_ceil(5);
    for seed in 0..20 {
        let mut lost: Vec<usize> = (0..probe.sectors()).collect();
        let order = noise(seed + 1, probe.sectors());
        lost.sort_by_key(|&sector| order[sector]);
        probe.damage(lost[..limit].iter().copied());
        probe.repair(RepairSource::Parity).expect("repaired");
        assert!(probe.is_whole(), "seed {seed}");
        probe.damage(lost[..=limit].iter().copied());
        probe.repair(RepairSource::Parity).expect_err("one too many");
    }
}

#[test]
fn a_bundle_that_was_cut_or_appended_to_gets_its_length_back() {
    let probe = Probe::new(300_000, 5);
    for length in [probe.bytes.len() - 1, probe.bytes.len() - 2 * SECTOR, probe.bytes.len() - 100] {
        fs::write(&probe.path, &probe.bytes[..length]).expect("written");
        let report = probe.repair(RepairSource::Parity).expect("repaired");
        assert!(probe.is_whole(), "cut to {length}");
        assert_eq!(report.length_was, Some(length as u64));
    }
    for extra in [1, SECTOR, 100_000] {
        let longer = [damaged(&probe.bytes, [3]), noise(3, extra)].concat();
        fs::write(&probe.path, longer).expect("written");
        probe.repair(RepairSource::Parity).expect("repaired");
        assert!(probe.is_whole(), "{extra} bytes more");
    }
    fs::write(&probe.path, b"").expect("written");
    probe.repair(RepairSource::Parity).expect_err("nothing is left");
}

#[test]
fn what_parity_gives_is_believed_only_by_the_bundles_own_digests() {
    // Parity of a bundle with another byte in a frame, under the same trailer: whoever made this knew the format.
    let probe = Probe::bare(30_000, 7);
    let forged = damaged(&probe.bytes, [2]);
    let other = probe.folder.path().join("forged");
    fs::write(&other, &forged).expect("written");
    let file = fs::File::open(&other).expect("opened");
    let seal = pack::bundle::seal(&file).expect("the trailer is whole");
    let subject = pack::parity::encode::Subject { file: &file, path: &other, seal };
    let layout = pack::parity::layout::Layout::with(forged.len() as u64, 1, 2).expect("a layout");
    pack::parity::encode::encode(&subject, layout, &probe.parity, &pack::progress::Silent).expect("made");
    probe.damage([1]);
    let error = probe.repair(RepairSource::Parity).expect_err("refused");
    assert_eq!((error.class(), error.title()), (Class::Integrity, "the bundle is still damaged"));
}
