//! Comparing: what differs between two versions of a product, and what someone who has the one lacks of the other.
//!
//! ```text
//! manifest  artifacts by their pins                    what is in an archive of images: unknown
//! folder    … and the files lie there                  its archives are read
//! bundle    … as its index has them                    its index lists images and layers
//! ```
//!
//! Nothing is guessed: a digest that is not pinned, a size that is not written down, and images that nobody has looked
//! into are told as unknown.

pub mod artifacts;
pub mod carry;
pub mod images;
mod open;
pub mod side;

use std::path::PathBuf;

use super::trust::Trust;
use crate::error::Result;
use crate::platform::Platform;
use crate::progress::Progress;
use artifacts::ArtifactChange;
use carry::Carry;
use images::{ImageChange, LayerChanges};
use open::Opened;
use side::{Side, Unknown};

/// What to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// What somebody has: a manifest, a folder or a bundle.
    pub old: PathBuf,
    /// What comes after it: a manifest, a folder or a bundle.
    pub new: PathBuf,
    /// The platform whose artifacts are compared; `None` is that of the folder or bundle, of two manifests all.
    pub platform: Option<Platform>,
    /// What both manifests must stand up to.
    pub trust: Trust,
}

/// What differs.
#[derive(Debug)]
pub struct Report {
    /// What somebody has.
    pub old: Side,
    /// What comes after it.
    pub new: Side,
    /// Every artifact of both, in the new one's order; then those that only the old one has.
    pub artifacts: Vec<ArtifactChange>,
    /// Every image of both in the same order; unknown where a side does not know its own.
    pub images: Result<Vec<ImageChange>, Unknown>,
    /// The layers of all images, each once.
    pub layers: Result<LayerChanges, Unknown>,
    /// What has to be carried to somebody who has the old one.
    pub carry: Carry,
}

impl Report {
    /// Whether both are the same version with the same artifacts, all of them known.
    pub fn is_same(&self) -> bool {
        let product = |side: &Side| (side.manifest.name().clone(), side.manifest.version().clone());
        product(&self.old) == product(&self.new) && self.artifacts.iter().all(ArtifactChange::is_unchanged)
    }
}

/// Compares two versions. Of a folder the archives of images are read and compared with their pins, of other files the
/// sizes; of a bundle the index is read, and with a key all of it is proved first.
///
/// # Errors
/// One of them is not there, is no manifest, folder or bundle, is damaged, is not signed by the key that is given, or is
/// for another platform than the one asked for.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let (old, new) = (Opened::open(&options.old)?, Opened::open(&options.new)?);
    let own = [old.platform(options.platform)?, new.platform(options.platform)?];
    // A manifest is for all platforms: of it counts what the other side is for.
    let [of_old, of_new] = [own[0].or(own[1]), own[1].or(own[0])];
    let old = side::read(old, of_old, &options.trust, progress)?;
    let new = side::read(new, of_new, &options.trust, progress)?;
    let images = || Ok((old.images()?, new.images()?));
    Ok(Report {
        artifacts: artifacts::compare(&old.artifacts, &new.artifacts),
        images: images().map(|(old, new)| images::compare(&old, &new)),
        layers: images().map(|(old, new)| images::layers(&old, &new)),
        carry: carry::count(&old, &new),
        old,
        new,
    })
}
