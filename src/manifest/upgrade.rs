//! Whether a manifest may replace another: never an older version, never other content under the same version.

use std::collections::BTreeMap;

use super::{Artifact, ArtifactId, Manifest};
use crate::error::{Error, Result};
use crate::in_order::InOrder;

/// Checks that `new` may replace `old` in a folder.
///
/// # Errors
/// Another product, a lower version, or the same version with other content: the error lists what differs.
pub fn check_upgrade(old: &Manifest, new: &Manifest) -> Result<()> {
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

/// Checks that `new` is of the same product as `old`, in any version.
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
        .hint(format_args!("use another folder: --dir {}-portable", new.name())))
}

/// What differs between the content of two versions, in a sentence each. URLs and new pins do not count.
fn differences(old: &Manifest, new: &Manifest) -> Vec<String> {
    fn by_id(manifest: &Manifest) -> BTreeMap<&ArtifactId, &Artifact> {
        manifest.artifacts().iter().map(|artifact| (&artifact.id, artifact)).in_order()
    }
    let (before, after) = (by_id(old), by_id(new));
    let mut found = Vec::new();
    for (id, artifact) in &before {
        match after.get(id) {
            None => found.push(format!("'{}' is not in it any more", artifact.id.name)),
            Some(other) => {
                if let (Some(old), Some(new)) = (artifact.pin, other.pin)
                    && old.digest != new.digest
                {
                    found.push(format!("'{}' was {}, now {}", artifact.id.name, old.digest, new.digest));
                }
                if artifact.kind != other.kind {
                    found.push(format!("'{}' was of kind {}, now {}", artifact.id.name, artifact.kind, other.kind));
                }
            }
        }
    }
    found.extend(
        after.iter().filter(|(id, _)| !before.contains_key(*id)).map(|(_, new)| format!("'{}' is new", new.id.name)),
    );
    if old.run() != new.run() {
        found.push("another script is run".to_owned());
    }
    found
}
