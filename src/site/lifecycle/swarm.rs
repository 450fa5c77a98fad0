//! The swarm that a stack runs in.

use std::collections::BTreeSet;

use super::docker::{lines, order};
use crate::error::{Error, Result};
use crate::in_order::InOrder;
use crate::language::tr;

/// What the engine says of its swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Swarm {
    /// `inactive`, `active`, `pending`, `error`, `locked`.
    pub(super) state: String,
    /// Whether this host may deploy.
    pub(super) is_manager: bool,
    /// The swarm's name for this host.
    pub(super) node: String,
}

/// Asks for it.
///
/// # Errors
/// The engine does not answer.
pub(super) fn look() -> Result<Swarm> {
    let format = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeID}}";
    let told = order(&["info", "--format", format])?;
    let mut words = told.split_whitespace().map(str::to_owned);
    let state = words.next().unwrap_or_default();
    Ok(Swarm {
        state,
        is_manager: words.next().is_some_and(|word| word == "true"),
        node: words.next().unwrap_or_default(),
    })
}

/// The addresses of a swarm that is made.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// By which other nodes reach this one; without it none does.
    pub advertise: Option<String>,
    /// From which its networks get theirs, such as `10.200.0.0/16`; without it the engine's own choice.
    pub pool: Option<String>,
}

/// Makes this host the only node of a swarm, if it is in none. It listens on the loopback, so that it does not matter how
/// many addresses the host has.
///
/// # Errors
/// The engine refuses.
pub(super) fn ensure(addresses: &Addresses) -> Result<()> {
    if look()?.state != "inactive" {
        return Ok(());
    }
    let advertise = addresses.advertise.as_deref();
    let address = advertise.unwrap_or("127.0.0.1");
    let listen = format!("{}:2377", if advertise.is_some() { "0.0.0.0" } else { "127.0.0.1" });
    let mut words = vec!["swarm", "init", "--advertise-addr", address, "--listen-addr", &listen];
    words.extend(addresses.pool.iter().flat_map(|pool| ["--default-addr-pool", pool]));
    let outcome = order(&words);
    outcome
        .map(drop)
        .map_err(|error| error.hint(tr!("see why: journalctl -u docker -n 50; then the same command again")))
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
    let nodes = order(&["stack", "ps", "--filter", "desired-state=running", "--format", "{{.Node}}", name])?;
    let nodes: BTreeSet<&str> = lines(&nodes).in_order();
    Err(Error::failed(tr!("this swarm has a stack of that name already, which was not installed from this host"))
        .fact("stack", name)
        .fact("nodes", nodes.into_iter().collect::<Vec<_>>().join(", "))
        .hint(tr!("see where it runs: docker stack ps {name}; what is to be done is done there", name)))
}
