//! The index: what a bundle holds, where, and the digest of every part.
//!
//! Reading one checks everything that can be checked without the payload: frames that lie end to end,
//! entries inside the stream and apart from each other, artifacts that are there.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::images::Form;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{self, Image};
use crate::image_ref::ImageRef;
use crate::manifest::{FILE_NAME, Kind, Limits, ProductName};
use crate::path::RelPath;
use crate::platform::Platform;

/// Words in `requires` that this reader understands.
const UNDERSTOOD: [&str; 1] = [IMAGES];
/// The word for artifacts that are not files of the payload: they are made of its images and blobs.
pub(super) const IMAGES: &str = "images";

/// What a bundle holds. Keys this reader does not know are passed over; what it must know stands in
/// `requires`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// What a reader must understand, a word each.
    pub requires: Vec<String>,
    /// The program and version that made the bundle.
    pub packed_by: String,
    /// The product's name.
    pub name: String,
    /// The product's version.
    pub version: Version,
    /// The platform the bundle is for.
    pub platform: Platform,
    /// The artifact to run on site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RelPath>,
    /// Length in bytes of launcher and runtime; the payload begins there.
    pub header_size: u64,
    /// Digest of launcher and runtime.
    pub header_digest: Digest,
    /// The length of the tar stream in bytes.
    pub raw_size: u64,
    /// The frames, end to end.
    pub frames: Vec<Frame>,
    /// The members of the tar stream, in its order.
    pub entries: Vec<Entry>,
    /// The artifacts of the folder, in the manifest's order.
    pub artifacts: Vec<CarriedArtifact>,
    /// The container images in the artifacts, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

/// One zstd frame, independent of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes as stored.
    pub size: u64,
    /// Its length in bytes when unpacked.
    pub raw_size: u64,
    /// The digest of the stored bytes.
    pub digest: Digest,
}

/// One member of the tar stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path.
    pub path: RelPath,
    /// Where its content begins in the tar stream.
    pub offset: u64,
    /// Its content's length in bytes.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Its content's digest.
    pub digest: Digest,
}

impl Entry {
    /// The offset in the tar stream just after its content.
    pub fn end(&self) -> u64 {
        self.offset + self.size
    }
}

/// An artifact as the bundle carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedArtifact {
    /// Its name in the folder.
    pub name: RelPath,
    /// What it is.
    pub kind: Kind,
    /// Its size in the folder, in bytes.
    pub size: u64,
    /// Its permission bits in the folder.
    pub mode: u32,
    /// Its digest in the folder.
    pub digest: Digest,
    /// How it is carried.
    #[serde(default, skip_serializing_if = "Form::is_file")]
    pub form: Form,
    /// Why a compressed artifact is carried as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The IDs of the container images in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Digest>,
    /// The names it gives them, a list for each of `images`; none at all where they are all the names that
    /// the images have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Vec<ImageRef>>,
    /// The blobs it is rebuilt from besides the layers of its images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Digest>,
}

impl Index {
    /// Reads an index and checks it against `index_offset`, where it lies in the file.
    ///
    /// # Errors
    /// It asks for something this reader does not know, or contradicts itself or a limit.
    pub(super) fn read(json: &[u8], index_offset: u64) -> Result<Self> {
        let asked: Requires = serde_json::from_slice(json).map_err(wrong)?;
        if let Some(word) = asked.requires.iter().find(|word| !UNDERSTOOD.contains(&word.as_str())) {
            return Err(Error::failed("the bundle needs a newer pack")
                .fact("requires", word)
                .fact("packed by", asked.packed_by)
                .hint("use the pack inside the bundle: sh FILE.run pack verify"));
        }
        let index: Index = serde_json::from_slice(json).map_err(wrong)?;
        index.name.parse::<ProductName>().map_err(wrong)?;
        index.check_frames(index_offset)?;
        index.check_entries()?;
        index.check_sizes()?;
        index.check_artifacts()?;
        Ok(index)
    }

    /// The entry of that path.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path.as_str() == path)
    }

    /// The container images in an artifact, under the names that it gives them.
    pub fn images_of(&self, artifact: &CarriedArtifact) -> Vec<Image> {
        let of_artifact = |image: &Image| {
            let place = artifact.images.iter().position(|id| *id == image.id)?;
            let tags = artifact.tags.get(place).unwrap_or(&image.tags).clone();
            Some(Image { tags, ..image.clone() })
        };
        self.images.iter().filter_map(of_artifact).collect()
    }

    /// What of the folder an entry is for: the file itself, or the artifacts that are made from it.
    pub fn used_by<'a>(&'a self, entry: &'a Entry) -> Vec<&'a str> {
        let path = entry.path.as_str();
        let uses = |artifact: &&CarriedArtifact| {
            let of_image = |id: &Digest| {
                let image = self.images.iter().find(|image| image.id == *id);
                image.is_some_and(|image| {
                    path == image::blob_path(&image.id)
                        || image.layers.iter().any(|layer| path == image::blob_path(&layer.blob().digest))
                })
            };
            artifact.form != Form::File
                && (path == image::recipe_path(&artifact.digest)
                    || artifact.blobs.iter().any(|blob| path == image::other_blob_path(blob))
                    || artifact.images.iter().any(of_image))
        };
        let users: Vec<&str> = self.artifacts.iter().filter(uses).map(|artifact| artifact.name.as_str()).collect();
        if users.is_empty() { vec![path] } else { users }
    }

    /// What the payload takes up in the file, in bytes.
    pub fn payload_size(&self) -> u64 {
        self.frames.iter().map(|frame| frame.size).sum()
    }

    fn check_frames(&self, index_offset: u64) -> Result<()> {
        let limits = Limits::DEFAULT;
        if self.frames.is_empty() || self.frames.len() > limits.frames {
            return Err(wrong(format_args!("{} frames", self.frames.len())));
        }
        let mut stored = self.header_size;
        let mut raw = 0u64;
        for (number, frame) in self.frames.iter().enumerate() {
            if frame.offset != stored {
                return Err(wrong(format_args!("frame {number} begins at {}, not at {stored}", frame.offset)));
            }
            // No zstd frame is longer than this for its content (ZSTD_compressBound): a reader holds both.
            let longest = frame.raw_size.saturating_add(frame.raw_size / 128).saturating_add(1 << 10);
            if frame.size == 0 || frame.raw_size == 0 || frame.raw_size > limits.frame_bytes || frame.size > longest {
                return Err(wrong(format_args!("frame {number} has {} bytes for {}", frame.size, frame.raw_size)));
            }
            stored = stored.checked_add(frame.size).ok_or_else(|| wrong("a frame's size is absurd"))?;
            raw = raw.checked_add(frame.raw_size).ok_or_else(|| wrong("a frame's size is absurd"))?;
            if stored > index_offset {
                return Err(wrong(format_args!("frame {number} ends at {stored}, beyond the index at {index_offset}")));
            }
        }
        if stored != index_offset {
            return Err(wrong(format_args!("the frames end at {stored}, the index begins at {index_offset}")));
        }
        if raw != self.raw_size {
            return Err(wrong(format_args!("the frames hold {raw} bytes, not {}", self.raw_size)));
        }
        Ok(())
    }

    fn check_entries(&self) -> Result<()> {
        let mut end = 0;
        let mut paths = HashMap::new();
        for entry in &self.entries {
            let inside = entry.offset.checked_add(entry.size).is_some_and(|end| end <= self.raw_size);
            if entry.offset < end || !inside {
                return Err(wrong(format_args!("'{}' does not lie in the payload by itself", entry.path)));
            }
            if entry.mode > 0o777 {
                return Err(wrong(format_args!("'{}' has the mode {:o}", entry.path, entry.mode)));
            }
            if paths.insert(&entry.path, entry).is_some() {
                return Err(wrong(format_args!("'{}' is there twice", entry.path)));
            }
            end = entry.end();
        }
        if self.entry(FILE_NAME).is_none() {
            return Err(wrong("it has no manifest.json"));
        }
        Ok(())
    }

    /// What is made need not lie in the payload in its own size: sums of these sizes must not wrap around.
    fn check_sizes(&self) -> Result<()> {
        let layers = self.images.iter().flat_map(|image| &image.layers);
        let layers = layers.flat_map(|layer| [layer.size, layer.blob().size]);
        let mut sizes = self.artifacts.iter().map(|artifact| artifact.size).chain(layers);
        match sizes.find(|&size| size > Limits::DEFAULT.artifact_bytes) {
            Some(size) => Err(wrong(format_args!("an artifact or a layer has {size} bytes"))),
            None => Ok(()),
        }
    }

    fn check_artifacts(&self) -> Result<()> {
        let entries: HashMap<&RelPath, &Entry> = self.entries.iter().map(|entry| (&entry.path, entry)).collect();
        let has = |path: &str, size: Option<u64>| {
            let path: Option<RelPath> = path.parse().ok();
            path.and_then(|path| entries.get(&path)).is_some_and(|entry| size.is_none_or(|size| entry.size == size))
        };
        let mut names = HashSet::new();
        for artifact in &self.artifacts {
            // What is made must not come out over what is copied, nor one artifact over another.
            let is_copied = artifact.form == Form::File;
            if !names.insert(&artifact.name) || (!is_copied && entries.contains_key(&artifact.name)) {
                return Err(wrong(format_args!("two files of the folder have the name '{}'", artifact.name)));
            }
            let carried = match artifact.form {
                Form::File => entries.get(&artifact.name).is_some_and(|entry| {
                    entry.size == artifact.size && entry.digest == artifact.digest && entry.mode == artifact.mode
                }),
                Form::Rebuilt => has(&image::recipe_path(&artifact.digest), None),
                Form::Exported => !artifact.images.is_empty(),
            };
            let whole = |image: &Image| {
                has(&image::blob_path(&image.id), None)
                    && image
                        .layers
                        .iter()
                        .all(|layer| has(&image::blob_path(&layer.blob().digest), Some(layer.blob().size)))
            };
            let of_images = artifact.images.iter().all(|id| {
                let image = self.images.iter().find(|image| image.id == *id);
                image.is_some_and(|image| is_copied || whole(image))
            });
            let of_tags = artifact.tags.is_empty() || artifact.tags.len() == artifact.images.len();
            let of_tags = of_tags
                && artifact.images.iter().zip(&artifact.tags).all(|(id, tags)| {
                    let image = self.images.iter().find(|image| image.id == *id);
                    image.is_some_and(|image| tags.iter().all(|tag| image.tags.contains(tag)))
                });
            let of_blobs = artifact.blobs.iter().all(|blob| has(&image::other_blob_path(blob), None));
            let carried = carried && of_images && of_tags && of_blobs && artifact.mode <= 0o777;
            if !carried {
                return Err(wrong(format_args!(
                    "'{}' is not in the payload as the artifact it should be",
                    artifact.name
                )));
            }
        }
        if let Some(run) = &self.run
            && !self.artifacts.iter().any(|artifact| artifact.name == *run)
        {
            return Err(wrong(format_args!("'{run}' is to be run, yet not there")));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Requires {
    requires: Vec<String>,
    #[serde(default)]
    packed_by: String,
}

fn wrong(why: impl Display) -> Error {
    Error::integrity("the bundle's index contradicts itself")
        .fact("reason", why)
        .hint("copy the bundle again from where it was made, and check it there with: pack verify FILE.run")
}
