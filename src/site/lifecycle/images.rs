//! The images of a version in the engine, and the IDs by which the engine knows them.

use std::collections::BTreeMap;

use super::delivery::Delivery;
use super::version_files::VersionFiles;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::progress::Progress;

/// Loads every image that comes with a version and that the stack asks for. Returns the engine's IDs by the references of the stack.
///
/// # Errors
/// The stack asks for an image that is not there, the engine refuses, or has something else afterwards.
pub fn load(
    delivery: &Delivery<'_>,
    files: &VersionFiles,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, String>> {
    let mut brought = delivery.images(progress)?;
    let mut wanted = Vec::new();
    for reference in files.images()? {
        let image = brought.find(&reference).cloned().ok_or_else(|| {
            Error::failed(tr!("the stack asks for an image that is not in the bundle"))
                .fact("image", &reference)
                .fact("path", delivery.path().display())
                .hint(tr!("the publisher makes the bundle again: pack bundle checks this"))
        })?;
        wanted.push((reference, image));
    }
    brought.keep(&wanted.iter().map(|(_, image)| image.id).collect::<Vec<_>>());
    brought.load(progress)?;
    let mut ids = BTreeMap::new();
    for (reference, image) in &wanted {
        ids.insert(reference.to_string(), brought.id_of(image)?);
    }
    Ok(ids)
}
