//! A load that the power was cut under: known by a mark in the engine, and its leftovers taken away.
//!
//! An engine of the overlay2 store records a layer durably, but not the layer's files. When the power goes
//! within the half minute or so in which the system has not written these yet, the engine comes back with
//! images under the right IDs and with empty files in them, and takes the layers for good at the next load,
//! too. Seen with Engine 20.10 on ext4.
//!
//! So while a load is under way an empty volume with the label [`LABEL`] stands in the engine for each image, which
//! writes volumes durably; they go when everything is on the disk. Where a mark of another boot is found, the images
//! at hand are read back once, which proves every file of theirs, and what cannot be read is removed, as are
//! layers that no image has. An engine that keeps images in containerd cannot prove its files: there they are removed and
//! loaded again.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::engine::{self, Store};
use super::loading::{Loading, Refusal};
use super::order::{Chain, known};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{BlobSource, Image, ImageConfig, Layer, export};
use crate::language::tr;
use crate::progress::Progress;

/// The label of a mark's volume. Its value is [`Label`] as JSON.
const LABEL: &str = "pack.loading";

/// Who loads what, as it stands in a mark.
#[derive(Serialize, Deserialize)]
struct Label {
    /// The boot ID of the system, from `/proc/sys/kernel/random/boot_id`.
    boot: String,
    process: u32,
    images: Vec<Loaded>,
}

/// An image that is being loaded.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loaded {
    name: String,
    id: String,
    layers: Chain,
}

impl Loaded {
    /// `image`, by the engine's ID.
    pub(super) fn of(image: &Image, id: Digest) -> Self {
        Loaded { name: image.title(), id: id.to_string(), layers: image.diff_ids() }
    }
}

/// The mark of a load that is under way.
pub(super) struct Mark {
    store: Store,
    ours: Vec<Loaded>,
    /// What was being loaded when the power was cut.
    cut_off: Vec<Loaded>,
    /// The volumes to remove once everything is on the disk: ours, and those of loads that ended without it.
    volumes: Vec<String>,
}

impl Mark {
    /// Sets the mark of a load of `images`. An engine that keeps no volumes loads without one.
    ///
    /// # Errors
    /// There is no `docker` command, or the engine does not answer.
    pub(super) fn set(store: Store, images: Vec<Loaded>) -> Result<Mark> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let mut mark = Mark { store, ours: images, cut_off: Vec::new(), volumes: Vec::new() };
        for (volume, label) in engine::volumes(LABEL)? {
            let Ok(label) = serde_json::from_str::<Label>(&label) else { continue };
            if label.boot != boot {
                mark.cut_off.extend(label.images);
            } else if Path::new("/proc").join(label.process.to_string()).exists() {
                continue; // another load, still under way
            }
            // In this boot nothing is lost: what is not written yet, the system still knows.
            mark.volumes.push(volume);
        }
        // One each: all layers of a large product in one label would be more than an argument may have.
        for image in &mark.ours {
            let label = Label { boot: boot.clone(), process: std::process::id(), images: vec![image.clone()] };
            let label = serde_json::to_string(&label).map_err(|cause| {
                Error::failed(tr!("a label cannot be written")).caused_by(cause).hint(tr!("please report it"))
            })?;
            mark.volumes.extend(engine::add_volume(&format!("{LABEL}={label}"))?);
        }
        Ok(mark)
    }

    /// After a power cut, takes away what it left: of the images that were being loaded then and of ours, those
    /// whose files are not what their layers say, and the layers that no image has.
    ///
    /// # Errors
    /// A damaged image is in use, or the engine does not answer.
    pub(super) fn remove_damaged(&self, progress: &dyn Progress) -> Result<()> {
        if self.cut_off.is_empty() {
            return Ok(());
        }
        progress.note(&tr!("the power was cut during an earlier load: looking at what it left"));
        let ids = engine::ids()?.ok_or_else(|| {
            Error::failed(tr!("the container engine does not list its images"))
                .fact("cause", tr!("the power was cut during an earlier load: nobody can tell what that left"))
                .hint(tr!("see what it says: docker image ls --all; then run the same command again"))
        })?;
        for image in self.cut_off.iter().chain(self.ours.iter().filter(|image| !self.cut_off.contains(image))) {
            if ids.contains(&image.id) && !self.proves(image)? {
                if !engine::remove_image(&image.id)? {
                    return Err(damaged(image).hint(tr!(
                        "remove what runs on it, then the same command again: docker ps --all --filter ancestor={}",
                        image.id
                    )));
                }
                progress.note(&tr!("{} was damaged and is removed; it can be loaded again", image.name));
            }
        }
        if self.store == Store::Containerd {
            return Ok(()); // it forgets what no image has by itself
        }
        let there: Vec<Chain> = engine::all()?.into_iter().map(|known| known.layers).collect();
        self.cut_off.iter().chain(&self.ours).try_for_each(|image| remove_orphans(&image.layers, &there))
    }

    /// Whether the engine can show that every file of an image is what was loaded. From containerd it gives back the blobs
    /// that it was sent, which says nothing of the files that it unpacked.
    fn proves(&self, image: &Loaded) -> Result<bool> {
        Ok(self.store == Store::Classic && engine::gives_back(&image.id)?)
    }

    /// Everything is loaded: waits until it is on the disk, then takes the mark away.
    ///
    /// # Errors
    /// After a power cut, an image of ours still cannot be read back: it has a damaged layer of an image that
    /// nothing is known of here.
    pub(super) fn clear(mut self) -> Result<()> {
        if !self.cut_off.is_empty() && self.store == Store::Classic {
            for image in &self.ours {
                if !engine::gives_back(&image.id)? {
                    return Err(damaged(image)
                        .fact("cause", tr!("it shares a damaged layer with another image of this engine"))
                        .hint(tr!("remove images that no container needs, then the same command again: docker image prune --all")));
                }
            }
        }
        self.cut_off.clear();
        Ok(())
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // A load that failed is no reason for doubt either, unless what a cut left was not made good.
        if self.cut_off.is_empty() && !self.volumes.is_empty() {
            rustix::fs::sync();
            engine::remove_volumes(&self.volumes);
        }
    }
}

fn damaged(image: &Loaded) -> Error {
    Error::integrity(tr!("an image in the container engine is damaged since the power was cut"))
        .fact("image", &image.name)
        .fact("expected", tr!("readable with: docker save {}", image.id))
}

/// Removes the layers of `chain` that the engine has and none of the chains in `there` does.
///
/// There is no command for that. But the engine takes an archive without layers when it has them, and forgets
/// with an image the layers that no other has: so an image of just these layers is made, and removed.
fn remove_orphans(chain: &Chain, there: &[Chain]) -> Result<()> {
    for count in (known(chain, there) + 1..=chain.len()).rev() {
        let (base, config) = image_of(&chain[..count]);
        let mut engine = Loading::start("layers that no image has")?;
        let sent =
            export(std::slice::from_ref(&base), &OnlyConfig(config), &chain.iter().copied().collect(), &mut engine);
        let refusal = match sent {
            Ok(()) => engine.finish().err(),
            Err(_) => Some(engine.refusal()),
        };
        match refusal {
            None => {
                engine::remove_image(&base.id.to_string())?;
                break;
            }
            // It has not all of these.
            Some(Refusal::Refused(_)) => {}
            Some(Refusal::Silent(error)) => return Err(error),
        }
    }
    Ok(())
}

/// An image of nothing but these layers, and its config. What it runs on does not matter: it never does.
fn image_of(diff_ids: &[Digest]) -> (Image, Vec<u8>) {
    let config = ImageConfig::of_layers(diff_ids);
    let bytes = config.to_bytes();
    let layers = diff_ids.iter().map(|&diff_id| Layer { diff_id, size: 0, packed: None }).collect();
    (Image { tags: Vec::new(), id: Digest::of(&bytes), platform: config.platform(), layers }, bytes)
}

/// The config alone: no other blob is read where every layer is left out.
struct OnlyConfig(Vec<u8>);

impl BlobSource for OnlyConfig {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        if *digest == Digest::of(&self.0) {
            return Ok(Box::new(&self.0[..]));
        }
        Err(Error::failed(tr!("no blob is carried here")).fact("blob", digest))
    }
}
