//! The proof that a bundle is what its manifest pins. Nothing derived is believed: the images, tags and layers, kinds,
//! modes, the platform, the decompressed content and the tar stream are derived again from the pinned bytes and compared.
//!
//! Whose the manifest is, its signature says: see [`super::BundleAccess`]. Launcher and runtime are not proved; no
//! manifest pins them. `docs/security.md` lists what each part of a bundle is bound to.

use std::collections::HashMap;

use super::artifact_proof::{not_provable, prove_artifact, wrong};
use super::carried::CarriedArtifact;
use super::entry_check::check_entries;
use super::frame_cache::damaged;
use super::image_union::union;
use super::index::{Index, required_by};
use super::read::Bundle;
use super::tar_check::check_stream;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{Image, Packed};
use crate::manifest::Manifest;
use crate::progress::Progress;

/// What of a bundle is proved.
#[derive(Clone, Copy)]
pub enum Scope<'a> {
    /// Everything but launcher and runtime.
    Everything,
    /// As `Everything`, without an engine that does not lie beside a detached bundle.
    Installation,
    /// These artifacts, and what the index says of them.
    Artifacts(&'a dyn Fn(&CarriedArtifact) -> bool),
}

impl Scope<'_> {
    /// The artifacts of a bundle that are in it.
    fn of(self, bundle: &Bundle) -> Vec<&CarriedArtifact> {
        let all = bundle.index().artifacts.iter();
        match self {
            Scope::Everything => all.collect(),
            Scope::Installation => {
                let needed = bundle.needed_beside();
                all.filter(|artifact| !artifact.carried.is_detached() || needed.contains(artifact)).collect()
            }
            Scope::Artifacts(wanted) => all.filter(|artifact| wanted(artifact)).collect(),
        }
    }
}

/// An artifact and the images that its own bytes have.
type Proved<'a> = (&'a CarriedArtifact, Vec<Image>);

/// Proves `scope` of a bundle against the manifest in it, and returns that manifest and the artifacts that were proved: which
/// files lie beside a bundle may be another answer a moment later.
///
/// # Errors
/// Something is not what the manifest pins, cannot be proved because the bundle was made without originals, or the
/// bundle cannot be read.
pub fn prove<'b>(
    bundle: &'b Bundle,
    scope: Scope<'_>,
    progress: &dyn Progress,
) -> Result<(Manifest, Vec<&'b CarriedArtifact>)> {
    let manifest = bundle.manifest()?;
    let chosen = scope.of(bundle);
    if let Some(exported) = chosen.iter().find(|artifact| artifact.carried.is_exported()) {
        return Err(not_provable(bundle, exported));
    }
    bundle.expect_beside(&chosen, progress)?;
    for artifact in &chosen {
        let expected = artifact.kind.mode();
        if artifact.mode != expected {
            let why = format_args!("its mode is {:o}; a {} has {expected:o}", artifact.mode, artifact.kind);
            return Err(wrong(bundle, artifact, why));
        }
    }
    progress.plan(chosen.len(), Some(chosen.iter().map(|artifact| artifact.size).sum()));
    let proved: Vec<Proved> = chosen
        .into_iter()
        .map(|artifact| {
            let images = prove_artifact(bundle, artifact, progress)?;
            check_images(bundle, artifact, &images)?;
            Ok((artifact, images))
        })
        .collect::<Result<_>>()?;
    bundle.frames.drop_idle();
    if !matches!(scope, Scope::Artifacts(_)) {
        check_requires(bundle)?;
        check_all_images(bundle, &proved)?;
        check_entries(bundle, &manifest)?;
        check_stream(bundle, progress)?;
    }
    Ok((manifest, proved.into_iter().map(|(artifact, _)| artifact).collect()))
}

/// Compares the images that the index gives an artifact with those in its own bytes.
fn check_images(bundle: &Bundle, artifact: &CarriedArtifact, found: &[Image]) -> Result<()> {
    let index = bundle.index();
    if !artifact.images.iter().eq(found.iter().map(|image| &image.id)) {
        return Err(wrong(bundle, artifact, "the index lists other images than it has"));
    }
    for (place, found) in found.iter().enumerate() {
        let listed = index.image(&found.id).ok_or_else(|| wrong(bundle, artifact, "the index lacks its image"))?;
        let tags = artifact.tags.get(place).unwrap_or(&listed.tags);
        let layers = |image: &Image| image.layers.iter().map(|layer| layer.content()).collect::<Vec<_>>();
        let what = if *tags != found.tags {
            "tags"
        } else if listed.platform != found.platform || listed.platform != index.platform.as_str() {
            "another platform"
        } else if layers(listed) != layers(found) {
            "other layers"
        } else {
            continue;
        };
        let why = format_args!("the index gives an image {what} that it does not have");
        return Err(wrong(bundle, artifact, why).fact("image", found.title()));
    }
    Ok(())
}

fn check_requires(bundle: &Bundle) -> Result<()> {
    let index = bundle.index();
    if index.requires == required_by(&index.artifacts) {
        return Ok(());
    }
    Err(damaged(bundle.path(), "it requires other than it needs").fact("requires", index.requires.join(", ")))
}

/// Compares the index's list of images with the images of all artifacts.
fn check_all_images(bundle: &Bundle, proved: &[Proved]) -> Result<()> {
    let index = bundle.index();
    let mut packings = Packings::default();
    for (artifact, images) in proved {
        images.iter().for_each(|image| packings.add(artifact, image));
    }
    let expected = union(proved.iter().flat_map(|(_, images)| images.iter().cloned()));
    let same = |(listed, expected): (&Image, &Image)| {
        listed.id == expected.id && listed.tags == expected.tags && packings.allow(index, listed)
    };
    // Platform and layers were compared artifact by artifact.
    if index.images.len() == expected.len() && index.images.iter().zip(&expected).all(same) {
        return Ok(());
    }
    Err(damaged(bundle.path(), "its index lists other images, tags or compressed layers than its artifacts have"))
}

/// How the archives have each layer.
#[derive(Default)]
struct Packings {
    /// In archives that are carried as blobs, by `diff_id`.
    of_blobs: HashMap<Digest, Vec<Option<Packed>>>,
    /// In archives that are carried as they are, by image and place.
    as_they_are: HashMap<(Digest, usize), Option<Packed>>,
}

impl Packings {
    fn add(&mut self, artifact: &CarriedArtifact, image: &Image) {
        for (place, layer) in image.layers.iter().enumerate() {
            if artifact.carried.is_file() {
                self.as_they_are.entry((image.id, place)).or_insert(layer.packed);
            } else {
                self.of_blobs.entry(layer.diff_id).or_default().push(layer.packed);
            }
        }
    }

    /// Whether the index says of each layer of `image` that it is packed in a way in which an archive has it, or, where
    /// it is carried as a blob, not at all.
    fn allow(&self, index: &Index, image: &Image) -> bool {
        let is_carried = !index.users(&image.id).is_empty();
        image.layers.iter().enumerate().all(|(place, layer)| {
            if is_carried {
                let known = self.of_blobs.get(&layer.diff_id);
                layer.packed.is_none() || known.is_some_and(|known| known.contains(&layer.packed))
            } else {
                self.as_they_are.get(&(image.id, place)) == Some(&layer.packed)
            }
        })
    }
}
