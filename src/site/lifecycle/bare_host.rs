//! A host on which no Docker runs: the carried one is brought to it, or the one that stands still is started. One that is there
//! is never replaced.
//!
//! ```text
//! absence ─ Missing ──────▶ obstacles ─▶ unpacked, started for its version ─▶ obstacles ─▶ Provision::Install ─┐
//!    └────── StandsStill ──────────────────────────────────────────────────────────────▶ Provision::Start ───┴▶ it answers
//! ```

mod absence;
mod carried_docker;
mod obstacles;
mod programs;
mod start;
mod unpack;

pub use absence::is_absent;

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

use absence::Absence;
use carried_docker::CarriedDocker;

use super::delivery::Delivery;
use super::instance::Instance;
use super::preflight::{Finding, Level, MISSING, SILENT, carried_engine};
use super::watch::Watch;
use crate::error::{IoContext, Result};
use crate::language::tr;
use crate::path::RelPath;

/// The unit of an engine for which the product names none. Without a limit of open files some databases take gigabytes of
/// memory: it has one.
const USUAL_UNIT: &str = include_str!("bare_host/docker.service");

/// What brings a host a Docker that runs.
pub struct Provision(What);

enum What {
    /// The carried one, unpacked, and the text of its unit.
    Install(CarriedDocker, Vec<u8>),
    /// The one that is there.
    Start,
}

/// What would bring this host a Docker that runs, if none does. `findings` are those of a preflight: what would be done takes
/// the place of that there is none, and what is in its way comes along. Where anything is, nothing is to be done.
pub fn provision(instance: &Instance, delivery: &Delivery<'_>, findings: &mut Vec<Finding>) -> Option<Provision> {
    let is_found = |findings: &[Finding], code| findings.iter().any(|finding| finding.code == code);
    let what = match absence::absence()? {
        Absence::Missing if is_found(findings, MISSING) => install(instance, delivery, findings),
        Absence::StandsStill if is_found(findings, SILENT) => {
            findings.retain(|finding| finding.code != SILENT);
            let what = tr!("Docker is here, stands still, and would be started");
            findings.push(Finding::new(Level::Note, "docker-still", what, looked_at_later()));
            Some(What::Start)
        }
        Absence::Missing | Absence::StandsStill => None,
    };
    findings.sort_by_key(|finding| Reverse(finding.level));
    what.filter(|_| nothing_is_in_the_way(findings)).map(Provision)
}

fn looked_at_later() -> String {
    tr!("nothing to do: what can be looked at with a Docker only is looked at then, before anything else is changed")
}

fn nothing_is_in_the_way(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level != Level::Error)
}

fn install(instance: &Instance, delivery: &Delivery<'_>, findings: &mut Vec<Finding>) -> Option<What> {
    // Where none is for this host, preflight has said why.
    let artifact = carried_engine(instance, findings)?;
    let root = Path::new("/");
    findings.retain(|finding| finding.code != MISSING);
    findings.extend(obstacles::of_system(root));
    let note = |what| Finding::new(Level::Note, MISSING, what, looked_at_later());
    // An engine is large: it is unpacked only where it would be installed.
    if !nothing_is_in_the_way(findings) {
        findings.push(note(tr!("there is no Docker here: the carried one would be installed, from {}", artifact)));
        return None;
    }
    let prepared = unit_of(instance, &artifact).and_then(|unit| Ok((CarriedDocker::prove(delivery, &artifact)?, unit)));
    let (docker, unit) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let remedy = error.hint_text().unwrap_or_default().to_owned();
            findings.push(Finding::new(Level::Error, "engine", error.to_string(), remedy));
            return None;
        }
    };
    findings.extend(obstacles::of_docker(root, &docker, &unit, &instance.product().needs.docker));
    findings.push(note(tr!(
        "there is no Docker here: {} would be installed from {}, with the unit docker.service",
        docker.version(),
        artifact
    )));
    Some(What::Install(docker, unit))
}

/// The unit that the product names for its engine, or the usual one.
fn unit_of(instance: &Instance, artifact: &RelPath) -> Result<Vec<u8>> {
    let of_artifact = instance.product().engines.iter().find(|engine| engine.artifact == *artifact);
    let Some(unit) = of_artifact.and_then(|engine| engine.unit.as_ref()) else { return Ok(USUAL_UNIT.into()) };
    let path = unit.below(instance.files.root());
    fs::read(&path).doing("read", &path)
}

impl Provision {
    /// Does it: a Docker answers then.
    ///
    /// # Errors
    /// There is no room, systemd refuses, it does not answer after a while, or somebody wants the run to end.
    pub fn carry_out(self, watch: Watch<'_>) -> Result<()> {
        watch.check()?;
        if let What::Install(docker, unit) = &self.0 {
            watch.progress.note(&tr!("installing Docker {}", docker.version()));
            docker.install(Path::new("/"), unit)?;
            start::read_units(watch)?;
        } else {
            watch.progress.note(&tr!("starting Docker"));
        }
        start::start(watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_unit_limits_open_files_and_is_started_at_boot() {
        let lines: Vec<&str> = USUAL_UNIT.lines().collect();
        for line in ["ExecStart=/usr/bin/dockerd", "LimitNOFILE=1048576", "WantedBy=multi-user.target"] {
            assert!(lines.contains(&line), "{line}");
        }
    }
}
