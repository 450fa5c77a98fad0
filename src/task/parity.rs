//! Making parity beside a bundle, by which it can be repaired.

use std::path::{Path, PathBuf};

use super::whole_bundle::{expect_one_file, expect_whole};
use crate::bundle::{self, Bundle};
use crate::error::{Error, IoContext, Result};
use crate::parity::encode::{Subject, encode};
use crate::parity::layout::{Amount, LONGEST, Layout};
use crate::parity::sidecar;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::small_file;

/// Parity that was made.
#[derive(Debug)]
pub struct Report {
    /// The parity file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// How the bundle is divided.
    pub layout: Layout,
}

/// Makes the parity of a bundle, of which every byte is checked first.
///
/// # Errors
/// The bundle is damaged or cannot be read, there is no room, or the parity cannot be written.
pub fn run(path: &Path, amount: Amount, progress: &dyn Progress) -> Result<Report> {
    let bundle = Bundle::open(path)?;
    let name = path.file_name().map_or(path, Path::new);
    expect_one_file(
        &bundle,
        "parity covers a bundle in one file, and this one is in volumes",
        format_args!(
            "carry every volume twice; or, where the bundle is one file and the stick takes that: pack parity {}",
            shell_word(name)
        ),
    )?;
    expect_whole(&bundle, "made", progress)?;
    of_whole(path, amount, progress)
}

/// As [`run`], for a bundle that was just written.
///
/// # Errors
/// The bundle cannot be read, there is no room, or the parity cannot be written.
pub(super) fn of_whole(path: &Path, amount: Amount, progress: &dyn Progress) -> Result<Report> {
    progress.phase("making parity");
    let file = small_file::open(path).doing("open the bundle", path)?;
    let seal = bundle::seal(&file).ok_or_else(|| {
        Error::failed("the bundle changed while its parity was made")
            .fact("path", path.display())
            .hint(format_args!("once nobody writes to it: pack parity {}", shell_word(path)))
    })?;
    let size = file.metadata().doing("look at the bundle", path)?.len();
    let layout = Layout::new(size, amount).ok_or_else(|| {
        Error::failed("the bundle is too large for parity")
            .fact("path", path.display())
            .fact("size", size)
            .fact("limit", LONGEST)
            .hint("carry a second copy of it")
    })?;
    let target = sidecar::beside(path);
    let length = encode(&Subject { file: &file, path, seal }, layout, &target, progress)?;
    Ok(Report { path: target, length, layout })
}
