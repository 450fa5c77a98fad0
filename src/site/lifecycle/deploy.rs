//! A stage of a stack, given to the engine by image ID.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::docker::{lines, order};
use super::instance::Instance;
use super::observe::observe;
use super::own_stack;
use super::place::Place;
use super::reserve;
use super::swarm;
use crate::error::{Error, Result};
use crate::in_order::InOrder;
use crate::language::tr;
use crate::path::shell_word;
use crate::site::engine;
use crate::small_file;
use crate::stack::{self, Stage, overlay};
use crate::staged_file::StagedFile;
use crate::yaml;

/// How long containers may take to end.
const LONGEST_END: Duration = Duration::from_secs(180);
/// How long the swarm is given to remove containers itself.
const OWN_REMOVAL: Duration = Duration::from_secs(10);

/// What was given to the engine.
#[derive(Debug)]
pub(super) struct Deployment {
    /// The engine's image IDs by service.
    pub(super) images: BTreeMap<String, String>,
    /// The tasks that had failed before.
    pub(super) failed_before: BTreeSet<String>,
}

/// Deploys a stage of `instance`. What is not in that stage ends.
///
/// # Errors
/// The stack is not valid, an image of it is not on this host, or the engine refuses.
pub(super) fn deploy(instance: &Instance, stage: Stage, place: &Place) -> Result<Deployment> {
    deploy_under(&instance.override_file(), instance, stage, place)
}

/// As [`deploy`], with the file `over` as the operator's.
pub(super) fn deploy_under(over: &Path, instance: &Instance, stage: Stage, place: &Place) -> Result<Deployment> {
    let mut document = instance.render(&under(over, instance)?, stage)?;
    own_stack::complete(&mut document, instance, &swarm::look()?.node)?;
    let images = images_by_service(&document);
    check_images(instance, &images)?;
    let file = write(instance, stage, place, &document)?;
    let failed_before = observe(instance.name())?.failures();
    let shown = file.display().to_string();
    let words = ["stack", "deploy", "--prune", "--resolve-image", "never", "-c", &shown, instance.name()];
    order(&words).map_err(|error| {
        let over = if over.exists() { format!(" and {}", shell_word(over)) } else { String::new() };
        error.hint(tr!("see what it refuses: {}{over}", shell_word(&file), over))
    })?;
    // A service whose image was changed by hand keeps that one, for the stack file's has not changed.
    for (service, image) in &images {
        let full = format!("{}_{service}", instance.name());
        let has = order(&["service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", &full])?;
        if has.trim() != image {
            order(&["service", "update", "--quiet", "--detach", "--no-resolve-image", "--image", image, &full])?;
        }
    }
    Ok(Deployment { images, failed_before })
}

/// Checks that the stack file of `instance`, with the operator's laid over it, can be made. Nothing is changed.
///
/// # Errors
/// One of them is not valid.
pub(super) fn check(instance: &Instance) -> Result<()> {
    instance.render(&template(instance)?, Stage::Open).map(drop)
}

/// The product's template with the operator's file laid over it.
///
/// # Errors
/// The operator's file cannot be read, is not valid, or names images.
pub(super) fn template(instance: &Instance) -> Result<Value> {
    under(&instance.override_file(), instance)
}

/// Keeps the operator's file as it is now, for what runs has come up with it: the way back of a change needs it, whatever has
/// been written into it since.
///
/// # Errors
/// It cannot be read, or not be kept.
pub(super) fn keep_override(instance: &Instance, place: &Place) -> Result<()> {
    let text = small_file::read_if_there(&instance.override_file(), stack::LARGEST)?;
    StagedFile::write(&place.operators_stack(), &text.unwrap_or_default(), 0o600)
}

/// The operator's file as it was when what runs came up.
pub(super) fn override_before(instance: &Instance, place: &Place) -> PathBuf {
    Some(place.operators_stack()).filter(|kept| kept.exists()).unwrap_or_else(|| instance.override_file())
}

fn under(path: &Path, instance: &Instance) -> Result<Value> {
    let mut template = instance.files.template().clone();
    let Some(text) = small_file::read_if_there(path, stack::LARGEST)? else { return Ok(template) };
    let wrong = |why: String| {
        Error::failed(tr!("the operator's stack file is not valid"))
            .fact("path", path.display())
            .fact("reason", why)
            .hint(tr!("what runs was not touched; correct it, or move it away: mv {0} {0}.off", shell_word(path)))
    };
    let over: Value = yaml::read(&String::from_utf8_lossy(&text)).map_err(wrong)?;
    if over.is_null() {
        return Ok(template);
    }
    let services = over.get("services").and_then(Value::as_object);
    if let Some((name, _)) = services.into_iter().flatten().find(|(_, service)| service.get("image").is_some()) {
        return Err(wrong(tr!("'{name}' names an image there: images are those that were carried and proved", name)));
    }
    overlay(&mut template, over);
    stack::images_of(&template, &path.display().to_string())?;
    Ok(template)
}

fn images_by_service(document: &Value) -> BTreeMap<String, String> {
    let services = document.get("services").and_then(Value::as_object).into_iter().flatten();
    services.filter_map(|(name, service)| Some((name.clone(), service.get("image")?.as_str()?.to_owned()))).in_order()
}

/// The engine must have each image: what it lacks it would ask a registry for.
fn check_images(instance: &Instance, images: &BTreeMap<String, String>) -> Result<()> {
    for (service, id) in images {
        if engine::look_up(id)?.is_none() {
            return Err(Error::failed(tr!("an image is not on this host any more"))
                .fact("service", service)
                .fact("image", id)
                .hint(tr!("install {} {} again from its bundle", instance.name(), instance.deployed().version)));
        }
    }
    Ok(())
}

fn write(instance: &Instance, stage: Stage, place: &Place, document: &Value) -> Result<PathBuf> {
    let file = if stage == Stage::Open { instance.stack_file() } else { place.stage_file() };
    let text = yaml::write(document);
    let head =
        "# Made by pack at each installation. Changes belong into docker-stack.override.yaml, which is laid over it.\n";
    let text = format!("{head}{text}");
    reserve::with_room(place, instance.install_dir(), || StagedFile::write(&file, text.as_bytes(), 0o600))?;
    Ok(file)
}

/// Takes the stack away and waits until its containers and networks are gone. Data stays. A container that ended while Docker
/// itself was stopped may have been forgotten by the swarm: it is removed as the swarm removes those that it knows.
///
/// # Errors
/// The engine refuses, or something of it is still there after three minutes.
pub(super) fn remove(name: &str) -> Result<()> {
    let label = format!("label=com.docker.stack.namespace={name}");
    let order_it = || order(&["stack", "rm", name]);
    let mut ordered = order_it();
    let began = Instant::now();
    let mut has_helped = false;
    loop {
        let containers = order(&["ps", "--all", "--quiet", "--filter", &label])?;
        let networks = order(&["network", "ls", "--quiet", "--filter", &label])?;
        let left = lines(&containers).count() + lines(&networks).count();
        if left == 0 && ordered.is_ok() {
            return Ok(());
        }
        if ordered.is_ok() && !has_helped && began.elapsed() >= OWN_REMOVAL {
            remove_forgotten(&label);
            has_helped = true;
        }
        if began.elapsed() >= LONGEST_END {
            ordered?;
            return Err(Error::failed(tr!("a part of the stack does not end"))
                .fact("stack", name)
                .fact("left", left)
                .hint(tr!(
                    "see what it is: docker ps --all --filter {label}; docker network ls --filter {label}",
                    label
                )));
        }
        thread::sleep(Duration::from_millis(500));
        // A network of which a task has just begun to make use stays, with all that was to go after it.
        if ordered.is_err() {
            ordered = order_it();
        }
    }
}

/// Removes the containers with this label that have ended. Of each it may be that the swarm does it just then: who looks again
/// sees what is left.
fn remove_forgotten(label: &str) {
    let ended = ["exited", "created", "dead"].map(|state| format!("status={state}"));
    let mut words = vec!["ps", "--all", "--quiet", "--filter", label];
    words.extend(ended.iter().flat_map(|state| ["--filter", state]));
    for container in lines(&order(&words).unwrap_or_default()) {
        let _ = order(&["rm", "--volumes", container]);
    }
}
