//! The way back of a change: what ran before runs again, with its database as it was.

use std::path::{Path, PathBuf};

use super::configuration::Configuration;
use super::deploy::{deploy, deploy_under, override_before, remove};
use super::dump;
use super::folders::{RanBefore, prepare, set_data_aside};
use super::gate::pass;
use super::instance::Instance;
use super::journal::{Journal, Phase};
use super::place::Place;
use super::stale_ports;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::own_file;
use crate::path::shell_word;
use crate::stack::Stage;

/// Between what and what a change goes.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    /// What ran before; nothing at a first installation.
    pub(super) from: Option<&'a Instance>,
    /// What is to run.
    pub(super) to: &'a Instance,
    /// Whose.
    pub(super) place: &'a Place,
    /// Who looks on.
    pub(super) watch: Watch<'a>,
}

/// Puts a dump back into the stores of `instance`, which alone run; `over` is the operator's stack
/// file.
pub(super) fn bring_back(over: &Path, instance: &Instance, dump: &Path, place: &Place, watch: Watch<'_>) -> Result<()> {
    watch.progress.phase("restoring");
    let stores = deploy_under(over, instance, Stage::Stores, place)?;
    if let Err(error) = pass(instance, Stage::Stores, &stores, watch) {
        watch.check()?;
        // The files are of another version of the store. They are kept, and the dump goes into new ones.
        watch.progress.note(&tr!("the database does not start on its files, which are set aside: {error}", error));
        remove(instance.name())?;
        for path in set_data_aside(instance, "aside")? {
            watch.progress.note(&tr!("set aside, to be removed by hand: {}", path.display()));
        }
        prepare(instance, RanBefore::default())?;
        let stores = deploy_under(over, instance, Stage::Stores, place)?;
        pass(instance, Stage::Stores, &stores, watch)?;
    }
    dump::restore(instance, dump, watch)
}

/// Goes back to what ran before. The journal stays.
pub(super) fn back(journal: &mut Journal, step: Step<'_>) -> Result<()> {
    let Step { from, to, place, watch } = step;
    // Who wants it to end wants what ran before; and nobody waits shorter for that than the product says.
    let watch = Watch { interruption: None, timeout: None, ..watch };
    // One that was brought for this change comes with it and goes with it.
    if let Some(configuration) = Configuration::of(to) {
        configuration.undo()?;
    }
    let Some(from) = from else {
        remove(to.name())?;
        stale_ports::free(to, watch);
        // Whoever finds one takes it for an installation.
        return own_file::remove(&to.stack_file());
    };
    // Somebody may have written into it what no engine takes, and what ran before ran without that.
    let over = override_before(from, place);
    let changed = matches!(journal.phase, Phase::Deploying | Phase::Opening | Phase::Returning);
    if changed {
        if journal.phase == Phase::Opening && journal.dump.is_some() {
            save_given_up(to, place, watch);
        }
        journal.enter(Phase::Returning, place)?;
        if let Some(exchange) = &journal.exchange {
            remove(from.name())?;
            exchange.undo(from.install_dir())?;
        }
        if let Some(dump) = journal.dump.clone() {
            bring_back(&over, from, &dump, place, watch)?;
        }
    }
    if from.state.stopped {
        return remove(from.name());
    }
    watch.progress.phase("opening");
    let opened = deploy_under(&over, from, Stage::Open, place)?;
    pass(from, Stage::Open, &opened, watch)
}

/// Saves what somebody may have written into a version whose ports were open already. Where that cannot be, the way back
/// does not wait for it.
fn save_given_up(to: &Instance, place: &Place, watch: Watch<'_>) {
    if !dump::is_possible(to) {
        return;
    }
    let save = || -> Result<PathBuf> {
        let stores = deploy(to, Stage::Stores, place)?;
        pass(to, Stage::Stores, &stores, watch)?;
        dump::make(to, &place.dumps(), &format!("given-up-{}", to.deployed().version), watch)
    };
    match save() {
        Ok(path) => watch.progress.note(&tr!("what was written since its ports opened: {}", path.display())),
        Err(error) => watch.progress.note(&tr!("what was written since its ports opened is not saved: {error}", error)),
    }
}

/// Goes back after `error`. Returns what to tell.
pub(super) fn take_back(mut journal: Journal, step: Step<'_>, error: Error) -> Error {
    let Step { from, to, place, watch } = step;
    watch.progress.note(&tr!("it failed: {error}", error));
    watch.progress.note(&tr!("what ran before comes back"));
    journal.reason = Some(error.to_string());
    let again = tr!("pack site recover --name {}", place.name());
    if let Err(second) = back(&mut journal, step) {
        return error
            .fact("and the way back failed", second)
            .fact("journal", place.journal().display())
            .hint(tr!("see to what stands there, then: {again}", again));
    }
    let now = match from {
        Some(from) if from.state.stopped => {
            tr!("nothing, as before; {} is what 'restart' starts", from.deployed().version)
        }
        Some(from) if journal.dump.is_some() => {
            tr!("{} again, with its database as it was", from.deployed().version)
        }
        Some(from) => format!("{} again", from.deployed().version),
        None => tr!("nothing; the data in {} stays", to.install_dir().display()),
    };
    let dump = journal.dump.clone();
    if let Err(second) = journal.close(place) {
        return error.fact("now running", now).fact("and the journal stays", second).hint(again);
    }
    let error = error.fact("now running", now);
    let error = match dump {
        Some(dump) => error.fact("dump", dump.display()),
        None => error,
    };
    error.hint_where_none(tr!(
        "see to the reason, then the same command again; the logs: docker service logs {}_SERVICE",
        shell_word(Path::new(to.name()))
    ))
}
