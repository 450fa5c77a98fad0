//! Computing lost sectors again from those of their group that are left, and its parity.

use std::collections::BTreeMap;

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateDecoder, RateDecoder};

use super::layout::SECTOR;
use super::sectors::Sectors;
use super::sidecar::Sidecar;
use crate::error::Result;
use crate::progress::Progress;
use crate::workers;

/// On how many cores at most, for each takes 64 MiB.
const MOST_CORES: usize = 2;

/// Computes the sectors `wrong` again and gives them to `put`, on this thread: a sector's number and its bytes, as far as
/// they are the file's. Returns those that cannot be computed, because too much of their group is lost.
///
/// # Errors
/// What `put` fails with.
pub fn rebuild(
    sectors: &Sectors<'_>,
    sidecar: &Sidecar,
    wrong: &[u64],
    progress: &dyn Progress,
    mut put: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Vec<u64>> {
    let layout = sectors.layout();
    let mut groups: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for &sector in wrong {
        groups.entry(sector % layout.groups()).or_default().push(sector);
    }
    let meter = progress.start("repair", Some(wrong.len() as u64 * SECTOR));
    let mut lost = Vec::new();
    workers::ordered(
        workers::cores().min(MOST_CORES),
        |emit| groups.iter().try_for_each(emit),
        |(&group, wrong)| Ok((wrong, restore(sectors, sidecar, group, wrong))),
        |(wrong, restored)| {
            meter.add(wrong.len() as u64 * SECTOR);
            match restored {
                Some(restored) => restored.iter().try_for_each(|(sector, bytes)| put(*sector, bytes)),
                None => {
                    lost.extend(wrong);
                    Ok(())
                }
            }
        },
    )?;
    meter.done(if lost.is_empty() { "repaired" } else { "not all" });
    lost.sort_unstable();
    Ok(lost)
}

/// The sectors of a group that are wrong, as they were; `None` where too much is lost.
fn restore(sectors: &Sectors<'_>, sidecar: &Sidecar, group: u64, wrong: &[u64]) -> Option<Vec<(u64, Vec<u8>)>> {
    let layout = sectors.layout();
    if wrong.len() as u64 > layout.recovery() {
        return None;
    }
    let (data, recovery) = (layout.data() as usize, layout.recovery() as usize);
    let mut decoder = HighRateDecoder::new(data, recovery, SECTOR as usize, DefaultEngine::new(), None).ok()?;
    let mut bytes = vec![0; SECTOR as usize];
    let mut missing = Vec::new();
    for place in 0..layout.data() {
        let sector = layout.sector(group, place);
        // A stick may fail between being scanned and now. Behind the end of the file there are zeros.
        let right = wrong.binary_search(&sector).is_err()
            && sectors.read(sector, &mut bytes)
            && (sector >= layout.sectors() || sidecar.is_right(sector, &bytes) == Some(true));
        if right {
            decoder.add_original_shard(place as usize, &bytes).ok()?;
        } else {
            missing.push((place, sector));
        }
    }
    let mut needed = missing.len();
    for place in 0..layout.recovery() {
        if needed == 0 {
            break;
        }
        if sidecar.read_parity(layout.parity_sector(group, place), &mut bytes) {
            decoder.add_recovery_shard(place as usize, &bytes).ok()?;
            needed -= 1;
        }
    }
    // With fewer than are missing, this fails.
    let decoded = decoder.decode().ok()?;
    let restored = missing.into_iter().map(|(place, sector)| {
        let bytes = decoded.restored_original(place as usize)?;
        let right = sidecar.is_right(sector, bytes).unwrap_or(true);
        right.then(|| (sector, bytes[..layout.bytes_in(sector) as usize].to_vec()))
    });
    restored.collect()
}
