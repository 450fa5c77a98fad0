//! Whether a host lacks a Docker that runs, in a way that can be mended.

use std::process::Command;
use std::time::Duration;

use super::super::preflight::{is_led, listens};
use super::programs::run;

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(20);

/// In which way it lacks one.
pub(super) enum Absence {
    /// There is none: neither its command nor one that listens.
    Missing,
    /// One is there, and its unit is not started. A unit that failed is for a person to look at.
    StandsStill,
}

/// Whether there is no Docker, or one that only has to be started.
pub fn is_absent() -> bool {
    absence().is_some()
}

pub(super) fn absence() -> Option<Absence> {
    // Who leads the commands elsewhere wants no other Docker.
    if is_led() {
        return None;
    }
    let said = |program: &str, words: &[&str]| run(Command::new(program).args(words), LONGEST, None);
    if said("docker", &["--version"]).is_err() {
        return (!listens()).then_some(Absence::Missing);
    }
    if answers() {
        return None;
    }
    let state = said("systemctl", &["is-active", "docker"]).ok()?;
    let is_still =
        state.text.trim() == "inactive" && said("systemctl", &["cat", "docker"]).is_ok_and(|cat| cat.is_well);
    is_still.then_some(Absence::StandsStill)
}

/// Whether a Docker answers.
fn answers() -> bool {
    let version = ["version", "--format", "{{.Server.Version}}"];
    run(Command::new("docker").args(version), LONGEST, None).is_ok_and(|said| said.is_well)
}
