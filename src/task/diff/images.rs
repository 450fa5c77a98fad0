//! Which images are new, gone, or stand for something else now; and which layers.

use std::collections::{HashMap, HashSet};

use super::artifacts::Change;
use crate::digest::Digest;
use crate::image::{Image, Layer};

/// What became of an image, which its reference identifies; one without is identified by its ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    /// What became of it: added, removed, changed or unchanged.
    pub change: Change,
    /// The name it is loaded under, as people write it; `None` where it has none.
    pub reference: Option<String>,
    /// Its ID on the old side.
    pub old: Option<Digest>,
    /// Its ID on the new side.
    pub new: Option<Digest>,
    /// How many of its layers on the new side no image of the old side has.
    pub new_layers: usize,
    /// Their size without compression, in bytes.
    pub new_bytes: u64,
}

/// A layer, whatever images have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerContent {
    /// The digest of its tar archive without compression.
    pub diff_id: Digest,
    /// The size of that, in bytes.
    pub size: u64,
}

/// What became of the layers of all images, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerChanges {
    /// Only images of the new side have them.
    pub added: Vec<LayerContent>,
    /// Only images of the old side have them.
    pub removed: Vec<LayerContent>,
    /// Both sides have them.
    pub unchanged: Vec<LayerContent>,
}

/// A name of an image: its reference, or else its ID.
type Name = (Option<String>, Option<Digest>);

/// Every image of both sides, in the order of `new`; then what only `old` has, in its order.
pub(super) fn compare(old: &[&Image], new: &[&Image]) -> Vec<ImageChange> {
    let (before, after) = (named(old), named(new));
    let ids: HashMap<&Name, Digest> = before.iter().map(|(name, image)| (name, image.id)).collect();
    let kept: HashSet<&Name> = after.iter().map(|(name, _)| name).collect();
    let had: HashSet<Digest> = layers_of(old).iter().map(|layer| layer.diff_id).collect();
    // Counted once for all names that an image has.
    let mut lacking: HashMap<Digest, (usize, u64)> = HashMap::new();
    let mut changes: Vec<ImageChange> = Vec::with_capacity(after.len());
    for (name, image) in &after {
        let old = ids.get(name).copied();
        let change = match old {
            None => Change::Added,
            Some(id) if id == image.id => Change::Unchanged,
            Some(_) => Change::Changed,
        };
        let &mut (new_layers, new_bytes) = lacking.entry(image.id).or_insert_with(|| {
            let mut layers = layers_of(&[image]);
            layers.retain(|layer| !had.contains(&layer.diff_id));
            (layers.len(), layers.iter().map(|layer| layer.size).sum())
        });
        let (reference, new) = (name.0.clone(), Some(image.id));
        changes.push(ImageChange { change, reference, old, new, new_layers, new_bytes });
    }
    let gone = before.iter().filter(|(name, _)| !kept.contains(name));
    changes.extend(gone.map(|(name, image)| ImageChange {
        change: Change::Removed,
        reference: name.0.clone(),
        old: Some(image.id),
        new: None,
        new_layers: 0,
        new_bytes: 0,
    }));
    changes
}

/// The layers of all images of both sides.
pub(super) fn layers(old: &[&Image], new: &[&Image]) -> LayerChanges {
    let (before, after) = (layers_of(old), layers_of(new));
    let ids = |layers: &[LayerContent]| layers.iter().map(|layer| layer.diff_id).collect::<HashSet<_>>();
    let (had, has) = (ids(&before), ids(&after));
    let (unchanged, added) = after.into_iter().partition(|layer| had.contains(&layer.diff_id));
    let removed = before.into_iter().filter(|layer| !has.contains(&layer.diff_id)).collect();
    LayerChanges { added, removed, unchanged }
}

/// The layers of `images`, each once, where it comes first.
pub(super) fn layers_of(images: &[&Image]) -> Vec<LayerContent> {
    let mut known = HashSet::new();
    let layers = images.iter().flat_map(|image| &image.layers).filter(|layer| known.insert(layer.diff_id));
    layers.map(|&Layer { diff_id, size, .. }| LayerContent { diff_id, size }).collect()
}

/// The images under each of their names, each name once: it stands for one image.
fn named<'a>(images: &[&'a Image]) -> Vec<(Name, &'a Image)> {
    let mut known = HashSet::new();
    let names = |image: &Image| -> Vec<Name> {
        match image.tags.as_slice() {
            [] => vec![(None, Some(image.id))],
            tags => tags.iter().map(|tag| (Some(tag.familiar()), None)).collect(),
        }
    };
    let all = images.iter().flat_map(|&image| names(image).into_iter().map(move |name| (name, image)));
    all.filter(|(name, _)| known.insert(name.clone())).collect()
}
