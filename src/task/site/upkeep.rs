//! Restarting, stopping, saving and removing what is installed.

use std::path::PathBuf;

use super::at_work::AtWork;
use super::installed::{Installed, place};
use crate::error::Result;
use crate::site::lifecycle::{
    State, backup as dump, backup_whole, restart as deploy_again, stop as take_away, uninstall as remove,
};

/// What a change would be made to. Nothing is changed, and nothing that was broken off is brought to its end.
///
/// # Errors
/// It is not installed, or was uninstalled.
pub fn in_use(name: Option<&str>) -> Result<State> {
    Ok(Installed::find_in_use(name)?.instance.state)
}

/// Deploys again what is installed and starts every service anew.
///
/// # Errors
/// The stack is not valid, then what runs was not touched; or a service does not come up.
pub fn restart(name: Option<&str>, at_work: &AtWork<'_>) -> Result<State> {
    let _lock = at_work.begin(&place(name)?)?;
    let installed = Installed::find_in_use(name)?;
    at_work.progress.phase("restarting");
    deploy_again(&installed.instance, &installed.place, at_work.watch())
}

/// Takes the stack away; data stays.
///
/// # Errors
/// It is not installed, or the engine refuses.
pub fn stop(name: Option<&str>, at_work: &AtWork<'_>) -> Result<State> {
    let _lock = at_work.begin(&place(name)?)?;
    let installed = Installed::find_in_use(name)?;
    take_away(&installed.instance, &installed.place)?;
    Ok(installed.instance.state)
}

/// Saves the database, or with `whole` all that is this host's own of the product. Returns where it lies.
///
/// # Errors
/// The product cannot, or what was made is not whole.
pub fn backup(name: Option<&str>, whole: bool, at_work: &AtWork<'_>) -> Result<PathBuf> {
    let _lock = at_work.begin(&place(name)?)?;
    let installed = Installed::find_in_use(name)?;
    if whole {
        return backup_whole(&installed.instance, at_work.watch());
    }
    at_work.progress.phase("dumping");
    dump(&installed.instance, at_work.watch())
}

/// Removes what runs, with `purge` the data too. Returns what is mounted among it and stays.
///
/// # Errors
/// It is not installed, or something cannot be removed.
pub fn uninstall(name: Option<&str>, purge: bool, at_work: &AtWork<'_>) -> Result<(State, Vec<PathBuf>)> {
    let _lock = at_work.begin(&place(name)?)?;
    let installed = Installed::find(name)?;
    let left = remove(&installed.instance, &installed.place, purge)?;
    Ok((installed.instance.state, left))
}
