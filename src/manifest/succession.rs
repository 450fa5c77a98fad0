//! May this manifest take that one's place? Never an older version, never other bytes under one version.

use std::collections::BTreeMap;

use super::{Artifact, Manifest};
use crate::error::{Error, Result};

/// Checks that `new` may follow `old` in a folder.
///
/// # Errors
/// Another product, a lower version, or the same version with other content: the error lists what differs.
pub fn check(old: &Manifest, new: &Manifest) -> Result<()> {
    check_product(old, new)?;
    let differences = differences(old, new);
    let listed = |error| differences.iter().fold(error, |error: Error, what| error.fact("differs", what));
    if new.version() < old.version() {
        let error = Error::integrity("this version is older than the one in the folder")
            .fact("in the folder", old.version())
            .fact("offered", new.version());
        return Err(listed(error)
            .hint("an old manifest may come from a stale cache or an attacker; if it is meant: --allow-downgrade"));
    }
    if new.version() == old.version() && !differences.is_empty() {
        let error = Error::integrity("the same version was published with other content");
        return Err(listed(error.fact("version", new.version()))
            .hint("ask the publisher for a version of its own; if it is meant: --allow-downgrade"));
    }
    Ok(())
}

/// Checks that `new` is of the product of `old`, of whatever version.
///
/// # Errors
/// It is another product.
pub fn check_product(old: &Manifest, new: &Manifest) -> Result<()> {
    if old.name() == new.name() {
        return Ok(());
    }
    Err(Error::integrity("the folder holds another product")
        .fact("expected", old.name())
        .fact("actual", new.name())
        .hint("use another folder: --dir DIR"))
}

/// What of a product's content differs, in a sentence each. Where it can be fetched from does not count,
/// nor does a pin that is new.
fn differences(old: &Manifest, new: &Manifest) -> Vec<String> {
    let key = |artifact: &Artifact| (artifact.name.clone(), artifact.platform);
    let before: BTreeMap<_, _> = old.artifacts().iter().map(|artifact| (key(artifact), artifact)).collect();
    let after: BTreeMap<_, _> = new.artifacts().iter().map(|artifact| (key(artifact), artifact)).collect();
    let mut found = Vec::new();
    for (key, artifact) in &before {
        match after.get(key) {
            None => found.push(format!("'{}' is not in it any more", artifact.name)),
            Some(other) => {
                if let (Some(old), Some(new)) = (artifact.pin, other.pin)
                    && old.digest != new.digest
                {
                    found.push(format!("'{}' was {}, now {}", artifact.name, old.digest, new.digest));
                }
                if artifact.kind != other.kind {
                    found.push(format!("'{}' was of kind {}, now {}", artifact.name, artifact.kind, other.kind));
                }
            }
        }
    }
    found.extend(
        after.iter().filter(|(key, _)| !before.contains_key(key)).map(|(_, new)| format!("'{}' is new", new.name)),
    );
    if old.run() != new.run() {
        found.push("another script is run".to_owned());
    }
    found
}
