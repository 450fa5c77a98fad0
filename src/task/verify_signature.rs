//! Whether a bundle is its publisher's: the signed manifest, all that it pins, and the whole file.

use super::signed::Signed;
use super::trust::Trust;
use crate::language::tr;

use crate::bundle::{Authenticity, Bundle, Scope};
use crate::error::Result;
use crate::progress::Progress;
use crate::signature::EXTENSION;

/// Checks what a key can tell about a bundle that has no damage: where the checksum beside the file is signed,
/// that every byte of it is the publisher's; else that its manifest is, and all else what that pins.
///
/// # Errors
/// A key is given, and what it can tell is wrong or missing; or the manifest has expired and that is refused.
pub fn verify_signature(trust: &Trust, bundle: &Bundle, progress: &dyn Progress) -> Result<Signed> {
    let (access, signed) = trust.access(bundle, Scope::Everything, progress)?;
    if access.authenticity() == Authenticity::Content {
        let name = bundle.path().file_name().unwrap_or_default().display();
        progress.note(&tr!(
            "the manifest's signature covers the content, not launcher and runtime: do not run this file on a \
             stranger's word; take the content out with a pack of your own, or ask for {}.sha256.{}",
            name,
            EXTENSION
        ));
    }
    Ok(signed)
}
