//! Putting a dump back under the version that runs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::at_work::AtWork;
use super::installed::{Installed, place};
use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::site::lifecycle::{Change, Receipt, State};

/// Puts the dump `file` back. What the database has now is dumped first, and comes back if this fails.
///
/// # Errors
/// There is no such file; or the change failed, and the database is as it was: see the error.
pub fn run(name: Option<&str>, file: &Path, at_work: &AtWork<'_>) -> Result<State> {
    let started = Instant::now();
    let place = place(name)?;
    let _lock = at_work.begin(&place)?;
    let installed = Installed::find_in_use(name)?;
    let file = absolute(file, &installed)?;
    let signed = Receipt::read(&place)?.map_or_else(|| "not known".to_owned(), |receipt| receipt.signed);
    let instance = &installed.instance;
    let change = Change { place: &place, from: Some(instance), to: instance, restore: Some(file), signed, started };
    Ok(change.make(at_work.watch())?.state)
}

fn absolute(file: &Path, installed: &Installed) -> Result<PathBuf> {
    // From a bundle, paths are meant from the caller's folder, which is ours too.
    let absolute = std::path::absolute(file).map_err(|cause| Error::io("find", file, cause))?;
    if absolute.is_file() {
        return Ok(absolute);
    }
    Err(Error::failed("there is no such dump").fact("path", absolute.display()).hint(format_args!(
        "see what there is: ls {}/backups {}",
        shell_word(Path::new(&installed.instance.state.install_dir)),
        shell_word(&installed.place.var().join("dumps"))
    )))
}
