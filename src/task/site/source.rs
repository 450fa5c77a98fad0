//! What somebody wants installed: a bundle, or the plain folder that a download made.

use std::path::Path;

use semver::Version;

use crate::bundle::{Bundle, Scope};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::release::Folder;
use crate::signature::PublicKey;
use crate::site::lifecycle::{Delivery, FolderFiles};
use crate::task::commands::manifest_of;
use crate::task::locate;
use crate::task::signed::Signed;
use crate::task::trust::Trust;
use crate::task::whole_bundle::expect_whole;

/// What is to be installed.
pub(super) enum Source {
    Bundle(Box<Bundle>),
    Folder(Folder, Box<Manifest>),
}

impl Source {
    /// Opens the bundle, or the folder, at `path`; neither is read yet.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Ok(Source::Bundle(Box::new(Bundle::open(path)?)));
        }
        let folder = Folder::at(path);
        let manifest = manifest_of(&folder)?;
        Ok(Source::Folder(folder, Box::new(manifest)))
    }

    /// The product's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Source::Bundle(bundle) => &bundle.index().name,
            Source::Folder(_, manifest) => manifest.name().as_str(),
        }
    }

    /// Its version.
    pub(super) fn version(&self) -> &Version {
        match self {
            Source::Bundle(bundle) => &bundle.index().version,
            Source::Folder(_, manifest) => manifest.version(),
        }
    }

    /// The key that is said to be its publisher's.
    pub(super) fn publisher(&self) -> Option<PublicKey> {
        let text = match self {
            Source::Bundle(bundle) => bundle.index().publisher.clone(),
            Source::Folder(folder, _) => folder.publisher(),
        };
        text.as_deref().and_then(PublicKey::from_base64)
    }

    /// Compares every byte with what it must be, and says whose it is. An engine may be missing.
    ///
    /// # Errors
    /// Something is missing, damaged or another file, or is not what `trust` asks for.
    pub(super) fn check(&self, trust: &Trust, progress: &dyn Progress) -> Result<(Delivery<'_>, Signed)> {
        match self {
            Source::Bundle(bundle) => {
                expect_whole(bundle, "changed", progress)?;
                bundle.expect_beside(&bundle.needed_beside(), progress)?;
                let (access, signed) = trust.access(bundle, Scope::Installation, progress)?;
                Ok((Delivery::Bundle(access), signed))
            }
            Source::Folder(folder, manifest) => {
                let signed = trust.check_folder(folder, manifest, progress)?;
                let platform = locate::platform(None)?;
                if let Some(other) = folder.platform()?.filter(|&other| other != platform) {
                    return Err(Error::failed(tr!("the folder is for another platform"))
                        .fact("expected", platform)
                        .fact("actual", other)
                        .hint(tr!(
                            "where there is a network: {}",
                            format!("{} --platform {platform}", folder.download_again())
                        )));
                }
                progress.phase("verifying");
                let files = FolderFiles::prove(folder, (**manifest).clone(), platform, progress)?;
                Ok((Delivery::Folder(files), signed))
            }
        }
    }
}
