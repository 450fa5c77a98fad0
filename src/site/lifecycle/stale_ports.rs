//! Ports that the engine holds for nobody. Seen on Docker 20.10 after a power cut: the engine starts the proxies of the ports
//! that swarm had published, before it knows of services; where their services are then removed, the proxies stay until the
//! engine starts again, and nobody can install.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::docker::{lines, order};
use super::instance::Instance;
use super::preflight::listening;
use super::watch::Watch;
use crate::language::tr;

/// How often is looked, once a second, whether ports are free, and whether the engine answers again.
const LOOKS: usize = 60;

/// Frees the ports of `instance`, whose stack was removed, where the engine still holds them and nothing else runs on it.
pub(super) fn free(instance: &Instance, watch: Watch<'_>) {
    let ports = instance.ports();
    let is_held = || {
        let taken = listening();
        ports.values().any(|port| taken.contains(port))
    };
    let second = || sleep(Duration::from_secs(1));
    for _ in 0..5 {
        if !is_held() {
            return;
        }
        second();
    }
    let runs_nothing = order(&["ps", "--quiet"]).is_ok_and(|running| lines(&running).count() == 0);
    if !runs_nothing || !restart_engine() {
        return;
    }
    watch.progress.note(&tr!("the engine held ports for nobody since the power was cut: it was started again"));
    for _ in 0..LOOKS {
        if order(&["service", "ls", "--quiet"]).is_ok() {
            return;
        }
        second();
    }
}

fn restart_engine() -> bool {
    let mut restart = Command::new("systemctl");
    restart.args(["restart", "docker"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    restart.status().is_ok_and(|status| status.success())
}
