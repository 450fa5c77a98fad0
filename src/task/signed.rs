//! Who signed a manifest, and whether that was checked.

use std::fmt;

use crate::error::{Error, Result};
use crate::manifest::{Manifest, ProductName};
use crate::signature::SignatureClaim;

/// What is known of a manifest's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// There is no signature.
    No,
    /// There is one, and no key to check it with: it proves nothing.
    NotChecked(SignatureClaim),
    /// The key with this ID signed it.
    By {
        /// The key's ID, as minisign prints it: 16 hexadecimal digits.
        key_id: String,
        /// The file that the key was read from, where it was a file.
        key_file: Option<String>,
    },
}

impl Signed {
    /// The word for it in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Signed::No => "none",
            Signed::NotChecked(_) => "notChecked",
            Signed::By { .. } => "verified",
        }
    }

    /// The ID of the key that signed, or that the signature names.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Signed::No => None,
            Signed::NotChecked(claim) => Some(&claim.key_id),
            Signed::By { key_id, .. } => Some(key_id),
        }
    }

    /// What the signature says that it signs, where that is another product or version than `manifest`'s: then it was
    /// left beside a manifest that has changed since.
    pub fn of_another(&self, manifest: &Manifest) -> Option<&str> {
        let Signed::NotChecked(claim) = self else { return None };
        // Other programs write other comments, which say nothing about the content.
        let (name, version) = claim.comment.split_once(' ')?;
        let is_ours = name.parse::<ProductName>().is_ok() && version.parse::<semver::Version>().is_ok();
        let fits = name == manifest.name().as_str() && version == manifest.version().to_string();
        (is_ours && !fits).then_some(&claim.comment)
    }

    /// Checks that the signature beside the manifest file `path`, which `manifest` was read from, can be of it.
    ///
    /// # Errors
    /// It is of another product or version.
    pub fn check_fits(&self, manifest: &Manifest, path: &std::path::Path) -> Result<()> {
        match self.of_another(manifest) {
            None => Ok(()),
            Some(other) => Err(Error::integrity("the signature beside the manifest is not of this manifest")
                .fact("manifest", path.display())
                .fact("signed", other)
                .fact("manifest is", format_args!("{} {}", manifest.name(), manifest.version()))
                .hint(sign_again(path))),
        }
    }
}

/// The command that signs a manifest again; its publisher types it.
pub(super) fn sign_again(manifest: &std::path::Path) -> String {
    format!("sign it again, with the key's own file: pack sign {} --key pack.key", super::commands::word(manifest))
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signed::No => f.write_str("not signed"),
            Signed::NotChecked(_) => f.write_str("signed, NOT checked: no key"),
            Signed::By { key_id, key_file: None } => write!(f, "signed by {key_id}"),
            Signed::By { key_id, key_file: Some(file) } => write!(f, "signed by {key_id} ({file})"),
        }
    }
}
