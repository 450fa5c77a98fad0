//! One file out of a bundle, as a stream.

use std::io::Write;
use std::path::Path;

use super::commands::checking_bundle;
use super::trust::Trust;
use crate::bundle::{self, Bundle, CarriedArtifact, Scope, Wanted};
use crate::error::Result;
use crate::progress::Progress;

/// Which file.
#[derive(Debug, Clone, Copy)]
pub struct CatOptions<'a> {
    /// The bundle.
    pub bundle: &'a Path,
    /// The file's name in it.
    pub name: &'a str,
    /// As it is, or without what is around it.
    pub wanted: Wanted,
}

/// Writes the file to `out`; where `trust` has a key, only after the file was proved. A note says who signed, before the
/// first byte is written.
///
/// # Errors
/// The bundle is damaged, has no such file, or the file is not what was signed; or `out` takes no more. What was written
/// before is then not the whole file.
pub fn run(options: CatOptions<'_>, trust: &Trust, out: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
    let CatOptions { bundle: path, name, wanted } = options;
    let bundle = Bundle::open(path)?;
    let is_wanted = |artifact: &CarriedArtifact| artifact.name.as_str() == name;
    let (access, signed) = trust.access(&bundle, Scope::Artifacts(&is_wanted), progress)?;
    progress.note(&signed.to_string());
    checking_bundle(path, bundle::cat(&access, name, wanted, out))
}
