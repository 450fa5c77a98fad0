//! Bringing to their end the changes that something broke off: what runs at boot.

use super::at_work::AtWork;
use crate::error::Result;
use crate::site::lifecycle::{Place, Recovered};

/// How the changes of each product ended, by the product's name.
pub type Report = Vec<(String, Result<Recovered>)>;

/// Looks at the product `name`, or at all of this host. One that does not come up is no obstacle to the others.
///
/// # Errors
/// This user is not root.
pub fn run(name: Option<&str>, at_work: &AtWork<'_>) -> Result<Report> {
    super::at_work::need_root()?;
    let names = name.map_or_else(Place::all, |name| vec![name.to_owned()]);
    let one = |name: &String| -> Result<Recovered> {
        let place = Place::named(name)?;
        place.make()?;
        let _lock = place.lock()?;
        at_work.recover(&place)
    };
    Ok(names.into_iter().map(|name| (name.clone(), one(&name))).collect())
}
