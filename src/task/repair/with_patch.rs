//! Repairing with a patch.

use std::path::Path;

use super::{Done, check_seal};
use crate::error::Result;
use crate::parity::patch::Patch;
use crate::parity::target::Target;

/// Writes the bytes of a patch, of which every byte was checked, where they differ.
pub(super) fn repair(path: &Path, patch: &Path, target: &mut Target) -> Result<Done> {
    let patch = Patch::open(patch)?;
    check_seal(target, path, patch.path(), patch.seal)?;
    patch.apply(target)?;
    Ok(Done { length: patch.size, flaws: Vec::new(), lost: 0 })
}
