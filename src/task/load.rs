//! Loading: images into the container engine.

use std::path::Path;

use super::commands::manifest_of;
use super::locate;
use super::trust::Trust;
use crate::bundle::{Bundle, CarriedArtifact, Scope};
use crate::error::Result;
use crate::manifest::Kind;
use crate::progress::Progress;
use crate::release::Folder;
use crate::site;

/// Loads the images of a folder, or only those of the artifacts that `names` lists. Returns the names that were
/// loaded.
///
/// # Errors
/// The manifest is not signed as `trust` asks for, a name is not an image of the folder, an archive is not what was pinned, or the engine refuses.
pub fn from_folder(folder: &Folder, names: &[String], trust: &Trust, progress: &dyn Progress) -> Result<Vec<String>> {
    let manifest = manifest_of(folder)?;
    if trust.key.is_some() {
        trust.check_folder(folder, &manifest, progress)?;
    }
    let platform = locate::platform_of(folder, None)?;
    progress.phase("loading");
    site::load_from_folder(folder, &manifest.select(platform)?, names, progress)
}

/// Loads the images of a bundle, or only those of the artifacts that `names` lists. Returns the names that were
/// loaded.
///
/// # Errors
/// A name is not an image of the bundle, the bundle is damaged or its images are not what was signed, or the engine
/// refuses.
pub fn from_bundle(path: &Path, names: &[String], trust: &Trust, progress: &dyn Progress) -> Result<Vec<String>> {
    let bundle = Bundle::open(path)?;
    let is_chosen = |artifact: &CarriedArtifact| {
        artifact.kind == Kind::Image && (names.is_empty() || names.iter().any(|name| name == artifact.name.as_str()))
    };
    let access = trust.access(&bundle, Scope::Artifacts(&is_chosen), progress)?;
    progress.phase("loading");
    site::load_from_bundle(&access, names, progress)
}
