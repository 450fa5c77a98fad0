//! Nothing that a stack file asks for may be missing on a site that has no registry.

use std::fs;

use super::gather::Gathered;
use crate::error::{Error, IoContext, Result};
use crate::folder::Folder;
use crate::image_ref::ImageRef;
use crate::manifest::Kind;
use crate::stack;

/// Checks that every image of every stack file in `gathered` is a tag of some packed image. The images'
/// platform was checked when they were read.
///
/// # Errors
/// A stack file is not valid, or asks for an image that is not packed: the error names both.
pub fn check_closure(folder: &Folder, gathered: &Gathered) -> Result<()> {
    let packed: Vec<String> = gathered.images.iter().flat_map(|image| &image.tags).map(ImageRef::familiar).collect();
    for artifact in gathered.artifacts.iter().filter(|artifact| artifact.kind == Kind::Stack) {
        let path = folder.path_of(&artifact.name);
        let text = fs::read_to_string(&path).doing("read the stack file", &path)?;
        for asked in stack::images(&text, &path.display().to_string())? {
            if !packed.contains(&asked.image.familiar()) {
                return Err(Error::failed("a stack file asks for an image that is not packed")
                    .fact("stack", &artifact.name)
                    .fact("service", asked.service)
                    .fact("image", asked.image)
                    .fact("packed", if packed.is_empty() { "no image".to_owned() } else { packed.join(", ") })
                    .hint("add the image's archive to the manifest, or mend the reference in the stack file"));
            }
        }
    }
    Ok(())
}
