//! Archives of container images: read, shared by layer, and given back bit for bit.
//!
//! ```text
//! mysql.tar.gz ─analyse─▶ images, blobs (each layer once), recipe ─▶ OCI layout + recipe in the bundle
//!                                                    recipe + blobs ─rebuild─▶ mysql.tar.gz, every bit
//!                                                    images + blobs ─export─▶ docker load
//! ```
//!
//! * [`analyse()`] reads an artifact once, checks every layer against its image's config, and finds out how
//!   the artifact can be written again.
//! * [`layout()`] puts the images of several artifacts into one OCI image layout.
//! * [`rebuild()`] writes the original artifact, [`write_content()`] what is in it, [`export()`] an archive for
//!   `docker load`.

mod analyse;
mod archive;
mod blob;
mod deflate;
mod export;
pub(crate) mod fuzzing;
mod gzip;
mod gzip_write;
mod hashing;
mod layout;
mod limits;
mod options;
mod prove;
mod rebuild;
mod recipe;
mod resolve;
mod tag;
mod tar;
mod text;

pub use analyse::{Analysis, Form, analyse};
pub use archive::Compression;
pub use blob::Blob;
pub use export::{END_OF_ARCHIVE, export, export_members};
pub use layout::{Entry, Source, blob_path, distinct, layout, other_blob_path, recipe_path};
pub use limits::Limits;
pub use options::Options;
pub use rebuild::{BlobSource, rebuild, write_content};
pub use recipe::Recipe;
pub use tag::check_tags;
pub use text::without_compression;

use crate::digest::Digest;

/// A container image whose layers are what its config says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its names, such as `mysql:8.0`; none where the archive gives it none.
    pub tags: Vec<String>,
    /// The image ID: the digest of its config.
    pub id: Digest,
    /// Its config, JSON, exactly as it was.
    pub config: Vec<u8>,
    /// What it runs on, such as `linux/amd64`.
    pub platform: String,
    /// Its layers, base first.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its tar archive without compression.
    pub diff_id: Digest,
    /// The size of that, in bytes.
    pub size: u64,
    /// The blob it is carried as.
    pub stored: Stored,
}

/// How a layer is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the blob.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
    /// Its own compression: only where that could not be taken off and put on again exactly.
    pub compression: Option<Compression>,
}
