//! Extracting: the folder back, or some of its files.

use std::path::PathBuf;

use super::commands::checking_bundle;
use super::signed::Signed;
use super::trust::Trust;
use crate::bundle::{Bundle, CarriedArtifact, Scope, extract_all, extract_some, no_such_file};
use crate::error::Result;
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::progress::Progress;
use crate::release::Folder;

/// What to extract, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The bundle.
    pub bundle: PathBuf,
    /// The folder to extract into; made when it is not there.
    pub dir: PathBuf,
    /// Only these files; empty for all.
    pub names: Vec<String>,
    /// What the bundle must stand up to.
    pub trust: Trust,
}

/// What was extracted.
#[derive(Debug)]
pub struct Report {
    /// The bundle.
    pub bundle: Bundle,
    /// Who signed it.
    pub signed: Signed,
    /// How many files of the folder came back.
    pub files: usize,
    /// The size of the artifacts among them in bytes.
    pub bytes: u64,
    /// Those that came back as plain docker archives, because the bundle was made without originals.
    pub plain: Vec<String>,
}

/// Restores a bundle's folder, byte for byte, or the files that were named.
///
/// # Errors
/// The bundle is damaged, is not what was signed, or has no file of a name; or an I/O error.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let bundle = Bundle::open(&options.bundle)?;
    let index = bundle.index();
    let known = |name: &str| matches!(name, FILE_NAME | SIGNATURE_NAME) || index.artifact(name).is_some();
    if let Some(unknown) = options.names.iter().find(|name| !known(name)) {
        return Err(no_such_file(&bundle, unknown));
    }
    let is_wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    let is_chosen = |artifact: &CarriedArtifact| is_wanted(artifact.name.as_str());
    let (access, signed) = options.trust.access(&bundle, Scope::Artifacts(&is_chosen), progress)?;
    progress.phase("extracting");
    let extracted = if options.names.is_empty() {
        extract_all(&access, &Folder::at(&options.dir), progress)
    } else {
        extract_some(&access, |path| is_wanted(path.as_str()), &options.dir, progress)
    };
    checking_bundle(&options.bundle, extracted)?;
    let plain = index.artifacts.iter().filter(|artifact| artifact.carried.is_exported());
    let plain = plain.map(|artifact| artifact.name.to_string()).filter(|name| is_wanted(name)).collect();
    let files = if options.names.is_empty() { index.artifacts.len() } else { options.names.len() };
    let sizes = index.artifacts.iter().filter(|artifact| is_chosen(artifact)).map(|artifact| artifact.size);
    let bytes = sizes.sum();
    Ok(Report { bundle, signed, files, bytes, plain })
}
