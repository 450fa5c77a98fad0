//! Cutting what another copy has lost out of a good one.

use std::path::{Path, PathBuf};

use super::damage_map;
use super::whole_bundle::{expect_one_file, expect_whole};
use crate::bundle::{self, Bundle};
use crate::error::{IoContext, Result};
use crate::parity::map::DamageMap;
use crate::parity::patch;
use crate::progress::Progress;
use crate::small_file;

/// A patch that was written.
#[derive(Debug)]
pub struct Report {
    /// Its file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// What it has the bytes of.
    pub map: DamageMap,
}

/// Writes the bytes that `map` names, out of a bundle that is whole, to `target`.
///
/// # Errors
/// The bundle is damaged, the map is of another bundle or of one without damage, or the patch cannot be written.
pub fn run(good: &Path, map: &Path, target: &Path, progress: &dyn Progress) -> Result<Report> {
    let damage = DamageMap::read(map)?;
    let bundle = Bundle::open(good)?;
    expect_one_file(
        &bundle,
        "a patch is cut out of a bundle in one file, and this one is in volumes",
        "cut it where the bundle is one file, or copy the volume again that is damaged",
    )?;
    let file = small_file::open(good).doing("open the bundle", good)?;
    damage_map::expect_of(&damage, map, &bundle, bundle::seal(&file))?;
    expect_whole(&bundle, "cut", progress)?;
    progress.phase("cutting");
    let written = patch::cut(&file, good, &damage, target)?;
    Ok(Report { path: target.to_owned(), length: written.size, map: damage })
}
