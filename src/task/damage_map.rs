//! Which ranges of a bundle are wrong: by sectors where parity lies beside it, else by frames.

use std::path::Path;

use crate::bundle::{self, Bundle, Damage};
use crate::error::{IoContext, Result};
use crate::parity::layout::SECTOR;
use crate::parity::map::{DamageMap, Range, Unit};
use crate::parity::scan::scan;
use crate::parity::sectors::Sectors;
use crate::parity::sidecar::{self, Sidecar};
use crate::progress::Progress;
use crate::small_file;

/// The map of a bundle that has parity beside it, and may not even open; `None` where there is no parity.
///
/// # Errors
/// The bundle or the parity cannot be read, or the parity is another bundle's.
pub fn by_parity(path: &Path, progress: &dyn Progress) -> Result<Option<DamageMap>> {
    let beside = sidecar::beside(path);
    if !beside.exists() {
        return Ok(None);
    }
    let parity = Sidecar::open(&beside)?;
    let file = small_file::open(path).doing("open the bundle", path)?;
    parity.check_seal(path, bundle::seal(&file))?;
    let layout = parity.layout();
    progress.phase("mapping");
    let wrong = scan(&Sectors::new(&file, layout), &parity, progress)?;
    let ranges = wrong.iter().map(|&sector| Range { offset: sector * SECTOR, size: layout.bytes_in(sector) });
    Ok(Some(DamageMap::new(path, layout.length(), parity.seal(), Unit::Sector, ranges)))
}

/// The map of a bundle that was checked frame by frame. In volumes it is that of the bundle in one file.
pub fn by_frames(bundle: &Bundle, damage: &[Damage]) -> DamageMap {
    let ranges = damage.iter().map(|damage| Range { offset: damage.offset, size: damage.size });
    DamageMap::new(bundle.path(), bundle.length(), bundle.seal(), Unit::Frame, ranges)
}
