//! The swarm that a stack runs in.

use super::docker::order;
use crate::error::{Error, Result};

/// What the engine says of its swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Swarm {
    /// `inactive`, `active`, `pending`, `error`, `locked`.
    pub(super) state: String,
    /// Whether this host may deploy.
    pub(super) is_manager: bool,
}

/// Asks for it.
///
/// # Errors
/// The engine does not answer.
pub(super) fn look() -> Result<Swarm> {
    let told = order(&["info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"])?;
    let (state, manager) = told.trim().split_once(' ').unwrap_or((told.trim(), "false"));
    Ok(Swarm { state: state.to_owned(), is_manager: manager == "true" })
}

/// Makes this host the only node of a swarm, if it is in none. It listens on the loopback, so that it does not matter how
/// many addresses the host has.
///
/// # Errors
/// The engine refuses.
pub(super) fn ensure(advertise: Option<&str>) -> Result<()> {
    if look()?.state != "inactive" {
        return Ok(());
    }
    let address = advertise.unwrap_or("127.0.0.1");
    let listen = format!("{}:2377", if advertise.is_some() { "0.0.0.0" } else { "127.0.0.1" });
    let outcome = order(&["swarm", "init", "--advertise-addr", address, "--listen-addr", &listen]);
    outcome.map(drop).map_err(|error| error.hint("see why: journalctl -u docker -n 50; then the same command again"))
}

/// Checks that the stack `name` was deployed from this host and not from another of the same swarm.
///
/// # Errors
/// There is such a stack already.
pub(super) fn check_free(name: &str) -> Result<()> {
    let swarm = look()?;
    if swarm.state != "active" || !swarm.is_manager {
        return Ok(());
    }
    let label = format!("label=com.docker.stack.namespace={name}");
    let there = order(&["service", "ls", "--quiet", "--filter", &label])?;
    if there.trim().is_empty() {
        return Ok(());
    }
    Err(Error::failed("this swarm has a stack of that name already, which was not installed from this host")
        .fact("stack", name)
        .hint(format_args!("see where it runs: docker stack ps {name}; what is to be done is done there")))
}
