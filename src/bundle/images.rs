//! The container images of a bundle, as its index lists them.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::image::{Compression, Image, Layer, Stored};

/// A container image in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedImage {
    /// Its names.
    pub tags: Vec<String>,
    /// The image ID: the digest of its config.
    pub id: Digest,
    /// The operating system and architecture it runs on, such as `linux/amd64`.
    pub platform: String,
    /// Its layers, base first.
    pub layers: Vec<CarriedLayer>,
}

/// A layer of a carried image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarriedLayer {
    /// The digest of its tar archive without compression.
    pub diff_id: Digest,
    /// The size of that, in bytes.
    pub size: u64,
    /// The compressed blob it is carried as, where its compression could not be taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<CompressedLayer>,
}

/// A layer's compressed blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompressedLayer {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How it is compressed.
    pub compression: Compression,
}

impl CarriedLayer {
    /// The digest of the blob it is carried as.
    pub fn blob(&self) -> Digest {
        self.packed.map_or(self.diff_id, |packed| packed.digest)
    }

    /// The size of that blob, in bytes.
    pub fn blob_size(&self) -> u64 {
        self.packed.map_or(self.size, |packed| packed.size)
    }
}

impl From<&Image> for CarriedImage {
    fn from(image: &Image) -> Self {
        let layer = |layer: &Layer| CarriedLayer {
            diff_id: layer.diff_id,
            size: layer.size,
            packed: layer.stored.compression.map(|compression| CompressedLayer {
                digest: layer.stored.digest,
                size: layer.stored.size,
                compression,
            }),
        };
        let layers = image.layers.iter().map(layer).collect();
        CarriedImage { tags: image.tags.clone(), id: image.id, platform: image.platform.clone(), layers }
    }
}

impl CarriedImage {
    /// The image as the index describes it: its config is empty.
    pub fn without_config(&self) -> Image {
        let layer = |layer: &CarriedLayer| Layer {
            diff_id: layer.diff_id,
            size: layer.size,
            stored: Stored {
                digest: layer.blob(),
                size: layer.blob_size(),
                compression: layer.packed.map(|packed| packed.compression),
            },
        };
        let layers = self.layers.iter().map(layer).collect();
        Image { tags: self.tags.clone(), id: self.id, config: Vec::new(), platform: self.platform.clone(), layers }
    }
}
