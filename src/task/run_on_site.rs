//! What the launcher of a bundle asks for: check the bundle, then run the product's script.

use std::ffi::OsString;
use std::path::Path;

use super::commands::checking_bundle;
use super::trust::Trust;
use crate::bundle::{self, Bundle, CarriedArtifact, Scope, compare_bundle};
use crate::error::{Error, Result};
use crate::manifest::Kind;
use crate::progress::Progress;
use crate::site::{self, Signals};

/// Whether the bundle at `path` has a product that `pack site` looks after.
///
/// # Errors
/// It is no bundle, or cannot be read.
pub fn has_product(path: &Path) -> Result<bool> {
    let bundle = Bundle::open(path)?;
    Ok(bundle.index().artifacts.iter().any(|artifact| artifact.kind == Kind::Product))
}

/// Checks every byte of the bundle at `path`, then runs its script with `args` and returns the script's exit code.
/// `progress` ends before the script starts, which speaks for itself.
///
/// # Errors
/// The bundle is damaged or not what was signed, then nothing was run; or it has no script, or that cannot be started.
pub fn run(path: &Path, args: &[OsString], trust: &Trust, signals: Signals, progress: Box<dyn Progress>) -> Result<u8> {
    let bundle = Bundle::open(path)?;
    progress.phase("verifying");
    let damage = bundle::verify(&bundle, progress.as_ref())?;
    if let Some(first) = damage.first() {
        return Err(Error::integrity("the bundle is damaged: nothing was run")
            .fact("path", path.display())
            .fact("reason", first)
            .fact("damaged parts", damage.len())
            .hint(compare_bundle(path)));
    }
    let is_unpacked = |artifact: &CarriedArtifact| site::is_unpacked(bundle.index(), artifact);
    let (access, _) = trust.access(&bundle, Scope::Artifacts(&is_unpacked), progress.as_ref())?;
    drop(progress);
    checking_bundle(path, site::run(&access, trust.key.as_ref(), args, signals))
}
