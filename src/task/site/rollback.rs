//! Going back to the version before, database included: a person's decision.

use std::time::Instant;

use super::at_work::AtWork;
use super::installed::Installed;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::site::lifecycle::{Change, Instance, Place, Previous, Receipt, State};

/// What going back costs.
#[derive(Debug)]
pub struct Cost {
    /// The version that runs.
    pub from: String,
    /// The version that would run.
    pub to: String,
    /// The dump that would be put back; without one the database stays as it is.
    pub dump: Option<String>,
}

/// Says what going back would cost.
///
/// # Errors
/// There is nothing to go back to.
pub fn cost(name: Option<&str>) -> Result<Cost> {
    let installed = Installed::find_in_use(name)?;
    let previous = previous(&installed)?;
    Ok(Cost {
        from: installed.instance.state.current.version.to_string(),
        to: previous.deployed.version.to_string(),
        dump: previous.dump.as_ref().map(|dump| dump.display().to_string()),
    })
}

/// Goes back. What the database has now is dumped first.
///
/// # Errors
/// There is nothing to go back to; or the change failed, and what ran before runs again: see the error.
pub fn run(name: Option<&str>, at_work: &AtWork<'_>) -> Result<Receipt> {
    let started = Instant::now();
    let place: Place = super::installed::place(name)?;
    let _lock = at_work.begin(&place)?;
    let installed = Installed::find_in_use(name)?;
    let Previous { deployed, dump } = previous(&installed)?;
    let state = State { current: deployed, previous: None, ..installed.instance.state.clone() };
    let to = Instance::of(state, &place)?;
    let signed = tr!("taken back from {}", installed.instance.state.current.version);
    let change = Change { place: &place, from: Some(&installed.instance), to: &to, restore: dump, signed, started };
    Ok(change.make(at_work.watch())?.receipt)
}

fn previous(installed: &Installed) -> Result<Previous> {
    installed.instance.state.previous.clone().ok_or_else(|| {
        Error::failed(tr!("there is no version before this one on this host"))
            .fact("installed", &installed.instance.state.current.version)
            .hint(tr!("an older bundle can be installed over it: add --allow-downgrade to the command that runs it; then put a dump back with 'pack site restore'"))
    })
}
