//! Whether a bundle is its publisher's: the signed manifest, the content it pins, and the whole file.

use super::terminal::Terminal;
use super::trust::Trust;
use crate::bundle::{Authenticity, Bundle, BundleAccess, Scope};
use crate::error::Result;

/// Checks what a key can tell about a bundle that has no damage: where the checksum beside the file is signed,
/// that every byte of it is the publisher's; else that its manifest is, and all else what that pins.
pub(super) fn check(trust: &Trust, bundle: &Bundle, terminal: &Terminal) -> Result<()> {
    let access = match trust.key() {
        None => BundleAccess::unproved(bundle)?,
        Some(key) => {
            let progress = terminal.progress("proving");
            BundleAccess::proved(bundle, key, Scope::Everything, progress.as_ref())?
        }
    };
    trust.check_expiry(access.manifest(), terminal)?;
    if access.authenticity() == Authenticity::Content {
        terminal.note(
            "the manifest's signature covers the content, not launcher and runtime: do not run this file on a \
             stranger's word; take the content out with a pack of your own, or ask for FILE.run.sha256.minisig",
        );
    }
    Ok(())
}
