//! The images of a bundle in the engine, and the IDs by which the engine knows them.

use std::collections::BTreeMap;

use super::version_files::VersionFiles;
use crate::bundle::BundleAccess;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::image_ref::ImageRef;
use crate::progress::Progress;
use crate::site::{engine, load_from_bundle};

/// Loads every image of the bundle that the stack asks for. Returns the engine's IDs by the references of the stack.
///
/// # Errors
/// The stack asks for an image that is not in the bundle, the engine refuses, or has something else afterwards.
pub fn load(
    access: &BundleAccess<'_>,
    files: &VersionFiles,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, String>> {
    let wanted = files.images()?;
    let index = access.index();
    let carried: Vec<(Image, &ImageRef)> =
        wanted.iter().map(|reference| Ok((find(access, reference)?, reference))).collect::<Result<_>>()?;
    let of = |image: &Image| {
        let artifacts = index.artifacts.iter().filter(|artifact| artifact.images.contains(&image.id));
        artifacts.map(|artifact| artifact.name.to_string()).next()
    };
    let mut names: Vec<String> = carried.iter().filter_map(|(image, _)| of(image)).collect();
    names.sort();
    names.dedup();
    if !names.is_empty() {
        load_from_bundle(access, &names, progress)?;
    }
    carried.iter().map(|(image, reference)| Ok((reference.to_string(), engine::id_of(image)?))).collect()
}

fn find(access: &BundleAccess<'_>, reference: &ImageRef) -> Result<Image> {
    let index = access.index();
    let familiar = reference.familiar();
    for artifact in &index.artifacts {
        let found =
            index.images_of(artifact).into_iter().find(|image| image.tags.iter().any(|tag| tag.familiar() == familiar));
        if let Some(image) = found {
            return Ok(image);
        }
    }
    Err(Error::failed("the stack asks for an image that is not in the bundle")
        .fact("image", reference)
        .fact("bundle", access.bundle().path().display())
        .hint("the publisher makes the bundle again: pack bundle checks this"))
}
