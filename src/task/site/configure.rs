//! Reading and changing the product's configuration.

use serde_json::{Map, Value};

use super::at_work::AtWork;
use super::installed::{Installed, place};
use crate::error::Result;
use crate::language::tr;
use crate::site::lifecycle::{Configuration, move_outside, reconfigure};

/// The configuration's keys and values. What is secret is shown only with `secrets`.
///
/// # Errors
/// The product is not installed, or has no configuration.
pub fn get(name: Option<&str>, secrets: bool) -> Result<Map<String, Value>> {
    let installed = Installed::find(name)?;
    let configuration = Configuration::expect(&installed.instance)?;
    let mut values = configuration.read()?;
    for (key, value) in &mut values {
        if !secrets && configuration.is_secret(key) && !value.is_null() && *value != "" {
            *value = Value::from(tr!("(secret: --secrets shows it)"));
        }
    }
    Ok(values)
}

/// Sets keys to what somebody typed, and starts the services again. Where they do not come up, the change is undone.
///
/// # Errors
/// A key or value is not allowed, then nothing was changed; or the services do not come up, and run as before.
pub fn set(name: Option<&str>, changes: &[(String, String)], force: bool, at_work: &AtWork<'_>) -> Result<()> {
    let _lock = at_work.begin(&place(name)?)?;
    let installed = Installed::find_in_use(name)?;
    let changes = typed(&installed, changes, force)?;
    reconfigure(&installed.instance, &installed.place, &changes, at_work.watch())
}

/// Checks the keys and values of [`set`]. Nothing is changed.
///
/// # Errors
/// The product is not installed, or a key or value is not allowed.
pub fn check(name: Option<&str>, changes: &[(String, String)], force: bool) -> Result<()> {
    typed(&Installed::find_in_use(name)?, changes, force).map(drop)
}

fn typed(installed: &Installed, changes: &[(String, String)], force: bool) -> Result<Vec<(String, Value)>> {
    let configuration = Configuration::expect(&installed.instance)?;
    let typed = |(key, text): &(String, String)| Ok((key.clone(), configuration.typed(key, text, force)?));
    changes.iter().map(typed).collect()
}

/// Moves data to where another host keeps it, as the product's own hook does with `args`. Returns the keys that were set.
///
/// # Errors
/// The product has no such hook, or it failed: everything is as before.
pub fn external(name: Option<&str>, args: &[String], at_work: &AtWork<'_>) -> Result<Vec<String>> {
    let _lock = at_work.begin(&place(name)?)?;
    let installed = Installed::find_in_use(name)?;
    move_outside(&installed.instance, &installed.place, args, at_work.watch())
}
