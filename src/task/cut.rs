//! Cutting what another copy has lost out of a good one.

use std::path::{Path, PathBuf};

use super::whole_bundle::{expect_one_file, expect_whole};
use crate::bundle::{self, Bundle};
use crate::error::{Error, IoContext, Result};
use crate::parity::map::DamageMap;
use crate::parity::patch;
use crate::path::shell_word;
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
    let seal = bundle::seal(&file);
    if seal != Some(damage.seal) || bundle.length() != damage.size {
        let error = Error::integrity("the damage map is of another bundle")
            .fact("bundle", good.display())
            .fact("map", map.display())
            .fact("expected", damage.seal);
        let error = seal.into_iter().fold(error, |error, seal| error.fact("actual", seal));
        return Err(error.hint("cut it out of a copy of the very bundle that is damaged"));
    }
    if damage.ranges.is_empty() {
        return Err(Error::failed("the damage map says that nothing is damaged")
            .fact("map", map.display())
            .hint(format_args!("see what it says: cat {}", shell_word(map))));
    }
    expect_whole(&bundle, "cut", progress)?;
    progress.phase("cutting");
    let written = patch::cut(&file, good, &damage, target)?;
    Ok(Report { path: target.to_owned(), length: written.size, map: damage })
}
