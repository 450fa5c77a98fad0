//! Finding the sectors of a file that are not what they were.

use super::layout::SECTOR;
use super::sectors::Sectors;
use super::sidecar::Sidecar;
use crate::error::Result;
use crate::progress::Progress;
use crate::workers;

/// How many sectors are read at a time.
const AT_A_TIME: u64 = 256;

/// Reads the whole file, on all cores, and returns the sectors that are wrong, cannot be read, or are not known any more
/// because the table is damaged there; in order.
///
/// # Errors
/// None of the file's: what cannot be read is wrong.
pub fn scan(sectors: &Sectors<'_>, sidecar: &Sidecar, progress: &dyn Progress) -> Result<Vec<u64>> {
    let layout = sectors.layout();
    let meter = progress.start("bundle", Some(layout.length()));
    let mut wrong = Vec::new();
    workers::ordered(
        workers::cores(),
        |emit| (0..layout.sectors()).step_by(AT_A_TIME as usize).try_for_each(emit),
        |first| {
            let count = AT_A_TIME.min(layout.sectors() - first);
            let mut run = vec![0; (count * SECTOR) as usize];
            let whole = sectors.read(first, &mut run);
            let mut wrong = Vec::new();
            for (sector, bytes) in (first..).zip(run.chunks_exact_mut(SECTOR as usize)) {
                // Where a run fails, most of its sectors can still be read one by one.
                let there = whole || sectors.read(sector, bytes);
                if !there || sidecar.is_right(sector, bytes) != Some(true) {
                    wrong.push(sector);
                }
            }
            meter.add((count * SECTOR).min(layout.length() - first * SECTOR));
            Ok(wrong)
        },
        |found| {
            wrong.extend(found);
            Ok(())
        },
    )?;
    meter.done(if wrong.is_empty() { "ok" } else { "damaged" });
    Ok(wrong)
}
