//! The table of a bundle in volumes: what stands where the index of a bundle in one file does, and says that the payload
//! lies in further files.
//!
//! ```text
//! x.run       launcher and runtime, index, table, trailer
//! x.run.001   frames of the payload, end to end
//! x.run.002   the next frames
//! ```
//!
//! Launcher, runtime and index are those of the bundle in one file, byte for byte: so is the bundle, to everything that
//! reads it, and its seal, its signatures and the offsets in it are the same. `docs/format.md` describes every byte.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::format::{TRAILER_LENGTH, Trailer, index_frame};
use super::index_read::needs_newer;
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, Result};
use crate::manifest::Limits;

/// The word in the table's `requires`, by which an older reader does not go on.
const VOLUMES: &str = "volumes";
/// The most volumes: the names of no more than these match `x.run.0*`.
pub(super) const MOST_VOLUMES: usize = 99;
/// The longest table, in bytes of JSON.
pub(super) const LONGEST_TABLE: usize = 64 << 10;
/// How much of a volume's beginning tells it from others, in bytes.
pub(super) const HEAD: u64 = 64 << 10;

/// One of the files that the payload lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// The digest of its first 64 KiB, or of all where it is shorter.
    pub head: Digest,
}

impl Volume {
    /// Size and digest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest, size: self.size }
    }
}

/// The name of the volume of that number, counted from 0, of the bundle at `path`.
pub fn volume_beside(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:03}", number + 1));
    name.into()
}

/// The table of a bundle in volumes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeTable {
    requires: Vec<String>,
    packed_by: String,
    /// The length of the index frame, which lies just before this table's.
    pub(super) index_size: u64,
    /// The digest of the index frame.
    pub(super) index_digest: Digest,
    /// The volumes, in their order.
    pub(super) volumes: Vec<Volume>,
}

/// What is looked at before the rest is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    requires: Vec<String>,
    #[serde(default)]
    packed_by: String,
}

impl VolumeTable {
    /// Where each volume lies in the bundle in one file, whose payload begins at `payload`.
    pub(super) fn ranges(&self, payload: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        self.volumes.iter().scan(payload, |end, volume| {
            let begin = std::mem::replace(end, *end + volume.size);
            Some(begin..*end)
        })
    }

    /// The table of a bundle with this trailer, in these volumes.
    pub(super) fn new(whole: Trailer, volumes: Vec<Volume>) -> Self {
        VolumeTable {
            requires: vec![VOLUMES.to_owned()],
            packed_by: concat!("pack ", env!("CARGO_PKG_VERSION")).to_owned(),
            index_size: whole.index_size,
            index_digest: whole.index_digest,
            volumes,
        }
    }

    /// Reads what stands in an index's place; `None` where it is the index of a bundle in one file, or is to be judged as
    /// one.
    ///
    /// # Errors
    /// It asks for something this reader does not know, or contradicts itself or a limit.
    pub(super) fn read(json: &[u8]) -> Result<Option<Self>> {
        if json.len() > LONGEST_TABLE {
            return Ok(None);
        }
        let Ok(asked) = serde_json::from_slice::<Outline>(json) else { return Ok(None) };
        if !asked.requires.iter().any(|word| word == VOLUMES) {
            return Ok(None);
        }
        if let Some(word) = asked.requires.iter().find(|word| *word != VOLUMES) {
            return Err(needs_newer(word, &asked.packed_by));
        }
        let table: VolumeTable = serde_json::from_slice(json).map_err(wrong)?;
        if table.volumes.is_empty() || table.volumes.len() > MOST_VOLUMES {
            return Err(wrong(format_args!("{} volumes", table.volumes.len())));
        }
        let sizes = table.volumes.iter().map(|volume| volume.size);
        let total = sizes.clone().try_fold(table.index_size, u64::checked_add);
        if sizes.min() == Some(0) || total.is_none_or(|total| total > u64::MAX / 2) {
            return Err(wrong("a volume's size is absurd"));
        }
        if table.index_size > Limits::DEFAULT.index_bytes {
            return Err(wrong(format_args!("its index has {} bytes", table.index_size)));
        }
        Ok(Some(table))
    }

    /// The trailer of the bundle in one file whose launcher and runtime have `header` bytes.
    pub(super) fn whole(&self, header: u64) -> Trailer {
        let index_offset = header + self.volumes.iter().map(|volume| volume.size).sum::<u64>();
        let total = index_offset + self.index_size + TRAILER_LENGTH;
        Trailer { index_offset, index_size: self.index_size, index_digest: self.index_digest, total }
    }

    /// Table and trailer, which follow the index in a file where that ends at `offset`.
    ///
    /// # Errors
    /// The table is larger than a reader takes.
    pub(super) fn to_bytes(&self, offset: u64) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self)
            .map_err(|cause| Error::failed("cannot write the bundle's index").fact("cause", cause))?;
        let mut bytes = index_frame(&json)?;
        let Descriptor { digest, size } = Descriptor::of(&bytes);
        let total = offset + size + TRAILER_LENGTH;
        bytes.extend(Trailer { index_offset: offset, index_size: size, index_digest: digest, total }.to_bytes());
        Ok(bytes)
    }
}

/// The error for a table that cannot be right; the caller, who knows the bundle's name, adds the hint.
fn wrong(why: impl Display) -> Error {
    Error::integrity("the bundle's table of volumes contradicts itself").fact("reason", why)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<Option<VolumeTable>> {
        let digest = Digest::of(b"");
        let mut table = json!({
            "requires": ["volumes"], "packedBy": "x", "indexSize": Limits::DEFAULT.index_bytes, "indexDigest": digest,
            "volumes": vec![json!({"size": 1, "digest": digest, "head": digest}); MOST_VOLUMES], "later": [],
        });
        change(&mut table);
        VolumeTable::read(table.to_string().as_bytes())
    }

    #[test]
    fn each_number_may_be_as_large_as_its_limit() {
        let table = read(|_| ()).expect("just within every limit").expect("a table");
        assert_eq!(table.whole(10).index_offset, 10 + MOST_VOLUMES as u64);
        let refused = |change: fn(&mut Value)| read(change).is_err();
        assert!(refused(|table| table["indexSize"] = json!(Limits::DEFAULT.index_bytes + 1)));
        assert!(refused(|table| table["volumes"] = json!([])));
        assert!(refused(|table| table["volumes"][3]["size"] = json!(0)));
        assert!(refused(|table| table["volumes"][3]["size"] = json!(u64::MAX)));
        assert!(refused(|table| {
            let more = table["volumes"][0].clone();
            table["volumes"].as_array_mut().expect("a list").push(more);
        }));
        assert!(refused(|table| table["requires"] = json!(["volumes", "more"])));
        assert!(refused(|table| table["volumes"] = json!(1)));
    }

    #[test]
    fn what_is_no_table_is_left_to_the_reader_of_indexes() {
        assert!(read(|table| table["requires"] = json!([])).expect("no table").is_none());
        assert!(VolumeTable::read(b"{").expect("no JSON").is_none());
        let long = |length: usize| {
            let table = r#"{"requires":["volumes"]}"#;
            VolumeTable::read(format!("{table}{}", " ".repeat(length - table.len())).as_bytes())
        };
        assert!(long(LONGEST_TABLE).is_err(), "a table without volumes");
        assert!(long(LONGEST_TABLE + 1).expect("not looked at").is_none());
    }
}
