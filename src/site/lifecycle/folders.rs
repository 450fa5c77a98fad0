//! The install dir: the product's folders and secrets.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::configuration::Configuration;
use super::instance::Instance;
use super::place::{free_name, make_folder};
use super::random::random_hex;
use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::path::shell_word;
use crate::staged_file::StagedFile;

/// What an earlier installation has left: what of it is missing is lost, and not new.
#[derive(Debug, Clone, Default)]
pub(super) struct RanBefore {
    /// Data that only its secrets open.
    pub(super) data: bool,
    /// Secrets that a version has which had none of them before.
    pub(super) new_secrets: BTreeSet<String>,
    /// A configuration file.
    pub(super) configuration: bool,
}

/// Makes what is missing.
///
/// # Errors
/// A folder of the database is empty or a secret is gone although the product ran before; or an I/O error.
pub(super) fn prepare(instance: &Instance, ran_before: RanBefore) -> Result<()> {
    make_folder(instance.install_dir(), 0o755)?;
    for folder in &instance.product().folders {
        let path = folder.path.below(instance.install_dir());
        if ran_before.data && folder.store && is_empty(&path) {
            return Err(lost(&tr!("the folder of the database is empty"), &path));
        }
        if !path.is_dir() {
            make_folder(&path, 0o755)?;
            let mode = u32::from_str_radix(&folder.mode, 8).unwrap_or(0o755);
            fs::set_permissions(&path, Permissions::from_mode(mode)).doing("set the mode of", &path)?;
        }
    }
    if let Some(configuration) = Configuration::of(instance) {
        configuration.prepare(ran_before.configuration)?;
    }
    for secret in &instance.product().secrets {
        let path = secret_file(instance, &secret.name);
        if let Some(key) = &secret.key {
            if let Some(value) = instance.configured(key) {
                make_folder(&instance.install_dir().join("secrets"), 0o700)?;
                StagedFile::write(&path, value.as_bytes(), 0o600)?;
            }
            continue;
        }
        if path.exists() {
            continue;
        }
        // A new one would not open the data that the old one locked.
        if ran_before.data && !secret.replaceable && !ran_before.new_secrets.contains(&secret.name) {
            return Err(lost(&tr!("a secret is gone"), &path));
        }
        make_folder(&instance.install_dir().join("secrets"), 0o700)?;
        StagedFile::write(&path, random_hex()?.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Whether somebody took the product away by hand: nothing of its folder is there. That of a disk that is not mounted is
/// another matter: there the folder above it is empty.
pub(super) fn is_gone(install_dir: &Path) -> bool {
    let Some(above) = install_dir.parent() else { return false };
    let is_mounted = || {
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        above.parent().is_some_and(|top| device(above) != device(top))
    };
    !install_dir.exists() && above.is_dir() && (!is_empty(above) || is_mounted())
}

/// Whether the product has left data that only its secrets open.
pub(super) fn has_data(instance: &Instance) -> bool {
    let stores = instance.product().folders.iter().filter(|folder| folder.store);
    stores.map(|folder| folder.path.below(instance.install_dir())).any(|path| !is_empty(&path))
}

/// Sets the folders of the database aside and makes empty ones, for a version that cannot read what is in them.
///
/// # Errors
/// An I/O error.
pub(super) fn set_data_aside(instance: &Instance, name: &str) -> Result<Vec<PathBuf>> {
    let mut aside = Vec::new();
    for folder in instance.product().folders.iter().filter(|folder| folder.store) {
        let path = folder.path.below(instance.install_dir());
        if is_empty(&path) {
            continue;
        }
        let target = free_name(|number| PathBuf::from(format!("{}.{name}{number}", path.display())));
        fs::rename(&path, &target).doing("set aside", &path)?;
        aside.push(target);
    }
    Ok(aside)
}

fn secret_file(instance: &Instance, name: &str) -> PathBuf {
    instance.install_dir().join("secrets").join(name)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

fn lost(what: &str, path: &Path) -> Error {
    Error::failed(tr!("{what}, although the product has run here before", what)).fact("path", path.display()).hint(tr!(
        "put it back from a backup; is its disk mounted? see: df -h {}",
        shell_word(path.parent().unwrap_or(path))
    ))
}
