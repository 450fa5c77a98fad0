//! Every image that a stack file asks for must be packed: a site has no registry.

use super::contents::Contents;
use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::manifest::Kind;
use crate::release::Folder;
use crate::small_file;
use crate::stack;

/// Checks that every image of every stack file in `contents` is a tag of some packed image. The images'
/// platform was checked when they were read.
///
/// # Errors
/// A stack file is not valid, or asks for an image that is not packed: the error names both.
pub fn check_stacks(folder: &Folder, contents: &Contents) -> Result<()> {
    let packed: Vec<String> = contents.images.iter().flat_map(|image| &image.tags).map(ImageRef::familiar).collect();
    for artifact in contents.artifacts.iter().filter(|artifact| artifact.kind == Kind::Stack) {
        let path = folder.path_of(&artifact.name);
        let text = small_file::read_text(&path, stack::LARGEST)?;
        for asked in stack::images(&text, &path.display().to_string())? {
            if !packed.contains(&asked.image.familiar()) {
                return Err(Error::failed("a stack file asks for an image that is not packed")
                    .fact("stack", &artifact.name)
                    .fact("service", asked.service)
                    .fact("image", asked.image)
                    .fact("packed", if packed.is_empty() { "no image".to_owned() } else { packed.join(", ") })
                    .hint("add the image's archive to the manifest, or correct the reference in the stack file"));
            }
        }
    }
    Ok(())
}
