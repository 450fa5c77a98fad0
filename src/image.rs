//! Archives of container images: read, shared by layer, and written again bit for bit.
//!
//! ```text
//! mysql.tar.gz ─analyse─▶ images, blobs (each layer once), recipe ─▶ OCI layout + recipe in the bundle
//!                                                    recipe + blobs ─rebuild─▶ mysql.tar.gz, every bit
//!                                                    images + blobs ─export─▶ docker load
//! ```
//!
//! * [`analyse()`] reads an artifact once, compares every layer with its image's config, and finds out how
//!   the artifact can be written again.
//! * [`layout()`] puts the images of several artifacts into one OCI image layout.
//! * [`rebuild()`] writes the original artifact, [`write_content()`] its decompressed content, [`export()`] an archive
//!   for `docker load`.
//!
//! How some gzip streams were made is guessed by a library that may panic over it. That is caught, and means that the guess
//! was wrong; a program that wants to see no message of it calls [`silence_caught_panics`] once. One that reads what strangers
//! made calls [`confine`]: the library takes as much memory as a recipe asks for, and is then at work in a child process that
//! may not have more than the content needs.

mod analyse;
mod archive;
mod attached;
mod blob;
mod blobs;
mod confined;
mod content;
mod export;
mod fault;
pub(crate) mod fuzzing;
mod gzip;
mod gzip_write;
mod images_in;
mod layers;
mod layout;
mod layout_stream;
mod limits;
mod oci;
mod options;
mod pax;
mod prove;
mod rebuild;
mod recipe;
mod recipe_sizes;
mod recognise;
mod registry;
mod registry_archive;
mod resolve;
mod sniff;
mod tag;
mod tar;
mod unpacker;

pub use analyse::{Analysis, Representation, analyse};
pub use attached::{AttachedBlob, referrers, referrers_tag};
pub use blob::Blob;
pub use blobs::{AnalysedBlobs, BlobSource};
pub use confined::{confine, confined, serve_confined};
pub use content::{Codec, content_of, without_compression};
pub use export::{END_OF_ARCHIVE, export, export_members};
pub use fault::with_command;
pub use images_in::images_in;
pub use layout::{
    LayoutContent, LayoutFile, blob_path, distinct, layout, layout_documents, other_blob_path, recipe_path,
};
pub use layout_stream::{export_blobs, export_documents, manifest_digest};
pub use limits::{ImageLimits, SMALL_RECIPE};
pub use oci::{ImageConfig, docker_manifest};
pub use options::AnalysisOptions;
pub use rebuild::{rebuild, write_content};
pub use recipe::{Recipe, RecipeFault};
pub use recognise::{Recognised, recognise};
pub use redeflate::silence_caught_panics;
pub use registry::{ACCEPTED, RegistryDocument, RegistryImage, RegistryIndex};
pub use registry_archive::{ArchiveSink, RegistryBlobs};
pub use sniff::Compression;
pub use tag::check_tags;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::digest::{Descriptor, Digest};
use crate::image_ref::ImageRef;

/// A container image. Its config is a blob under its ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The names it is loaded under, each with a tag, such as `mysql:8.0`; none where its archive gives it none.
    #[serde(deserialize_with = "tagged")]
    pub tags: Vec<ImageRef>,
    /// The image ID: the digest of its config.
    pub id: Digest,
    /// What it runs on, such as `linux/amd64`.
    pub platform: String,
    /// Its layers, base first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// What people call it: its first tag, or its ID.
    pub fn title(&self) -> String {
        self.tags.first().map_or_else(|| self.id.to_string(), ImageRef::to_string)
    }

    /// The digests of its layers without compression, base first.
    pub fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }
}

/// A layer of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The digest of its tar archive without compression.
    pub diff_id: Digest,
    /// The size of that, in bytes.
    pub size: u64,
    /// The compressed blob it is carried as, where its compression could not be taken off and put on again exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
}

/// The compressed blob of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How it is compressed.
    #[serde(rename = "compression")]
    pub codec: Codec,
}

impl Layer {
    /// Digest and size of its tar archive without compression.
    pub fn content(&self) -> Descriptor {
        Descriptor { digest: self.diff_id, size: self.size }
    }

    /// Digest and size of the blob it is carried as.
    pub fn blob(&self) -> Descriptor {
        self.packed.map_or(self.content(), |packed| Descriptor { digest: packed.digest, size: packed.size })
    }

    /// How that blob is compressed; `None` where it is not.
    pub fn codec(&self) -> Option<Codec> {
        self.packed.map(|packed| packed.codec)
    }
}

/// Reads names that an image can be loaded under.
fn tagged<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ImageRef>, D::Error> {
    let tags = Vec::<String>::deserialize(deserializer)?;
    tags.iter().map(|tag| ImageRef::tagged(tag)).collect::<Result<_, _>>().map_err(de::Error::custom)
}
