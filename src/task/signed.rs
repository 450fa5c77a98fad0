//! Who signed a manifest, and whether that was checked.

use std::fmt;

use super::sign_again::sign_again;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::manifest::{Manifest, ProductName};
use crate::signature::SignatureClaim;

/// What is known of a manifest's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// There is no signature.
    No,
    /// What lies in a signature's place is none: damaged, cut short or something else.
    Unreadable,
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
            Signed::Unreadable => "unreadable",
            Signed::NotChecked(_) => "notChecked",
            Signed::By { .. } => "verified",
        }
    }

    /// The ID of the key that signed, or that the signature names.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Signed::No | Signed::Unreadable => None,
            Signed::NotChecked(claim) => Some(&claim.key_id),
            Signed::By { key_id, .. } => Some(key_id),
        }
    }

    /// What the signature says that it signs, where that is not `manifest`: then it was left beside a manifest that has
    /// changed since. This finds mistakes; what a signature says of itself is proved by a key only.
    pub fn of_another(&self, manifest: &Manifest) -> Option<&str> {
        let Signed::NotChecked(claim) = self else { return None };
        // Other programs write other comments, which say nothing about the content.
        let mut words = claim.comment.split(' ');
        let (name, version, digest) = (words.next()?, words.next()?, words.next());
        let is_ours = name.parse::<ProductName>().is_ok() && version.parse::<semver::Version>().is_ok();
        let fits = name == manifest.name().as_str()
            && version == manifest.version().to_string()
            && digest.is_none_or(|digest| digest == Digest::of(manifest.text().as_bytes()).to_string());
        (is_ours && !fits).then_some(&claim.comment)
    }

    /// What [`Signed::of_another`] compares with: the trusted comment of a signature of `manifest`.
    pub(super) fn comment_for(manifest: &Manifest) -> String {
        let digest = Digest::of(manifest.text().as_bytes());
        format!("{} {} {digest}", manifest.name(), manifest.version())
    }

    /// Checks that the signature beside the manifest file `path`, which `manifest` was read from, can be of it.
    ///
    /// # Errors
    /// It is of another product or version, or is no signature.
    pub fn check_fits(&self, manifest: &Manifest, path: &std::path::Path) -> Result<()> {
        if *self == Signed::Unreadable {
            return Err(Error::integrity(tr!("what lies beside the manifest as its signature is none"))
                .fact("manifest", path.display())
                .hint(tr!("to sign it again: {}", sign_again(path, None))));
        }
        match self.of_another(manifest) {
            None => Ok(()),
            Some(other) => Err(Error::integrity(tr!("the signature beside the manifest is not of this manifest"))
                .fact("manifest", path.display())
                .fact("signed", other)
                .fact("manifest is", Self::comment_for(manifest))
                .hint(tr!("to sign it again: {}", sign_again(path, self.key_id())))),
        }
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signed::No => f.write_str(&tr!("not signed")),
            Signed::Unreadable => f.write_str(&tr!("not signed: what lies in the signature's place is none")),
            Signed::NotChecked(_) => f.write_str(&tr!("signed, NOT checked: no key")),
            Signed::By { key_id, key_file: None } => f.write_str(&tr!("signed by {key_id}", key_id)),
            Signed::By { key_id, key_file: Some(file) } => {
                f.write_str(&tr!("signed by {key_id} ({file})", key_id, file))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_of_another_product_version_or_content_is_of_another_manifest() {
        let text = r#"{ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": [{ "name": "a", "kind": "file", "urls": ["a"] }] }"#;
        let manifest = Manifest::parse(text.to_owned(), "test").expect("valid");
        let of_another = |comment: &str| {
            let claim = SignatureClaim { key_id: String::new(), comment: comment.to_owned() };
            Signed::NotChecked(claim).of_another(&manifest).is_some()
        };
        let digest = Digest::of(text.as_bytes());
        for own in ["probe 1.0.0", &format!("probe 1.0.0 {digest}"), &Signed::comment_for(&manifest)] {
            assert!(!of_another(own), "{own}");
        }
        for other in ["other 1.0.0", "probe 1.0.1", "other 1.0.1", &format!("probe 1.0.0 {}", Digest::of(b""))] {
            assert!(of_another(other), "{other}");
        }
        for nobodys in ["", "probe", "Not-A-Name 1.0.0", "probe no-version", "timestamp:1 file:x"] {
            assert!(!of_another(nobodys), "{nobodys}: other programs write other comments");
        }
    }
}
