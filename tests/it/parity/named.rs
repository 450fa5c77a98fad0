//! Maps, patches and copies: what fits repairs, what does not is named.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Probe, SECTOR};
use pack::error::{Class, Error};
use pack::parity::map::{DamageMap, Range, Unit};
use pack::parity::patch::Patch;
use pack::progress::Silent;
use pack::task::repair::RepairSource;
use pack::task::{cut, damage_map};

/// A bundle that is damaged, a copy of it that is whole, its map and the patch.
struct Patched {
    probe: Probe,
    good: PathBuf,
    map: PathBuf,
    patch: PathBuf,
}

fn patched(sectors: impl IntoIterator<Item = usize>) -> Patched {
    let probe = Probe::new(100_000, 5);
    let place = |name: &str| probe.folder.path().join(name);
    let (good, map, patch) = (place("good.run"), place("damage.json"), place("damage.patch"));
    fs::copy(&probe.path, &good).expect("copied");
    probe.damage(sectors);
    damage_map::by_parity(&probe.path, &Silent).expect("read").expect("there is parity").write(&map).expect("written");
    cut::run(&good, &map, &patch, &Silent).expect("cut");
    Patched { probe, good, map, patch }
}

fn title(result: Result<impl Sized, Error>, class: Class) -> String {
    let Err(error) = result else { panic!("not refused") };
    assert_eq!(error.class(), class, "{error}");
    assert!(error.hint_text().is_some(), "{error}");
    error.title().to_owned()
}

#[test]
fn a_patch_has_what_the_map_names_and_repairs_it() {
    // The last sector too, in which the trailer is: nothing but parity tells what is wrong there.
    let Patched { probe, map, patch, .. } = patched([0, 1, 2, 9, 24]);
    let read = DamageMap::read(&map).expect("read");
    assert_eq!(
        read.ranges[..2],
        [(0, 3 * SECTOR), (9 * SECTOR, SECTOR)]
            .map(|(offset, size)| Range { offset: offset as u64, size: size as u64 })
    );
    assert_eq!((read.unit, read.size, read.ranges.len()), (Unit::Sector, probe.bytes.len() as u64, 3));
    assert_eq!(fs::metadata(&patch).expect("there").len(), 56 + 3 * 16 + 32 + read.bytes() + 32);
    let report = probe.repair(RepairSource::Patch(patch.clone())).expect("repaired");
    assert!(probe.is_whole());
    assert_eq!(report.written, read.bytes());
    assert_eq!(probe.repair(RepairSource::Patch(patch)).expect("again").written, 0);
    // What was damaged elsewhere since is told, and the rest is repaired.
    probe.damage([5]);
    let elsewhere = patched([1]);
    let error = title(probe.repair(RepairSource::Patch(elsewhere.patch.clone())), Class::Integrity);
    assert_eq!(error, "the bundle is still damaged");
}

#[test]
fn every_changed_byte_of_a_patch_is_found() {
    let Patched { probe, patch, .. } = patched([24]);
    let bytes = fs::read(&patch).expect("read");
    let before = fs::read(&probe.path).expect("read");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        fs::write(&patch, changed).expect("written");
        assert!(Patch::open(&patch).is_err(), "byte {at}");
    }
    for length in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
        fs::write(&patch, &bytes[..length]).expect("written");
        assert!(probe.repair(RepairSource::Patch(patch.clone())).is_err(), "cut to {length}");
    }
    fs::write(&patch, [&bytes[..], b"x"].concat()).expect("written");
    assert_eq!(title(Patch::open(&patch), Class::Integrity), "the patch is damaged");
    assert!(fs::read(&probe.path).expect("read") == before, "nothing was written");
}

#[test]
fn what_is_of_another_bundle_is_named() {
    let Patched { probe, good, map, patch } = patched([1]);
    let other = Probe::bare(100_000, 8);
    let refused = "this is of another bundle, and nothing was repaired";
    assert_eq!(title(other.repair(RepairSource::Patch(patch.clone())), Class::Integrity), refused);
    assert_eq!(title(other.repair(RepairSource::Copy(good)), Class::Integrity), refused);
    assert!(other.is_whole());
    assert_eq!(
        title(cut::run(&other.path, &map, &patch, &Silent), Class::Integrity),
        "the damage map is of another bundle"
    );
    assert_eq!(
        title(cut::run(&probe.path, &map, &patch, &Silent), Class::Integrity),
        "the bundle is damaged: nothing was cut"
    );
    assert_eq!(title(probe.repair(RepairSource::Patch(map.clone())), Class::Failed), "this is not a patch");
    for text in ["", "{}", "[1]"] {
        fs::write(&map, text).expect("written");
        assert_eq!(title(DamageMap::read(&map), Class::Failed), "this is not a damage map");
    }
    assert_eq!(title(DamageMap::read(Path::new("/nowhere/map")), Class::Failed), "there is no such damage map");
}

#[test]
fn a_good_copy_repairs_whatever_is_wrong_and_a_damaged_one_nothing() {
    let probe = Probe::bare(100_000, 7);
    let good = probe.folder.path().join("good.run");
    fs::copy(&probe.path, &good).expect("copied");
    probe.damage(0..probe.sectors());
    assert!(probe.repair(RepairSource::Parity).is_err(), "there is none");
    let report = probe.repair(RepairSource::Copy(good.clone())).expect("repaired");
    assert!(probe.is_whole() && report.written == probe.bytes.len() as u64);
    probe.damage([3]);
    let report = probe.repair(RepairSource::Copy(good.clone())).expect("repaired");
    assert!(probe.is_whole() && report.written == SECTOR as u64);
    for length in [0, 50_000, probe.bytes.len() - 1] {
        fs::write(&probe.path, &probe.bytes[..length]).expect("written");
        probe.repair(RepairSource::Copy(good.clone())).expect("repaired");
        assert!(probe.is_whole(), "cut to {length}");
    }
    fs::write(&good, super::damaged(&probe.bytes, [2])).expect("written");
    probe.damage([3]);
    let before = fs::read(&probe.path).expect("read");
    assert_eq!(
        title(probe.repair(RepairSource::Copy(good)), Class::Integrity),
        "the bundle is damaged: nothing was repaired"
    );
    assert!(fs::read(&probe.path).expect("read") == before);
}
