//! A change of what runs, as one transaction: it ends in the new version, or in the old one as it was. The drawing is in
//! [`journal`](super::journal).

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::deploy::{deploy, remove};
use super::dump;
use super::folders::{RanBefore, prepare, set_data_aside};
use super::gate::pass;
use super::instance::Instance;
use super::journal::{Journal, Phase};
use super::left_over;
use super::place::Place;
use super::receipt::Receipt;
use super::state::{Previous, State};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::stack::Stage;

/// What a change is to end in.
#[derive(Debug)]
pub struct Change<'a> {
    /// Whose.
    pub place: &'a Place,
    /// What runs now; nothing at a first installation.
    pub from: Option<&'a Instance>,
    /// What is to run.
    pub to: &'a Instance,
    /// A dump that is put back before `to` starts.
    pub restore: Option<PathBuf>,
    /// What the receipt is to say of its publisher.
    pub signed: String,
    /// When all of it began.
    pub started: Instant,
}

/// What a change has come to.
#[derive(Debug)]
pub struct Committed {
    /// What is installed now.
    pub state: State,
    /// What was written of it.
    pub receipt: Receipt,
}

/// How a change ended that was found unfinished.
#[derive(Debug, PartialEq, Eq)]
pub enum Recovered {
    /// There was none.
    Nothing,
    /// The new version runs: which.
    Finished(String),
    /// The old version runs, which; or nothing, after a first installation.
    TakenBack(Option<String>),
}

impl Change<'_> {
    /// Makes the change.
    ///
    /// # Errors
    /// It failed, and what ran before runs again with its database as it was; or that failed too, and the journal stays:
    /// the error says which.
    pub fn make(self, watch: Watch<'_>) -> Result<Committed> {
        let mut journal = Journal {
            phase: Phase::Closing,
            from: self.from.map(|from| from.state.clone()),
            to: self.to.state.clone(),
            dump: None,
            restore: self.restore,
            signed: self.signed,
            reason: None,
        };
        watch.check()?;
        journal.write(self.place)?;
        match forward(&mut journal, self.from, self.to, self.place, watch) {
            Ok(()) => commit(journal, self.to, self.place, self.started),
            Err(error) => Err(take_back(journal, self.from, self.to, self.place, watch, error)),
        }
    }
}

/// Brings a change to its end that was broken off.
///
/// # Errors
/// It cannot be read, or neither version comes up: the journal stays.
pub fn recover(place: &Place, watch: Watch<'_>) -> Result<Recovered> {
    let Some(mut journal) = Journal::read(place)? else { return Ok(Recovered::Nothing) };
    let started = Instant::now();
    drop(left_over::end(place)?);
    let from = journal.from.clone().map(|state| Instance::of(state, place)).transpose()?;
    let to = Instance::of(journal.to.clone(), place)?;
    if journal.phase == Phase::Opening {
        watch.progress.note("a change was broken off after its gate: it goes on");
        match open(&mut journal, &to, place, watch) {
            Ok(()) => return Ok(Recovered::Finished(commit(journal, &to, place, started)?.receipt.version)),
            Err(error) => watch.progress.note(&format!("the new version does not come up: {error}")),
        }
    }
    watch.progress.note("a change was broken off: what ran before comes back");
    back(&mut journal, from.as_ref(), &to, place, watch)?;
    let version = journal.from.as_ref().map(|state| state.current.version.to_string());
    journal.close(place)?;
    Ok(Recovered::TakenBack(version))
}

fn forward(
    journal: &mut Journal,
    from: Option<&Instance>,
    to: &Instance,
    place: &Place,
    watch: Watch<'_>,
) -> Result<()> {
    // The same version finds the database that it left, and may be seen at once; every other may change it.
    let other = from.filter(|from| !from.deployed().is_the_version_of(to.deployed()) || journal.restore.is_some());
    if let Some(from) = other {
        if dump::is_possible(from) {
            watch.progress.phase("closing");
            let stores = deploy(from, Stage::Stores, place)?;
            pass(from, Stage::Stores, &stores, watch)?;
            watch.progress.phase("dumping");
            journal.enter(Phase::Dumping, place)?;
            let stem = format!("before-{}-from-{}", to.deployed().version, from.deployed().version);
            journal.dump = Some(dump::make(from, &place.dumps(), &stem, watch)?);
            watch.check()?;
        } else {
            watch
                .progress
                .note("no dump is made: the database is not the product's own, or the product has no hook for it");
        }
    }
    watch.progress.phase("deploying");
    journal.enter(Phase::Deploying, place)?;
    if let Some(restore) = journal.restore.clone() {
        bring_back(to, &restore, place, watch)?;
    }
    // Where nothing runs that somebody may reach, a closed stage would only make everything start twice.
    if other.is_some() {
        let closed = deploy(to, Stage::Closed, place)?;
        pass(to, Stage::Closed, &closed, watch)?;
    }
    open(journal, to, place, watch)
}

fn open(journal: &mut Journal, to: &Instance, place: &Place, watch: Watch<'_>) -> Result<()> {
    watch.progress.phase("opening");
    if journal.from.is_some() {
        journal.enter(Phase::Opening, place)?;
    }
    let opened = deploy(to, Stage::Open, place)?;
    pass(to, Stage::Open, &opened, watch)
}

/// Puts a dump back into the stores of `instance`, which alone run.
fn bring_back(instance: &Instance, dump: &Path, place: &Place, watch: Watch<'_>) -> Result<()> {
    watch.progress.phase("restoring");
    let stores = deploy(instance, Stage::Stores, place)?;
    if let Err(error) = pass(instance, Stage::Stores, &stores, watch) {
        watch.check()?;
        // The files are of another version of the store. They are kept, and the dump goes into new ones.
        watch.progress.note(&format!("the database does not start on its files, which are set aside: {error}"));
        remove(instance.name())?;
        for path in set_data_aside(instance, "aside")? {
            watch.progress.note(&format!("set aside, to be removed by hand: {}", path.display()));
        }
        prepare(instance, RanBefore::default())?;
        let stores = deploy(instance, Stage::Stores, place)?;
        pass(instance, Stage::Stores, &stores, watch)?;
    }
    dump::restore(instance, dump, watch)
}

/// Goes back to what ran before. The journal stays.
fn back(journal: &mut Journal, from: Option<&Instance>, to: &Instance, place: &Place, watch: Watch<'_>) -> Result<()> {
    // Who wants it to end wants what ran before; and nobody waits shorter for that than the product says.
    let watch = Watch { interruption: None, timeout: None, ..watch };
    let Some(from) = from else {
        return remove(to.name());
    };
    let changed = matches!(journal.phase, Phase::Deploying | Phase::Opening | Phase::Returning);
    if changed {
        if journal.phase == Phase::Opening && journal.dump.is_some() {
            save_given_up(to, place, watch);
        }
        journal.enter(Phase::Returning, place)?;
        if let Some(dump) = journal.dump.clone() {
            bring_back(from, &dump, place, watch)?;
        }
    }
    if from.state.stopped {
        return remove(from.name());
    }
    watch.progress.phase("opening");
    let opened = deploy(from, Stage::Open, place)?;
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
        Ok(path) => watch.progress.note(&format!("what was written since its ports opened: {}", path.display())),
        Err(error) => watch.progress.note(&format!("what was written since its ports opened is not saved: {error}")),
    }
}

/// Goes back after `error`. Returns what to tell.
fn take_back(
    mut journal: Journal,
    from: Option<&Instance>,
    to: &Instance,
    place: &Place,
    watch: Watch<'_>,
    error: Error,
) -> Error {
    watch.progress.note(&format!("it failed: {error}"));
    watch.progress.note("what ran before comes back");
    journal.reason = Some(error.to_string());
    let again = format!("pack site recover --name {}", place.name());
    if let Err(second) = back(&mut journal, from, to, place, watch) {
        return error
            .fact("and the way back failed", second)
            .fact("journal", place.journal().display())
            .hint(format_args!("see to what stands there, then: {again}"));
    }
    let now = match from {
        Some(from) if from.state.stopped => {
            format!("nothing, as before; {} is what 'restart' starts", from.deployed().version)
        }
        Some(from) if journal.dump.is_some() => {
            format!("{} again, with its database as it was", from.deployed().version)
        }
        Some(from) => format!("{} again", from.deployed().version),
        None => format!("nothing; the data in {} stays", to.install_dir().display()),
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
    error.hint_where_none(format_args!(
        "see to the reason, then the same command again; the logs: docker service logs {}_SERVICE",
        shell_word(Path::new(to.name()))
    ))
}

/// Writes down what runs now; the change is over.
fn commit(journal: Journal, to: &Instance, place: &Place, started: Instant) -> Result<Committed> {
    let mut state = journal.to.clone();
    state.stopped = false;
    state.removed = false;
    state.previous = match &journal.from {
        Some(from) if from.current.version != state.current.version => {
            Some(Previous { deployed: from.current.clone(), dump: journal.dump.clone() })
        }
        Some(from) => from.previous.clone(),
        None => None,
    };
    let receipt = Receipt::of(&state, &to.files, &journal.signed, started.elapsed().as_secs())?;
    state.write(place)?;
    receipt.write(place)?;
    journal.close(place)?;
    Ok(Committed { state, receipt })
}
