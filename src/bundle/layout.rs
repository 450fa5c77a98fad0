//! Where things lie: frames in the file, entries in the tar stream.

use serde::{Deserialize, Serialize};

use crate::digest::{Descriptor, Digest};
use crate::path::RelPath;

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
pub struct PayloadEntry {
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

impl Frame {
    /// Size and digest of the stored bytes.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest, size: self.size }
    }
}

impl PayloadEntry {
    /// Size and digest of its content.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest, size: self.size }
    }

    /// The offset in the tar stream just after its content.
    pub fn end(&self) -> u64 {
        self.offset + self.size
    }
}
