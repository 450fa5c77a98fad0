//! Bringing to their end the changes that something broke off: what runs at boot.

use super::at_work::AtWork;
use crate::error::Result;
use crate::site::lifecycle::{Place, Recovered, recover, recover_configuration};

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
        let recovered = recover(&place, at_work.watch())?;
        if recover_configuration(&place, at_work.watch())? {
            at_work.progress.note("a change of the configuration that was broken off is undone");
        }
        Ok(recovered)
    };
    Ok(names.into_iter().map(|name| (name.clone(), one(&name))).collect())
}
