//! The images of several artifacts as one list.

use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::image::Image;
use crate::image_ref::ImageRef;

/// Each image once, where it comes first, with all tags that it has anywhere, in the order in which they come.
pub(super) fn union(images: impl IntoIterator<Item = Image>) -> Vec<Image> {
    let mut all: Vec<Image> = Vec::new();
    let mut known: HashMap<Digest, (usize, HashSet<ImageRef>)> = HashMap::new();
    for image in images {
        match known.get_mut(&image.id) {
            None => {
                known.insert(image.id, (all.len(), image.tags.iter().cloned().collect()));
                all.push(image);
            }
            Some((place, tags)) => {
                let new = image.tags.into_iter().filter(|tag| tags.insert(tag.clone()));
                all[*place].tags.extend(new);
            }
        }
    }
    all
}
