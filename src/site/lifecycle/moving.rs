//! Data that moves to where another host keeps it: the product's own hook carries it, and says what the configuration is
//! to say from then on.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::configuration::Configuration;
use super::deploy::{deploy, remove};
use super::gate::pass;
use super::hook::Hook;
use super::instance::Instance;
use super::journal::Journal;
use super::place::Place;
use super::upkeep::open_again;
use super::watch::Watch;
use super::way_back::{Step, take_back};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::product::HookVerb;
use crate::small_file;
use crate::stack::Stage;
use crate::yaml::read_flat;

/// Runs the hook `external` with `args`, which first looks and then moves while only the services that keep data run, and
/// sets what it wrote. Returns the keys. It is a change that is broken off as every other: what ran before comes back.
///
/// # Errors
/// The hook fails, or the services do not come up: they run as before, and what is here is as it was.
pub fn move_outside(instance: &Instance, place: &Place, args: &[String], watch: Watch<'_>) -> Result<Vec<String>> {
    let hook = Hook::of(instance, HookVerb::External).ok_or_else(|| {
        Error::failed(tr!("{} cannot move its data to another host", instance.product().title))
            .hint(tr!("move it by its own means, then: pack site set"))
    })?;
    let configuration = Configuration::expect(instance)?;
    let answer = place.var().join("external.yaml");
    let shown = answer.display().to_string();
    let _ = fs::remove_file(&answer);
    let words = |step| [step, shown.as_str()].into_iter().chain(args.iter().map(String::as_str)).collect::<Vec<_>>();
    // What would not do is told before anything stands still.
    watch.progress.phase("looking");
    hook.run(&words("check"), watch)?;
    watch.progress.phase("moving");
    let step = Step { from: Some(instance), to: instance, place, watch };
    let journal = Journal::of(step.from, instance);
    journal.begin(place)?;
    let moved = (|| -> Result<Vec<String>> {
        let stores = deploy(instance, Stage::Stores, place)?;
        pass(instance, Stage::Stores, &stores, watch)?;
        hook.run(&words("move"), watch)?;
        let changes = read(&answer)?;
        configuration.change(&changes)?;
        if instance.state.stopped {
            remove(instance.name())?
        } else {
            open_again(instance, place, watch)?
        }
        configuration.settle()?;
        Ok(changes.into_iter().map(|(key, _)| key).collect())
    })();
    // It has passwords.
    let _ = fs::remove_file(&answer);
    match moved {
        Ok(keys) => journal.close(place).map(|()| keys),
        Err(error) => Err(take_back(journal, step, error)),
    }
}

fn read(answer: &Path) -> Result<Vec<(String, Value)>> {
    let text = small_file::read_if_there(answer, 64 << 10)?.unwrap_or_default();
    let values = read_flat(&String::from_utf8_lossy(&text)).unwrap_or_default();
    if values.is_empty() {
        return Err(Error::failed(tr!("the product's hook 'external' wrote nothing that is to be set")));
    }
    Ok(values.into_iter().collect())
}
