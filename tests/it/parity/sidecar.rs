//! A parity file that is damaged itself.

use std::fs;

use super::{Probe, SECTOR, damaged, repair_at};
use crate::support::facts::Facts;
use pack::error::{Class, Error};
use pack::parity::sidecar::Sidecar;
use pack::progress::Silent;
use pack::task::repair::RepairSource;

/// The error of a repair by these bytes as parity; the bundle has one sector lost, and keeps it.
fn refused(probe: &Probe, parity: &[u8]) -> Error {
    fs::write(&probe.parity, parity).expect("written");
    probe.damage([1]);
    let before = fs::read(&probe.path).expect("read");
    let error = probe.repair(RepairSource::Parity).expect_err("refused");
    assert!(fs::read(&probe.path).expect("read") == before, "nothing was written");
    error
}

#[test]
fn every_sector_of_the_parity_may_be_lost_alone() {
    let probe = Probe::new(100_000, 10);
    let parity = fs::read(&probe.parity).expect("read");
    for sector in 0..parity.len() / SECTOR {
        fs::write(&probe.parity, damaged(&parity, [sector])).expect("written");
        probe.damage([0, sector % probe.sectors()]);
        let report = probe.repair(RepairSource::Parity).expect("repaired");
        assert!(probe.is_whole(), "sector {sector} of the parity");
        // The head, the only page of the table, three parity sectors, and both again.
        let expected: &[&str] = match sector {
            0 | 6 => &["one of its two heads is damaged"],
            1 | 5 => &["1 pages of its two tables are damaged"],
            _ => &[],
        };
        assert_eq!(report.flaws, expected, "sector {sector} of {}", parity.len() / SECTOR);
    }
}

#[test]
fn parity_that_was_cut_or_appended_to_is_used_as_far_as_it_goes() {
    let probe = Probe::new(100_000, 10);
    let parity = fs::read(&probe.parity).expect("read");
    for (bytes, flaw) in [
        (parity[..parity.len() - 1].to_vec(), "cut short: "),
        (parity[..3 * SECTOR].to_vec(), "cut short: 12288 of 28672 bytes"),
        ([&parity[..], b"more"].concat(), "4 bytes follow after its end"),
    ] {
        fs::write(&probe.parity, bytes).expect("written");
        probe.damage([4]);
        let report = probe.repair(RepairSource::Parity).expect("repaired");
        assert!(probe.is_whole());
        assert!(report.flaws.iter().any(|line| line.starts_with(flaw)), "{flaw} is not in {:?}", report.flaws);
    }
    for length in [0, 1, SECTOR - 1] {
        let error = refused(&probe, &parity[..length]);
        assert_eq!((error.class(), error.title()), (Class::Failed, "this is not a parity file"), "{length} bytes");
    }
    let error = refused(&probe, &parity[..SECTOR]);
    assert_eq!((error.class(), error.title()), (Class::Integrity, "the parity file is damaged"));
    assert_eq!(error.fact_named("reason"), Some("cut short before its table ends"));
}

#[test]
fn both_heads_or_both_tables_damaged_is_told() {
    let probe = Probe::new(100_000, 10);
    let parity = fs::read(&probe.parity).expect("read");
    let mut heads = parity.clone();
    let last = heads.len() - SECTOR;
    (heads[20], heads[last + 20]) = (0xff, 0xff);
    let error = refused(&probe, &heads);
    assert_eq!(error.fact_named("reason"), Some("both copies of its head are wrong"));
    let error = refused(&probe, &damaged(&parity, [1, 5]));
    assert_eq!(error.title(), "more is damaged than the parity can repair");
    let told = error.facts().iter().any(|(_, value)| value == "1 pages of its table are damaged in both copies");
    assert!(told, "{error}");
    // A later format is told apart.
    assert_eq!(refused(&probe, b"x".repeat(parity.len()).as_slice()).title(), "this is not a parity file");
}

#[test]
fn a_page_that_is_lost_in_both_copies_costs_only_what_it_lists() {
    // 1,500 sectors: a table of four pages, of which the second lists 510 sectors; half of all may be lost.
    let probe = Probe::new(6_140_000, 50);
    let parity = fs::read(&probe.parity).expect("read");
    let sidecar = Sidecar::open(&probe.parity).expect("opened");
    let pages = 5;
    assert_eq!(sidecar.layout().groups(), 1);
    let second = 1 + 1;
    let second_again = 1 + pages + sidecar.layout().parity() as usize + 1;
    fs::write(&probe.parity, damaged(&parity, [second, second_again])).expect("written");
    probe.damage([3, 1_400]);
    let report = probe.repair(RepairSource::Parity).expect("repaired");
    assert!(probe.is_whole());
    assert_eq!(report.written, 2 * SECTOR as u64, "what was right already is not written");
    assert!(report.flaws.iter().any(|flaw| flaw.contains("in both copies")), "{:?}", report.flaws);
}

#[test]
fn the_parity_of_another_bundle_is_named_and_nothing_is_written() {
    let probe = Probe::new(100_000, 10);
    let other = Probe::bare(100_000, 8);
    let error = refused(&other, &fs::read(&probe.parity).expect("read"));
    assert_eq!((error.class(), error.title()), (Class::Integrity, "the parity is another bundle's"));
    // Where the trailer is gone, nearly every sector is another one.
    other.damage([other.sectors() - 1]);
    let error = repair_at(&other.path, RepairSource::Parity).expect_err("refused");
    assert_eq!(error.title(), "more is damaged than the parity can repair");
}

#[test]
fn the_same_bundle_gives_the_same_parity() {
    let probe = Probe::new(300_000, 5);
    let first = fs::read(&probe.parity).expect("read");
    pack::task::parity::run(&probe.path, pack::parity::layout::Asked::DEFAULT, &Silent).expect("made");
    assert!(fs::read(&probe.parity).expect("read") == first);
    probe.damage([1]);
    let error =
        pack::task::parity::run(&probe.path, pack::parity::layout::Asked::DEFAULT, &Silent).expect_err("damaged");
    assert_eq!(error.class(), Class::Integrity, "no parity is made of damage");
    assert!(fs::read(&probe.parity).expect("read") == first);
}

#[test]
fn a_parity_file_tells_of_each_of_its_own_sectors_whether_it_is_right() {
    let probe = Probe::new(3_000_000, 5);
    let bytes = fs::read(&probe.parity).expect("read");
    let parity = pack::parity::sidecar::Sidecar::open(&probe.parity).expect("opened");
    let sectors: Vec<&[u8]> = bytes.chunks(4096).collect();
    assert_eq!(sectors.len() as u64 * 4096, pack::parity::sidecar::length(parity.layout()));
    for (number, sector) in (0..).zip(&sectors) {
        assert!(parity.is_own(number, sector), "{number}");
        let mut wrong = sector.to_vec();
        wrong[17] ^= 1;
        assert!(!parity.is_own(number, &wrong) && !parity.is_own(number, &sector[..4095]), "{number}");
    }
    assert!(!parity.is_own(sectors.len() as u64, sectors[0]), "behind the end");
}
