//! What the launcher of a bundle asks for: check the bundle, then run the product's script.

use std::ffi::OsString;

use super::commands::checking_bundle;
use super::trust::Trust;
use super::whole_bundle::expect_whole;
use crate::bundle::{Bundle, CarriedArtifact, Scope};
use crate::error::Result;
use crate::progress::Progress;
use crate::site::{self, Signals};

/// Checks every byte of `bundle`, then runs its script with `args` and returns the script's exit code.
/// `progress` ends before the script starts, which speaks for itself.
///
/// # Errors
/// The bundle is damaged or not what was signed, then nothing was run; or it has no script, or that cannot be started.
pub fn run(
    bundle: &Bundle,
    args: &[OsString],
    trust: &Trust,
    signals: Signals,
    progress: Box<dyn Progress>,
) -> Result<u8> {
    expect_whole(bundle, "run", progress.as_ref())?;
    let is_unpacked = |artifact: &CarriedArtifact| site::is_unpacked(bundle.index(), artifact);
    let (access, _) = trust.access(bundle, Scope::Artifacts(&is_unpacked), progress.as_ref())?;
    drop(progress);
    checking_bundle(bundle.path(), site::run(&access, trust.key.as_ref(), args, signals))
}
