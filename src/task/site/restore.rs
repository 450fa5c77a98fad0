//! Putting a dump, or a whole backup, back under the version that runs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::at_work::AtWork;
use super::installed::{Installed, place};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::path::shell_word;
use crate::progress::Silent;
use crate::site::lifecycle::{Change, Receipt, State, Watch, check_whole_backup, is_whole_backup, restore_whole};

/// Puts the dump or the whole backup `file` back. What the database has now is dumped first, and comes back if this fails.
/// Returns what was set aside too.
///
/// # Errors
/// There is no such file, or not for what is installed; or the change failed, and all is as it was: see the error.
pub fn run(name: Option<&str>, file: &Path, at_work: &AtWork<'_>) -> Result<(State, Vec<PathBuf>)> {
    let started = Instant::now();
    let place = place(name)?;
    let _lock = at_work.begin(&place)?;
    let installed = Installed::find_in_use(name)?;
    let file = absolute(file, &installed)?;
    let signed = Receipt::read(&place)?.map_or_else(|| tr!("not known"), |receipt| receipt.signed);
    let instance = &installed.instance;
    let change = Change { place: &place, from: Some(instance), to: instance, restore: None, signed, started };
    if is_whole_backup(&file) {
        return restore_whole(&file, change, at_work.watch());
    }
    Ok((Change { restore: Some(file), ..change }.make(at_work.watch())?.state, Vec::new()))
}

/// Says what would be put back: checks that the product is in use and that the dump is there. Nothing is changed.
///
/// # Errors
/// It is not installed, there is no such file, or it is a whole backup that is not for what is installed.
pub fn check(name: Option<&str>, file: &Path) -> Result<State> {
    let installed = Installed::find_in_use(name)?;
    let file = absolute(file, &installed)?;
    if is_whole_backup(&file) {
        let watch = Watch { progress: &Silent, interruption: None, timeout: None };
        check_whole_backup(&file, &installed.instance, watch)?;
    }
    Ok(installed.instance.state)
}

fn absolute(file: &Path, installed: &Installed) -> Result<PathBuf> {
    // From a bundle, paths are meant from the caller's folder, which is ours too.
    let absolute = std::path::absolute(file).map_err(|cause| Error::io("find", file, cause))?;
    if absolute.is_file() {
        return Ok(absolute);
    }
    Err(Error::failed(tr!("there is no such dump")).fact("path", absolute.display()).hint(tr!(
        "see what there is: ls {}/backups {}",
        shell_word(Path::new(&installed.instance.state.install_dir)),
        shell_word(&installed.place.var().join("dumps"))
    )))
}
