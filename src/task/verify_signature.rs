//! Whether a bundle is its publisher's: the signed manifest, the content it pins, and the whole file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::signed::Signed;
use super::trust::Trust;
use crate::bundle::{self, Bundle};
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::progress::Progress;
use crate::signature::{EXTENSION, PublicKey};

/// Checks what a key can tell about a bundle that has no damage: where the checksum beside the file is signed,
/// that every byte of it is the publisher's; else that its manifest is, and its content what that pins.
///
/// # Errors
/// A key is given, and what it can tell is wrong or missing; or the manifest has expired and that is refused.
pub fn verify_signature(trust: &Trust, bundle: &Bundle, progress: &dyn Progress) -> Result<Signed> {
    let manifest = bundle.manifest()?;
    if let Some(key) = &trust.key
        && signed_as_a_whole(key, bundle.path())?
    {
        trust.check_expiry(&manifest, progress)?;
        return Ok(trust.signed_by(key));
    }
    let signed = trust.check_bundle(bundle, &manifest, progress)?;
    if trust.key.is_none() {
        return Ok(signed);
    }
    progress.phase("proving");
    bundle::prove(bundle, progress)?;
    progress.note(
        "the manifest's signature covers the content, not launcher and runtime: do not run this file on a \
         stranger's word; take the content out with a pack of your own, or ask for FILE.run.sha256.minisig",
    );
    Ok(signed)
}

/// Whether the checksum beside the bundle is there, signed, and right; wrong in any way is an error.
fn signed_as_a_whole(key: &PublicKey, path: &Path) -> Result<bool> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (sums, signature) = (beside(".sha256"), beside(&format!(".sha256.{EXTENSION}")));
    if !sums.is_file() || !signature.is_file() {
        return Ok(false);
    }
    let line = fs::read_to_string(&sums).doing("read the checksum", &sums)?;
    let text = fs::read_to_string(&signature).doing("read the signature", &signature)?;
    key.verify(line.as_bytes(), &text, &sums.display().to_string())?;
    let Descriptor { digest: actual, .. } =
        File::open(path).and_then(Descriptor::of_reader).doing("read the bundle", path)?;
    match line.split_whitespace().next() {
        Some(expected) if expected == actual.hex() => Ok(true),
        expected => Err(Error::integrity("the bundle is not the one whose checksum was signed")
            .fact("path", path.display())
            .fact("expected", expected.unwrap_or("nothing"))
            .fact("actual", actual.hex())
            .hint("get the bundle, its .sha256 and its .minisig again, all three together")),
    }
}
