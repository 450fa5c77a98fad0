//! A change of what runs, as one transaction: it ends in the new version, or in the old one as it was. The drawing is in
//! [`journal`](super::journal).

use std::path::PathBuf;
use std::time::Instant;

use super::configuration::Configuration;
use super::deploy::{self, deploy, remove};
use super::dump;
use super::exchange::Exchange;
use super::gate::pass;
use super::instance::Instance;
use super::journal::{Journal, Phase};
use super::left_over;
use super::place::Place;
use super::receipt::Receipt;
use super::reserve;
use super::state::{Previous, State};
use super::watch::Watch;
use super::way_back::{Step, back, bring_back, take_back};
use crate::error::Result;
use crate::language::tr;
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
        self.make_with(None, watch)
    }

    /// As [`Change::make`], and `exchange` is made before `to` starts.
    ///
    /// # Errors
    /// As [`Change::make`]: it is taken back too.
    pub(super) fn make_with(self, exchange: Option<Exchange>, watch: Watch<'_>) -> Result<Committed> {
        let start = Journal::of(self.from, self.to);
        let mut journal = Journal { restore: self.restore, exchange, signed: self.signed, ..start };
        watch.check()?;
        if let Some(dump) = &journal.restore {
            dump::check(dump, self.to)?;
        }
        // Without a stack file there is no way forward, and none back.
        self.from.into_iter().chain([self.to]).try_for_each(deploy::check)?;
        let step = Step { from: self.from, to: self.to, place: self.place, watch };
        journal.begin(self.place)?;
        match forward(&mut journal, step) {
            Ok(()) => commit(journal, self.to, self.place, self.started),
            Err(error) => Err(take_back(journal, step, error)),
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
    let step = Step { from: from.as_ref(), to: &to, place, watch };
    if journal.phase == Phase::Opening {
        watch.progress.note(&tr!("a change was broken off after its gate: it goes on"));
        match open(&mut journal, step) {
            Ok(()) => {
                let aside = journal.exchange.as_ref().map(|exchange| exchange.aside(to.install_dir()));
                let committed = commit(journal, &to, place, started)?;
                for path in aside.into_iter().flatten() {
                    watch.progress.note(&tr!("set aside, to be removed by hand: {}", path.display()));
                }
                return Ok(Recovered::Finished(committed.receipt.version));
            }
            Err(error) => watch.progress.note(&tr!("the new version does not come up: {error}", error)),
        }
    }
    watch.progress.note(&tr!("a change was broken off: what ran before comes back"));
    back(&mut journal, step)?;
    let version = journal.from.as_ref().map(|state| state.current.version.to_string());
    journal.close(place)?;
    Ok(Recovered::TakenBack(version))
}

fn forward(journal: &mut Journal, step: Step<'_>) -> Result<()> {
    let Step { from, to, place, watch } = step;
    // The same version finds the database that it left, and may be seen at once; every other may change it.
    let brings_other = journal.restore.is_some() || journal.exchange.is_some();
    let other = from.filter(|from| brings_other || !from.deployed().is_the_version_of(to.deployed()));
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
            watch.progress.note(&tr!(
                "no dump is made: the database is not the product's own, or the product has no hook for it"
            ));
        }
    }
    watch.progress.phase("deploying");
    journal.enter(Phase::Deploying, place)?;
    if let Some(exchange) = &journal.exchange {
        // Who has a folder mounted sees the old one for as long as it runs.
        remove(to.name())?;
        exchange.make(to.install_dir())?;
    }
    if let Some(restore) = journal.restore.clone() {
        bring_back(&to.override_file(), to, &restore, place, watch)?;
    }
    // Where nothing runs that somebody may reach, a closed stage would only make everything start twice.
    if other.is_some() {
        let closed = deploy(to, Stage::Closed, place)?;
        pass(to, Stage::Closed, &closed, watch)?;
    }
    open(journal, step)
}

fn open(journal: &mut Journal, step: Step<'_>) -> Result<()> {
    let Step { to, place, watch, .. } = step;
    watch.progress.phase("opening");
    if journal.from.is_some() {
        journal.enter(Phase::Opening, place)?;
    }
    let opened = deploy(to, Stage::Open, place)?;
    pass(to, Stage::Open, &opened, watch)
}

/// Writes down what runs now; the change is over.
fn commit(journal: Journal, to: &Instance, place: &Place, started: Instant) -> Result<Committed> {
    reserve::give_up(place, to.install_dir());
    write_down(journal, to, place, started).map_err(|error| {
        error
            .fact("now running", tr!("{}, which is not written down yet", to.deployed().version))
            .hint(tr!("see to that, then: pack site recover --name {}", place.name()))
    })
}

fn write_down(journal: Journal, to: &Instance, place: &Place, started: Instant) -> Result<Committed> {
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
    deploy::keep_override(to, place)?;
    state.write(place)?;
    receipt.write(place)?;
    if let Some(configuration) = Configuration::of(to) {
        configuration.settle()?;
    }
    journal.close(place)?;
    Ok(Committed { state, receipt })
}
