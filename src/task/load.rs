//! Loading: images into the container engine.

use std::path::Path;

use super::commands::{checking_bundle, manifest_of};
use super::locate;
use super::signed::Signed;
use super::trust::Trust;
use crate::bundle::{Bundle, CarriedArtifact, Scope};
use crate::error::Result;
use crate::manifest::Kind;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::release::Folder;
use crate::site;

/// What was loaded.
#[derive(Debug)]
pub struct Report {
    /// The names of the artifacts whose images the engine has now.
    pub loaded: Vec<String>,
    /// The size of these artifacts in bytes.
    pub bytes: u64,
    /// Who signed the manifest that they are of.
    pub signed: Signed,
}

/// Loads the images of a folder, or only those of the artifacts that `names` lists.
///
/// # Errors
/// The manifest is not signed as `trust` asks for, a name is not an image of the folder, an archive is not what was
/// pinned, or the engine refuses.
pub fn from_folder(folder: &Folder, names: &[String], trust: &Trust, progress: &dyn Progress) -> Result<Report> {
    let manifest = manifest_of(folder)?;
    let signed = trust.check_folder(folder, &manifest, progress)?;
    let platform = locate::platform_of(folder, None)?;
    progress.phase("loading");
    let selection = manifest.select(platform)?;
    let look = || format!("check the folder with: pack verify {}", shell_word(folder.root()));
    let loaded = site::load_from_folder(folder, &selection, names, progress);
    let loaded = loaded.map_err(|error| error.hint_where_none(look()))?;
    let of_loaded = selection.iter().filter(|pinned| loaded.iter().any(|name| name == pinned.name().as_str()));
    let bytes = of_loaded.filter_map(|pinned| pinned.pin.size).sum();
    Ok(Report { loaded, bytes, signed })
}

/// Loads the images of a bundle, or only those of the artifacts that `names` lists.
///
/// # Errors
/// A name is not an image of the bundle, the bundle is damaged or its images are not what was signed, or the engine
/// refuses.
pub fn from_bundle(path: &Path, names: &[String], trust: &Trust, progress: &dyn Progress) -> Result<Report> {
    let bundle = Bundle::open(path)?;
    let is_chosen = |artifact: &CarriedArtifact| {
        artifact.kind == Kind::Image && (names.is_empty() || names.iter().any(|name| name == artifact.name.as_str()))
    };
    let (access, signed) = trust.access(&bundle, Scope::Artifacts(&is_chosen), progress)?;
    progress.phase("loading");
    let loaded = checking_bundle(path, site::load_from_bundle(&access, names, progress))?;
    let bytes =
        bundle.index().artifacts.iter().filter(|artifact| is_chosen(artifact)).map(|artifact| artifact.size).sum();
    Ok(Report { loaded, bytes, signed })
}
