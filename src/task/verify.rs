//! Verifying: every artifact of a folder, or every byte of a bundle.

use std::path::{Path, PathBuf};

use super::commands::manifest_of;
use super::locate;
use super::signed::Signed;
use super::trust::Trust;
use super::verify_signature::verify_signature;
use crate::bundle::{self, Bundle, BundlePart, Damage};
use crate::error::{IoContext, Result};
use crate::language::tr;
use crate::manifest::{FILE_NAME, Manifest};
use crate::path::shell_word;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::{self, Folder, Row, SITE_PROGRAM, SITE_PROGRAM_SUM, State, read_manifest_text};

/// How a folder stands.
#[derive(Debug)]
pub struct FolderReport {
    /// Its manifest.
    pub manifest: Manifest,
    /// Who signed the manifest.
    pub signed: Signed,
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

/// Which folder to check, and against what.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// The folder.
    pub folder: Folder,
    /// The manifest to check against; `None` is the folder's own.
    pub manifest: Option<PathBuf>,
    /// The platform whose artifacts it should hold; `None` is the folder's, else this machine's.
    pub platform: Option<Platform>,
    /// What the manifest must stand up to.
    pub trust: Trust,
}

/// Checks every artifact of a folder.
///
/// # Errors
/// There is no manifest, or it is refused. A file that is wrong is in the report.
pub fn folder(options: &FolderOptions, progress: &dyn Progress) -> Result<FolderReport> {
    let FolderOptions { folder, trust, .. } = options;
    let (manifest, signed) = match &options.manifest {
        Some(path) => {
            let text = read_manifest_text(path).doing("read the manifest", path)?;
            let manifest = Manifest::parse(text, &path.display().to_string())?;
            let signed = trust.check_file(path, &manifest, progress)?;
            if !folder.root().join(FILE_NAME).exists() {
                let own = shell_word(&folder.root().join(FILE_NAME));
                progress.note(&tr!("to bundle this folder, it needs its manifest: cp {} {own}", shell_word(path), own));
            }
            (manifest, signed)
        }
        None => {
            let manifest = manifest_of(folder)?;
            let signed = trust.check_folder(folder, &manifest, progress)?;
            (manifest, signed)
        }
    };
    let platform = locate::platform_of(folder, options.platform)?;
    progress.phase("verifying");
    let selection = manifest.select(platform)?;
    let mut files = release::verify(folder, &selection, progress)?;
    if !selection.iter().any(|pinned| [SITE_PROGRAM, SITE_PROGRAM_SUM].contains(&pinned.name().as_str())) {
        files.extend(folder.row_of_site_program());
    }
    Ok(FolderReport { manifest, signed, platform, files })
}

/// The command that gets what is missing or wrong: from where the manifest is that was given, else from where the folder
/// came from.
pub fn get_again(options: &FolderOptions, report: &FolderReport) -> String {
    let FolderOptions { folder, manifest, platform, .. } = options;
    let own = folder.root().join(FILE_NAME).canonicalize().ok();
    let is_own = |given: &Path| own.is_some() && given.canonicalize().ok() == own;
    match manifest.as_deref().filter(|given| !is_own(given)) {
        Some(given) => {
            let platform = platform.map_or_else(String::new, |platform| format!(" --platform {platform}"));
            format!("pack download {} --dir {}{platform}", shell_word(given), shell_word(folder.root()))
        }
        None => {
            let wrong = report.files.iter().filter(|row| row.state != State::Ok);
            folder.get_again(&wrong.map(|row| row.name.as_str()).collect::<Vec<_>>())
        }
    }
}

/// How a bundle stands.
#[derive(Debug)]
pub struct BundleReport {
    /// The bundle.
    pub bundle: Bundle,
    /// Who signed it, or its manifest; `None` where something is wrong, for then that was not looked at.
    pub signed: Option<Signed>,
    /// What of it is damaged; empty when nothing is.
    pub damage: Vec<Damage>,
    /// The files that it takes from its folder, and how they stand.
    pub beside: Vec<Row>,
}

impl BundleReport {
    /// Whether nothing is damaged, and what it takes from its folder is there.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty() && self.beside.iter().all(|row| row.state == State::Ok)
    }

    /// Whether the artifact of that name is whole.
    pub fn is_whole(&self, name: &str) -> bool {
        !self.damage.iter().any(|damage| damage.files.iter().any(|file| file == name))
    }

    /// Whether launcher and runtime are whole.
    pub fn is_header_whole(&self) -> bool {
        !self.damage.iter().any(|damage| damage.part == BundlePart::Header)
    }
}

/// Checks every byte of a bundle and of what it takes from its folder, and, where nothing is wrong, whose it is.
///
/// # Errors
/// The file is not a bundle, its index is damaged, or it is not the publisher's. Other damage is in the report.
pub fn bundle(path: &Path, trust: &Trust, progress: &dyn Progress) -> Result<BundleReport> {
    let bundle = Bundle::open(path)?;
    progress.phase("verifying");
    let damage = bundle::verify(&bundle, progress)?;
    let beside = bundle.check_beside(&bundle.detached(), progress)?;
    let mut report = BundleReport { bundle, signed: None, damage, beside };
    if report.is_good() {
        report.signed = Some(verify_signature(trust, &report.bundle, progress)?);
    }
    Ok(report)
}
