//! Loading: images into the container engine.

use std::path::Path;

use super::commands::manifest_of;
use super::locate;
use crate::bundle::Bundle;
use crate::error::Result;
use crate::progress::Progress;
use crate::release::Folder;
use crate::site;

/// Loads the images of a folder, or only those of the artifacts that `names` lists. Returns the names that were
/// loaded.
///
/// # Errors
/// A name is not an image of the folder, an archive is not what was pinned, or the engine refuses.
pub fn from_folder(folder: &Folder, names: &[String], progress: &dyn Progress) -> Result<Vec<String>> {
    let manifest = manifest_of(folder)?;
    let platform = locate::platform_of(folder, None)?;
    progress.phase("loading");
    site::load_from_folder(folder, &manifest.select(platform)?, names, progress)
}

/// Loads the images of a bundle, or only those of the artifacts that `names` lists. Returns the names that were
/// loaded.
///
/// # Errors
/// A name is not an image of the bundle, the bundle is damaged, or the engine refuses.
pub fn from_bundle(path: &Path, names: &[String], progress: &dyn Progress) -> Result<Vec<String>> {
    let bundle = Bundle::open(path)?;
    progress.phase("loading");
    site::load_from_bundle(&bundle, names, progress)
}
