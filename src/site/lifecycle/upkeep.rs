//! What is done to an installed product besides changing its version.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::configuration::Configuration;
use super::deploy::{deploy, keep_override, remove};
use super::docker::order;
use super::dump;
use super::folders::{self, RanBefore};
use super::gate::pass;
use super::instance::Instance;
use super::logs;
use super::mounts;
use super::observe::observe;
use super::place::{Place, UNPACKED_BACKUP};
use super::state::{Deployed, State};
use super::swarm::{self, Addresses};
use super::version_files::{loaded_for, remove_folder};
use super::watch::Watch;
use crate::error::{IoContext, Result};
use crate::in_order::InOrder;
use crate::language::tr;
use crate::own_file;
use crate::site::engine;
use crate::stack::Stage;

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name in the stack.
    pub name: String,
    /// Tasks that run, of those wanted.
    pub replicas: String,
    /// `running`, or what else it is.
    pub state: String,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// Whether it is as it should be.
    pub ok: bool,
    /// The last failure that the engine remembers of it.
    pub last_failure: Option<String>,
}

/// How the services of `instance` are.
///
/// # Errors
/// The engine does not answer.
pub fn status(instance: &Instance) -> Result<Vec<ServiceStatus>> {
    let document = instance.render(instance.files.template(), Stage::Open)?;
    let wanted: BTreeSet<String> =
        document["services"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).in_order();
    let observed = observe(instance.name())?;
    let rows = wanted.into_iter().map(|name| {
        let found = observed.services.get(&name).cloned().unwrap_or_default();
        let running = found.containers.iter().find(|container| container.is_running());
        let is_whole = found.replicas.split_once('/').is_some_and(|(up, wanted)| up == wanted && up != "0");
        let state = match running {
            Some(container) => container.health.clone().unwrap_or_else(|| "running".to_owned()),
            None if observed.services.contains_key(&name) => tr!("not running"),
            None => tr!("not deployed"),
        };
        let ok = is_whole && running.is_some_and(super::observe::Container::is_healthy);
        let failed = observed.failed.iter().find(|task| task.service == name).map(|task| task.error.clone());
        ServiceStatus {
            replicas: found.replicas,
            state,
            since: running.map(|container| container.started.clone()),
            ok,
            last_failure: failed.filter(|_| !ok),
            name,
        }
    });
    Ok(rows.collect())
}

/// Whether somebody took the product away by hand: its folder is gone, and nothing of it runs.
pub fn is_taken_away(instance: &Instance) -> bool {
    folders::is_gone(instance.install_dir())
        && observe(instance.name()).is_ok_and(|observed| observed.services.is_empty())
}

/// Makes the swarm, the folders, the secrets and the configuration. `known`: what is installed on this host.
///
/// # Errors
/// The engine refuses; another host has the stack; or something of an installation is lost.
pub fn prepare(instance: &Instance, known: Option<&Instance>, addresses: &Addresses) -> Result<()> {
    if known.is_none_or(|known| known.state.removed) {
        swarm::check_free(instance.name())?;
    }
    swarm::ensure(addresses)?;
    // What may be switched on now had no data before.
    let data = known.is_some_and(|known| !known.stores().is_empty()) || folders::has_data(instance);
    let configuration = known.is_some_and(|known| known.product().configuration.is_some());
    folders::prepare(instance, RanBefore { data, configuration, new_secrets: new_secrets(instance, known) })?;
    logs::prepare(instance)
}

/// The secrets that a version has and the one before it had not.
fn new_secrets(instance: &Instance, known: Option<&Instance>) -> BTreeSet<String> {
    let names = |of: &Instance| of.product().secrets.iter().map(|secret| secret.name.clone()).in_order::<BTreeSet<_>>();
    known.map(|known| names(instance).difference(&names(known)).cloned().in_order()).unwrap_or_default()
}

/// Deploys what is installed anew, starts every service again, and waits until all of it is up.
///
/// # Errors
/// The stack is not valid, then what runs was not touched; or a service does not come up.
pub fn restart(instance: &Instance, place: &Place, watch: Watch<'_>) -> Result<State> {
    let data = !instance.stores().is_empty();
    folders::prepare(instance, RanBefore { data, configuration: true, ..RanBefore::default() })?;
    let before: BTreeSet<String> = observe(instance.name())?.services.into_keys().in_order();
    let deployment = deploy(instance, Stage::Open, place)?;
    for service in deployment.images.keys().filter(|service| before.contains(*service)) {
        order(&["service", "update", "--quiet", "--detach", "--force", &format!("{}_{service}", instance.name())])?;
    }
    let state = State { stopped: false, removed: false, ..instance.state.clone() };
    state.write(place)?;
    pass(instance, Stage::Open, &deployment, watch)?;
    keep_override(instance, place)?;
    Ok(state)
}

/// Changes the configuration and starts every service again. Where they do not come up, the change is undone.
///
/// # Errors
/// The file cannot be changed, then nothing was; or the services do not come up with it, and run as before.
pub fn reconfigure(instance: &Instance, place: &Place, changes: &[(String, Value)], watch: Watch<'_>) -> Result<()> {
    let configuration = Configuration::expect(instance)?;
    configuration.change(changes)?;
    if instance.state.stopped {
        return configuration.settle();
    }
    match open_again(instance, place, watch) {
        Ok(()) => configuration.settle(),
        Err(error) => {
            watch.progress.note(&tr!("the services do not come up: {error}", error));
            configuration.undo()?;
            open_again(instance, place, Watch { interruption: None, timeout: None, ..watch })?;
            Err(error.fact("now running", tr!("as before: the change is undone")))
        }
    }
}

/// Deploys what is installed with the configuration as it is now, and waits until all of it is up. Whoever reads that file is
/// started anew, for it has another digest; the services that keep data go on.
pub(super) fn open_again(instance: &Instance, place: &Place, watch: Watch<'_>) -> Result<()> {
    let data = !instance.stores().is_empty();
    folders::prepare(instance, RanBefore { data, configuration: true, ..RanBefore::default() })?;
    pass(instance, Stage::Open, &deploy(instance, Stage::Open, place)?, watch)?;
    keep_override(instance, place)
}

/// Takes back a change of the configuration that was broken off, and starts the services again. No other change is under way.
///
/// # Errors
/// The file cannot be written, or the services do not come up.
pub fn recover_configuration(place: &Place, watch: Watch<'_>) -> Result<bool> {
    let Some(state) = State::read(place)? else { return Ok(false) };
    let instance = Instance::of(state, place)?;
    let is_undone = match Configuration::of(&instance) {
        Some(configuration) => configuration.undo()?,
        None => false,
    };
    // Of a 'restore' that was broken off before it changed anything, or after all was changed.
    remove_folder(&instance.install_dir().join(UNPACKED_BACKUP))?;
    if is_undone && !instance.state.stopped {
        restart(&instance, place, watch)?;
    }
    Ok(is_undone)
}

/// Takes the stack away. Data stays.
///
/// # Errors
/// The engine refuses.
pub fn stop(instance: &Instance, place: &Place) -> Result<()> {
    State { stopped: true, ..instance.state.clone() }.write(place)?;
    remove(instance.name())
}

/// Writes the database into `{install dir}/backups` while everything runs, and removes the oldest beyond what is kept.
///
/// # Errors
/// The product cannot, or the dump is not whole.
pub fn backup(instance: &Instance, watch: Watch<'_>) -> Result<PathBuf> {
    let spec = &instance.product().dump;
    let version = &instance.deployed().version;
    let stem = spec.name.clone().unwrap_or_else(|| format!("{}-{version}", instance.name()));
    let made = dump::make(instance, &dump::folder(instance), &stem, watch)?;
    // Versions come and go; what is kept is kept of all.
    dump::rotate(spec, spec.name.as_deref().unwrap_or(instance.name()), &made);
    Ok(made)
}

/// Takes the stack away, with `purge` the data, the dumps and the images too. Returns what is mounted where the data was,
/// such as a folder that another host has too: that stays, with what lies around it.
///
/// # Errors
/// The engine refuses, or something cannot be removed.
pub fn uninstall(instance: &Instance, place: &Place, purge: bool) -> Result<Vec<PathBuf>> {
    State { stopped: true, removed: true, ..instance.state.clone() }.write(place)?;
    remove(instance.name())?;
    logs::forget(instance)?;
    if !purge {
        return Ok(Vec::new());
    }
    let mut left = Vec::new();
    let own = instance.product().folders.iter().map(|folder| folder.path.below(instance.install_dir()));
    for folder in own.chain(["secrets", "backups", UNPACKED_BACKUP].map(|name| instance.install_dir().join(name))) {
        let mounted = mounts::below(&folder);
        if mounted.is_empty() {
            remove_folder(&folder)?;
        } else {
            left.extend(mounted);
        }
    }
    own_file::remove(&instance.stack_file())?;
    own_file::remove(&instance.override_file())?;
    remove_empty(instance);
    let previous = instance.state.previous.as_ref().map(|previous| &previous.deployed);
    let mut images = ids([Some(instance.deployed()), previous].into_iter().flatten());
    // Those of a version that never came up, too.
    images.extend(folders_in(&place.versions())?.iter().flat_map(|version| loaded_for(version)));
    for id in images {
        // Another product may use it; then it stays.
        let _ = engine::remove_image(&id);
    }
    own_file::remove(&place.state())?;
    remove_folder(&place.var())?;
    left.sort();
    left.dedup();
    Ok(left)
}

/// Removes the folders above what was removed, as far as nothing is in them.
fn remove_empty(instance: &Instance) {
    let mut parents: Vec<PathBuf> = instance
        .product()
        .folders
        .iter()
        .filter_map(|folder| folder.path.below(instance.install_dir()).parent().map(PathBuf::from))
        .collect();
    parents.push(instance.install_dir().to_owned());
    parents.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    for path in parents {
        // What somebody else put there stays.
        let _ = fs::remove_dir(path);
    }
}

/// After a change that was committed: what neither the version that runs nor the one before it needs goes.
///
/// # Errors
/// A folder cannot be removed.
pub fn forget_old(state: &State, before: Option<&State>, place: &Place) -> Result<()> {
    let kept: Vec<&Deployed> = [Some(&state.current), state.previous.as_ref().map(|previous| &previous.deployed)]
        .into_iter()
        .flatten()
        .collect();
    let older = before.and_then(|before| before.previous.as_ref()).map(|previous| &previous.deployed);
    let needed = ids(kept.iter().copied());
    let versions: Vec<PathBuf> = kept.iter().map(|deployed| place.version(&deployed.version)).collect();
    let mut others = folders_in(&place.versions())?;
    others.retain(|folder| !versions.contains(folder));
    // Of one that never came up it is known what was loaded, no more.
    let mut images = older.map(|older| ids([older])).unwrap_or_default();
    images.extend(others.iter().flat_map(|version| loaded_for(version)));
    for id in images.difference(&needed) {
        // One that something else uses stays.
        let _ = engine::remove_image(id);
    }
    others.iter().try_for_each(|folder| remove_folder(folder))
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(fs::read_dir(folder).doing("list the folder", folder)?.flatten().map(|entry| entry.path()).collect())
}

fn ids<'a>(of: impl IntoIterator<Item = &'a Deployed>) -> BTreeSet<String> {
    of.into_iter().flat_map(|deployed| deployed.images.values().cloned()).in_order()
}
