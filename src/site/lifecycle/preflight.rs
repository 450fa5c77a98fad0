//! Everything that is looked at before anything is changed: all findings at once, each with what to do.

mod carried;
mod engine;
mod host;
mod kernel;
mod networks;

pub(super) use carried::has_only_cgroup_v2;
pub use engine::expect_own_engine;
pub(super) use engine::{MISSING, SILENT, is_led, listens};
pub(super) use host::{is_at_least, is_command, listening};

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::deploy;
use super::instance::Instance;
use super::state::State;
use super::swarm;
use crate::in_order::InOrder;
use crate::language::tr;
use crate::path::RelPath;
use crate::platform::Platform;
use crate::stack::ByIpvs;

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
    /// The word for it, in the reader's language.
    pub fn word(self) -> String {
        match self {
            Level::Note => tr!("note"),
            Level::Warning => tr!("warning"),
            Level::Error => tr!("error"),
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
    /// One that is told by `what` and `remedy`.
    pub(super) fn new(level: Level, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { level, code, what: what.into(), remedy: remedy.into() }
    }
}

/// The carried engine for this host, where it has none and one fits.
pub fn carried_engine(instance: &Instance, findings: &[Finding]) -> Option<RelPath> {
    let is_missing = findings.iter().any(|finding| finding.code == MISSING);
    is_missing.then(|| choose(instance).ok().flatten().cloned()).flatten()
}

fn choose(instance: &Instance) -> Result<Option<&RelPath>, String> {
    let platform = Platform::host();
    platform.map_or(Ok(None), |platform| {
        carried::choose(instance.product(), instance.files.manifest(), platform, Path::new("/"))
    })
}

/// Looks at the host for `instance`; `known` is what is installed on it, `pool` the addresses that were asked for. Nothing is
/// changed.
pub fn preflight(instance: &Instance, known: Option<&State>, pool: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    host::look(instance, &mut findings);
    host::look_at_left_behind(instance, &mut findings);
    kernel::look(Path::new("/"), &mut findings);
    // What is wrong with the operator's own file is told when it is laid over.
    let stack = deploy::template(instance).unwrap_or_else(|_| instance.files.template().clone());
    findings.extend(kernel::look_at_ipvs(Path::new("/"), ByIpvs::of(&stack, &instance.left_out())));
    let answers = engine::look(&mut findings, instance);
    // The networks of a swarm that is there have theirs.
    if !answers || swarm::look().is_ok_and(|swarm| swarm.state == "inactive") {
        findings.extend(networks::look(Path::new("/"), pool));
    }
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
    names.filter_map(of).in_order()
}
