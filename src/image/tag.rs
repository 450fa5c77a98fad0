//! The names that images have in archives.

use std::collections::HashMap;

use super::Image;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image_ref::{ImageRef, NotAnImageRef};

/// Reads the name that an OCI index annotates: a name with a tag; or `None`, where it is only a tag or has a digest,
/// as skopeo and containerd write it.
///
/// # Errors
/// It should be a name and is not.
pub(super) fn from_annotation(text: &str) -> Result<Option<ImageRef>, NotAnImageRef> {
    if text.contains('@') || !text.contains(['/', ':']) {
        return Ok(None);
    }
    ImageRef::tagged(text).map(Some)
}

/// Checks that every name, however it is spelled, names one image. The first of a pair is the artifact.
///
/// # Errors
/// A name stands for two images.
pub fn check_tags<'a>(images: impl Iterator<Item = (&'a str, &'a Image)>) -> Result<()> {
    let mut seen: HashMap<String, (&str, &ImageRef, Digest)> = HashMap::new();
    for (artifact, image) in images {
        for tag in &image.tags {
            let (other, spelled, id) = *seen.entry(tag.familiar()).or_insert((artifact, tag, image.id));
            if id != image.id {
                return Err(Error::failed("a tag names two images")
                    .fact("tag", tag)
                    .fact("artifact", artifact)
                    .fact("image", image.id)
                    .fact("other artifact", other)
                    .fact("other tag", spelled)
                    .fact("other image", id)
                    .hint("save one of them again under another tag"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_may_be_only_a_tag() {
        for (text, name) in [("latest", None), ("x@sha256:00", None), ("x:1", Some("x:1"))] {
            let found = from_annotation(text).expect("read");
            assert_eq!(found.as_ref().map(ImageRef::as_str), name, "{text}");
        }
        assert!(from_annotation("Probe/One").is_err());
    }
}
