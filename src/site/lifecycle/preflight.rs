//! Everything that is looked at before anything is changed: all findings at once, each with what to do.

mod engine;
mod host;

use std::collections::BTreeSet;

use serde::Serialize;

use super::instance::Instance;
use super::state::State;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Note,
    /// It will run; something may go wrong later.
    Warning,
    /// Nothing is changed as long as it is so.
    Error,
}

impl Level {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// A word for programs, which stays the same.
    pub code: &'static str,
    /// What was found, and what was expected.
    pub what: String,
    /// What to type.
    pub remedy: String,
}

impl Finding {
    fn new(level: Level, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { level, code, what: what.into(), remedy: remedy.into() }
    }
}

/// Looks at the host for `instance`; `known` is what is installed on it. Nothing is changed.
pub fn preflight(instance: &Instance, known: Option<&State>) -> Vec<Finding> {
    let mut findings = Vec::new();
    host::look(instance, &mut findings);
    let answers = engine::look(&mut findings, instance.product());
    // Ports of a stack that runs are its own.
    let runs = answers && known.is_some_and(|state| !state.stopped && !state.removed);
    let own: BTreeSet<u16> = known.filter(|_| runs).map(|state| own_ports(instance, state)).unwrap_or_default();
    host::look_at_ports(instance, &own, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

fn own_ports(instance: &Instance, state: &State) -> BTreeSet<u16> {
    let names = instance.ports().into_keys();
    let of = |name: String| state.current.options.get(&name)?.as_u64().and_then(|port| u16::try_from(port).ok());
    names.filter_map(of).collect()
}
