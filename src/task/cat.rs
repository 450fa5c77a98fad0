//! One file out of a bundle, as a stream.

use std::io::Write;
use std::path::Path;

use crate::bundle::{self, Bundle, Wanted};
use crate::error::Result;

/// Writes the file `name` of the bundle at `path` to `out`.
///
/// # Errors
/// The bundle is damaged, has no such file, or `out` takes no more. What was written before is then not the whole
/// file.
pub fn run(path: &Path, name: &str, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let bundle = Bundle::open(path)?;
    bundle.manifest()?;
    bundle::cat(&bundle, name, wanted, out)
}
