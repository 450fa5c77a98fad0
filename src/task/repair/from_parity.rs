//! Repairing by the parity beside a bundle.

use std::path::Path;

use super::Done;
use crate::bundle;
use crate::error::{Error, IoContext, Result};
use crate::parity::layout::SECTOR;
use crate::parity::rebuild::rebuild;
use crate::parity::scan::scan;
use crate::parity::sectors::Sectors;
use crate::parity::sidecar::{self, Sidecar};
use crate::parity::target::Target;
use crate::progress::Progress;

/// Computes what is wrong again.
pub(super) fn repair(path: &Path, target: &mut Target, progress: &dyn Progress) -> Result<Done> {
    let beside = sidecar::beside(path);
    if !beside.exists() {
        return Err(Error::failed("there is no parity beside the bundle")
            .fact("path", beside.display())
            .hint(super::cut_hint(path)));
    }
    let parity = Sidecar::open(&beside)?;
    parity.check_seal(path, bundle::seal(target.file()))?;
    let layout = parity.layout();
    // The same file, so that sectors are read while others are written.
    let file = target.file().try_clone().doing("open the bundle", path)?;
    let sectors = Sectors::new(&file, layout);
    let wrong = scan(&sectors, &parity, progress)?;
    let lost = rebuild(&sectors, &parity, &wrong, progress, |sector, bytes| target.put(sector * SECTOR, bytes))?;
    Ok(Done {
        length: layout.length(),
        flaws: parity.flaws().iter().map(ToString::to_string).collect(),
        lost: lost.iter().map(|&sector| layout.bytes_in(sector)).sum(),
    })
}
