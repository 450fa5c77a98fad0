//! Logins for registries, as Docker and podman keep them. They are sent and never shown.
//!
//! podman's file comes first: `$REGISTRY_AUTH_FILE`, else `$XDG_RUNTIME_DIR/containers/auth.json` and
//! `~/.config/containers/auth.json`; then Docker's `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. In each the
//! helpers are asked before the entries. Nothing is read before a registry asks who it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::auth_file::{AuthFile, Login};
use super::credential_program;
use crate::manifest::registry_ref::RegistryRef;
use crate::small_file;

/// The largest file that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// The logins of this user.
#[derive(Default)]
pub(in crate::fetch) struct Logins {
    known: Mutex<HashMap<(String, String), Found>>,
}

/// What there is for a repository.
#[derive(Clone, Default)]
pub(super) struct Found {
    /// The login, if there is one.
    pub(super) login: Option<Login>,
    /// Why there may be none. It tells no secret.
    pub(super) fault: Option<String>,
}

impl Logins {
    /// The login for the repository of `reference`. A file that cannot be read fails nothing: the registry may let anybody
    /// in.
    pub(super) fn of(&self, reference: &RegistryRef) -> Found {
        let key = (reference.host().to_owned(), reference.repository());
        // Held meanwhile: no helper is asked twice at once.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert_with(|| search(reference)).clone()
    }
}

fn search(reference: &RegistryRef) -> Found {
    let mut found = Found::default();
    for path in files() {
        match read(&path, reference) {
            Ok(None) => {}
            Ok(login) => return Found { login, fault: None },
            Err(why) => found.fault = found.fault.or_else(|| Some(format!("{}: {why}", path.display()))),
        }
    }
    found
}

fn read(path: &Path, reference: &RegistryRef) -> Result<Option<Login>, String> {
    let bytes = small_file::read_if_there(path, LIMIT).map_err(|why| why.title().to_owned())?;
    let Some(bytes) = bytes else { return Ok(None) };
    let file = AuthFile::parse(&bytes)?;
    let mut fault = None;
    for call in file.helpers(reference.host()) {
        match credential_program::ask(&call) {
            Ok(None) => {}
            Ok(login) => return Ok(login),
            Err(why) => fault = fault.or(Some(why)),
        }
    }
    let login = file.login(reference.host(), &reference.repository())?;
    match fault {
        Some(fault) if login.is_none() => Err(fault),
        _ => Ok(login),
    }
}

/// Where logins may be, in the order in which they count.
fn files() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME");
    let mut files = Vec::new();
    match variable("REGISTRY_AUTH_FILE") {
        Some(file) => files.push(file),
        None => {
            let config = variable("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
            let folders = [variable("XDG_RUNTIME_DIR"), config];
            files.extend(folders.into_iter().flatten().map(|folder| folder.join("containers/auth.json")));
        }
    }
    let docker = variable("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
    files.extend(docker.map(|folder| folder.join("config.json")));
    files
}
