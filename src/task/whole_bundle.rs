//! Before anything of a bundle is used, every byte of it is checked.

use std::fmt::Display;

use crate::bundle::{self, Bundle, compare_bundle};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::progress::Progress;

/// Checks that a bundle is one file. `what` is a sentence that says what needs that.
///
/// # Errors
/// It lies in volumes.
pub(in crate::task) fn expect_one_file(bundle: &Bundle, what: &str, instead: impl Display) -> Result<()> {
    if bundle.volumes().is_empty() {
        return Ok(());
    }
    Err(Error::usage(what).fact("path", bundle.path().display()).fact("volumes", bundle.volumes().len()).hint(instead))
}

/// Checks every byte of a bundle. `undone` says what was not done where it is damaged, such as `run`.
///
/// # Errors
/// It is damaged, or cannot be read.
pub(in crate::task) fn expect_whole(bundle: &Bundle, undone: &str, progress: &dyn Progress) -> Result<()> {
    progress.phase("verifying");
    let damage = bundle::verify(bundle, progress)?;
    let Some(first) = damage.first() else { return Ok(()) };
    Err(Error::integrity(tr!("the bundle is damaged: nothing was {undone}", undone))
        .fact("path", bundle.path().display())
        .fact("reason", first)
        .fact("damaged parts", damage.len())
        .hint(compare_bundle(bundle.path())))
}
