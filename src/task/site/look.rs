//! Looking at what is installed: nothing is changed.

use super::installed::{Installed, place};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::site::lifecycle::{Finding, Receipt, ServiceStatus, State, of_product, preflight, status as services};

/// How a product is.
#[derive(Debug)]
pub struct Status {
    /// What is installed.
    pub state: State,
    /// What people call it.
    pub title: String,
    /// Its services; none while it is stopped.
    pub services: Vec<ServiceStatus>,
}

impl Status {
    /// Whether all of it runs.
    pub fn is_up(&self) -> bool {
        !self.state.stopped && self.services.iter().all(|service| service.ok)
    }
}

/// How the product `name`, or the only one of this host, is.
///
/// # Errors
/// It is not installed, or the engine does not answer.
pub fn status(name: Option<&str>) -> Result<Status> {
    let Installed { instance, .. } = Installed::find(name)?;
    let services = if instance.state.stopped { Vec::new() } else { services(&instance)? };
    Ok(Status { title: instance.files.product().title.clone(), state: instance.state, services })
}

/// What is installed, or was until its data alone was left.
///
/// # Errors
/// It is not installed.
pub fn state(name: Option<&str>) -> Result<State> {
    Ok(Installed::find(name)?.instance.state)
}

/// What was delivered last.
///
/// # Errors
/// There is no receipt, or it cannot be read.
pub fn receipt(name: Option<&str>) -> Result<Receipt> {
    let place = place(name)?;
    Receipt::read(&place)?.ok_or_else(|| {
        Error::failed(tr!("there is no receipt"))
            .fact("path", place.receipt().display())
            .hint(tr!("the next installation or update writes one"))
    })
}

/// What is to be found on this host for the product that is installed.
///
/// # Errors
/// It is not installed.
pub fn findings(name: Option<&str>) -> Result<Vec<Finding>> {
    let Installed { instance, .. } = Installed::find(name)?;
    let mut findings = preflight(&instance, Some(&instance.state), None);
    if !instance.state.stopped {
        findings.extend(of_product(&instance));
    }
    Ok(findings)
}
