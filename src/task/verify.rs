//! Verifying: every artifact of a folder, or every byte of a bundle.

use std::path::Path;

use super::locate;
use super::trust::Trust;
use super::verify_signature::verify_signature;
use crate::bundle::{self, Bundle, BundlePart, Damage};
use crate::error::Result;
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::{self, Folder, Row, State};

/// How a folder stands.
#[derive(Debug)]
pub struct FolderReport {
    /// Its manifest.
    pub manifest: Manifest,
    /// The platform whose artifacts it should hold.
    pub platform: Platform,
    /// Every artifact, and every file that is not one.
    pub files: Vec<Row>,
}

impl FolderReport {
    /// Whether all is as pinned, and nothing else is there.
    pub fn is_good(&self) -> bool {
        self.wrong() == 0
    }

    /// How many files are not as they should be.
    pub fn wrong(&self) -> usize {
        self.files.iter().filter(|file| file.state != State::Ok).count()
    }
}

/// Checks every artifact of a folder. `platform` is the folder's where it is not given.
///
/// # Errors
/// There is no manifest, or it is refused. A file that is wrong is in the report.
pub fn folder(
    folder: &Folder,
    platform: Option<Platform>,
    trust: &Trust,
    progress: &dyn Progress,
) -> Result<FolderReport> {
    let manifest = folder.expect_manifest()?;
    trust.check_folder(folder, &manifest, progress)?;
    let platform = locate::platform_of(folder, platform)?;
    progress.phase("verifying");
    let files = release::verify(folder, &manifest.select(platform)?, progress)?;
    Ok(FolderReport { manifest, platform, files })
}

/// How a bundle stands.
#[derive(Debug)]
pub struct BundleReport {
    /// The bundle.
    pub bundle: Bundle,
    /// What of it is damaged; empty when nothing is.
    pub damage: Vec<Damage>,
}

impl BundleReport {
    /// Whether the artifact of that name is whole.
    pub fn is_whole(&self, name: &str) -> bool {
        !self.damage.iter().any(|damage| damage.files.iter().any(|file| file == name))
    }

    /// Whether launcher and runtime are whole.
    pub fn is_header_whole(&self) -> bool {
        !self.damage.iter().any(|damage| damage.part == BundlePart::Header)
    }
}

/// Checks every byte of a bundle, and, where nothing is damaged, whose it is.
///
/// # Errors
/// The file is not a bundle, its index is damaged, or it is not the publisher's. Other damage is in the report.
pub fn bundle(path: &Path, trust: &Trust, progress: &dyn Progress) -> Result<BundleReport> {
    let bundle = Bundle::open(path)?;
    progress.phase("verifying");
    let damage = bundle::verify(&bundle, progress)?;
    if damage.is_empty() {
        verify_signature(trust, &bundle, progress)?;
    }
    Ok(BundleReport { bundle, damage })
}
