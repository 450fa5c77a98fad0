//! Docker is started by systemd, now and at every boot.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::watch::Watch;
use super::programs::{Ended, run};
use crate::error::{Error, Result};
use crate::language::tr;

/// How long systemd may take to start it.
const LONGEST: Duration = Duration::from_secs(600);
/// How long one answer may take.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);
/// How long it may take to answer once it is started.
const LONGEST_SILENCE: Duration = Duration::from_secs(180);

/// Has systemd read its units again.
///
/// # Errors
/// It refuses.
pub(super) fn read_units(watch: Watch<'_>) -> Result<()> {
    expect_well(systemctl(&["daemon-reload"], watch), &tr!("systemd does not read the new unit of Docker"), watch)
}

/// Starts Docker and waits until it answers.
///
/// # Errors
/// It does not start, or does not answer, or somebody wants the run to end.
pub(super) fn start(watch: Watch<'_>) -> Result<()> {
    if !systemctl(&["enable", "docker"], watch).is_ok_and(|ended| ended.is_well) {
        watch.progress.note(&tr!(
            "systemctl enable docker failed: after a reboot, Docker and with it the product will not start by itself"
        ));
    }
    expect_well(systemctl(&["start", "docker"], watch), &tr!("Docker does not start"), watch)?;
    let deadline = Instant::now() + LONGEST_SILENCE;
    while !is_ready() {
        watch.check()?;
        if Instant::now() >= deadline {
            return Err(Error::failed(tr!("Docker was started but does not answer")).hint(look()));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Whether it answers, and has found its way back into a swarm that it was in.
fn is_ready() -> bool {
    let state = ["info", "--format", "{{.Swarm.LocalNodeState}}"];
    let said = run(Command::new("docker").args(state), LONGEST_ANSWER, None);
    said.is_ok_and(|said| said.is_well && !matches!(said.text.trim(), "" | "pending"))
}

fn systemctl(words: &[&str], watch: Watch<'_>) -> io::Result<Ended> {
    run(Command::new("systemctl").args(words), LONGEST, Some(watch))
}

fn expect_well(ended: io::Result<Ended>, title: &str, watch: Watch<'_>) -> Result<()> {
    let error = match ended {
        Ok(ended) if ended.is_well => return Ok(()),
        Ok(ended) => Error::failed(title).fact("it said", ended.last_words()),
        Err(cause) => Error::failed(title).fact("cause", cause),
    };
    // From a terminal a signal ends that program too.
    watch.check()?;
    Err(error.hint(look()))
}

fn look() -> String {
    tr!("journalctl -u docker -n 50; then the same command again")
}
