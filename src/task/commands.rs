//! The next command to type, with the real names in it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::manifest::{FILE_NAME, Manifest};
use crate::path::shell_word;
use crate::release::Folder;

/// What a deed with the bundle at `path` came to; where that failed and nobody knew what to do, to check the bundle is
/// what.
///
/// # Errors
/// Those of the deed.
pub fn checking_bundle<T>(path: &Path, deed: Result<T>) -> Result<T> {
    deed.map_err(|error| error.hint_where_none(format_args!("check the bundle with: pack verify {}", shell_word(path))))
}

/// The manifest of a folder that a download made.
///
/// # Errors
/// There is none, or a download did not get that far: the error says how to go on.
pub fn manifest_of(folder: &Folder) -> Result<Manifest> {
    if let Some(manifest) = folder.manifest()? {
        return Ok(manifest);
    }
    if folder.is_begun() {
        // What one stands in has its name too.
        let named = Some(folder.root()).filter(|root| *root != Path::new("."));
        let path = named.map_or_else(|| std::env::current_dir().unwrap_or_else(|_| ".".into()), Path::to_owned);
        return Err(Error::failed("the download into this folder is not complete")
            .fact("path", path.display())
            .fact("missing", FILE_NAME)
            .hint(format_args!("run it again, what is there is not fetched twice: {}", folder.download_again())));
    }
    folder.expect_manifest()
}
