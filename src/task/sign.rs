//! Signing: a publisher's signature beside a manifest.

use std::path::{Path, PathBuf};

use super::signed::Signed;
use crate::error::{Error, IoContext, Result};
use crate::manifest::Manifest;
use crate::path::shell_word;
use crate::release::read_manifest_text;
use crate::signature::{EXTENSION, SecretKey};
use crate::staged_file::StagedFile;

/// A signature that was written.
#[derive(Debug)]
pub struct Report {
    /// Its file.
    pub signature: PathBuf,
    /// Its trusted comment: the product's name and version, and the digest of what was signed.
    pub comment: String,
}

/// Signs the manifest at `path`. `key` is asked for once the manifest is known to be worth it.
///
/// # Errors
/// The manifest is not valid or does not pin everything, there is no key, or the disk refuses.
pub fn run(path: &Path, key: impl FnOnce() -> Result<SecretKey>) -> Result<Report> {
    let text = read_manifest_text(path).doing("read the manifest", path)?;
    let manifest = Manifest::parse(text, &path.display().to_string())?;
    if let Some(unpinned) = manifest.artifacts().iter().find(|artifact| artifact.pin.is_none()) {
        return Err(Error::failed("only a manifest that pins everything is worth a signature")
            .fact("manifest", path.display())
            .fact("unpinned", &unpinned.id.name)
            .hint(format_args!("pack lock {}", shell_word(path))));
    }
    let comment = Signed::comment_for(&manifest);
    let signature = sign_file(path, manifest.text().as_bytes(), &key()?, &comment)?;
    Ok(Report { signature, comment })
}

/// Writes the signature of `content` beside `path`; the signature's path.
pub(super) fn sign_file(path: &Path, content: &[u8], key: &SecretKey, comment: &str) -> Result<PathBuf> {
    let signature = key.sign(content, comment)?;
    let mut target = path.as_os_str().to_owned();
    target.push(format!(".{EXTENSION}"));
    let target = PathBuf::from(target);
    StagedFile::write(&target, signature.as_bytes(), 0o644)?;
    Ok(target)
}
