//! A publisher's manifest replaced by its edited text, as long as nobody else has edited it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, IoContext, Result};
use crate::release::read_manifest_text;
use crate::staged_file::StagedFile;

/// Replaces the manifest at `path`, which must still have the text `old`: somebody may have edited it while
/// its artifacts were read. `again` is the command to run then.
pub(super) fn replace(path: &Path, (old, new): (&str, &str), again: &str) -> Result<()> {
    // Two runs of a command do not get past here at once.
    let mut whole = StagedFile::create(path)?;
    if read_manifest_text(path).doing("read the manifest", path)? != old {
        return Err(Error::failed("the manifest has changed while its artifacts were fetched")
            .fact("manifest", path.display())
            .hint(format_args!("nothing was written; run it again: {again}")));
    }
    let mode = fs::metadata(path).doing("look at the manifest", path)?.permissions().mode() & 0o777;
    whole.file().write_all(new.as_bytes()).doing("write", path)?;
    whole.place(mode)
}
