//! Whether a manifest may take the place of the one in a folder.

use crate::error::Result;
use crate::language::tr;
use crate::manifest::{FILE_NAME, Manifest, upgrade};
use crate::path::shell_word;
use crate::release::Folder;

/// Checks that `new` may take the place of what is in the folder. Returns the folder's manifest, where it has one.
///
/// # Errors
/// The folder holds another product; or, without `allow_downgrade`, a newer version or other content of the same
/// version; or its manifest cannot be read.
pub fn check_upgrade(folder: &Folder, new: &Manifest, allow_downgrade: bool) -> Result<Option<Manifest>> {
    let old = folder.manifest().map_err(|error| {
        let path = folder.root().join(FILE_NAME);
        error.fact("folder", folder.root().display()).hint(tr!(
            "what the folder holds cannot be determined: remove {} and run the same command again; artifacts that are \
             right stay and are not fetched again",
            shell_word(&path)
        ))
    })?;
    let Some(old) = old else { return Ok(None) };
    let check = if allow_downgrade { upgrade::check_product } else { upgrade::check_upgrade };
    check(&old, new).map_err(|error| error.fact("folder", folder.root().display()))?;
    Ok(Some(old))
}
