//! Which ranges of a file are wrong, as a small document that can be carried to where the file is whole.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::LONGEST;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::small_file;
use crate::staged_file::StagedFile;

/// The largest map that is read, in bytes: a million ranges.
const LIMIT: u64 = 64 << 20;
/// The format's number.
const FORMAT: u32 = 1;

/// A range of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Where it begins.
    pub offset: u64,
    /// Its length, at least 1.
    pub size: u64,
}

/// How finely damage is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// By sectors of 4 KiB, for parity lies beside the file.
    Sector,
    /// By the bundle's frames.
    Frame,
}

/// The damage of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageMap {
    #[serde(rename = "damageMap")]
    format: u32,
    /// The file's name.
    pub bundle: String,
    /// The length it should have, in bytes.
    pub size: u64,
    /// The digest of the bundle's trailer, by which the bundle is known.
    pub seal: Digest,
    /// How finely the damage is told.
    pub unit: Unit,
    /// What is wrong, in order, without overlaps.
    pub ranges: Vec<Range>,
}

impl DamageMap {
    /// The map of `bundle`, whose ranges come in order; those that touch become one.
    pub fn new(bundle: &Path, size: u64, seal: Digest, unit: Unit, ranges: impl IntoIterator<Item = Range>) -> Self {
        let bundle = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut joined: Vec<Range> = Vec::new();
        for range in ranges {
            match joined.last_mut().filter(|last| last.offset + last.size == range.offset) {
                Some(last) => last.size += range.size,
                None => joined.push(range),
            }
        }
        DamageMap { format: FORMAT, bundle, size, seal, unit, ranges: joined }
    }

    /// How many bytes are wrong.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.size).sum()
    }

    /// Writes the map.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|cause| invalid(path, cause))?;
        StagedFile::write(path, format!("{text}\n").as_bytes(), 0o644)
    }

    /// Reads a map.
    ///
    /// # Errors
    /// It cannot be read, is not a map, or its ranges are not in order or lie outside of the file.
    pub fn read(path: &Path) -> Result<Self> {
        let Some(bytes) = small_file::read_if_there(path, LIMIT)? else {
            return Err(Error::failed("there is no such damage map")
                .fact("path", path.display())
                .hint(format_args!("look for it: ls -l {}", shell_word(path))));
        };
        let map: DamageMap = serde_json::from_slice(&bytes).map_err(|cause| invalid(path, cause))?;
        if map.format != FORMAT {
            return Err(Error::failed("the damage map has a later format than this pack reads")
                .fact("path", path.display())
                .fact("format", map.format)
                .hint("use the pack that made it"));
        }
        check_ranges(&map.ranges, map.size).map_err(|reason| invalid(path, reason))?;
        Ok(map)
    }
}

/// Checks that ranges are in order, do not overlap, and lie in a file of `size` bytes.
pub(super) fn check_ranges(ranges: &[Range], size: u64) -> Result<(), &'static str> {
    if size > LONGEST {
        return Err("the file's size is too large");
    }
    let mut end = 0;
    for range in ranges {
        if range.offset < end || range.size == 0 {
            return Err("its ranges are not in order");
        }
        end = range
            .offset
            .checked_add(range.size)
            .filter(|&end| end <= size)
            .ok_or("a range lies outside of the file")?;
    }
    Ok(())
}

fn invalid(path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::failed("this is not a damage map")
        .fact("path", path.display())
        .fact("reason", cause)
        .hint("it is the file that 'pack verify --map' wrote: copy it again from there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[(u64, u64)]) -> DamageMap {
        let ranges = ranges.iter().map(|&(offset, size)| Range { offset, size });
        DamageMap::new(Path::new("/stick/x.run"), 100, Digest::of(b"seal"), Unit::Sector, ranges)
    }

    #[test]
    fn a_map_reads_back_with_neighbours_joined() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("map");
        let written = map(&[(0, 10), (10, 10), (30, 70)]);
        assert_eq!(written.ranges, [Range { offset: 0, size: 20 }, Range { offset: 30, size: 70 }]);
        assert_eq!((written.bytes(), written.bundle.as_str()), (90, "x.run"));
        written.write(&path).expect("written");
        assert_eq!(DamageMap::read(&path).expect("read"), written);
    }

    #[test]
    fn a_map_may_be_as_large_as_the_limit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("map");
        map(&[(0, 1)]).write(&path).expect("written");
        let mut text = std::fs::read(&path).expect("read");
        for (size, is_read) in [(LIMIT, true), (LIMIT + 1, false)] {
            text.resize(size as usize, b' ');
            std::fs::write(&path, &text).expect("written");
            assert_eq!(DamageMap::read(&path).is_ok(), is_read, "{size} bytes");
        }
    }

    #[test]
    fn ranges_that_no_file_has_are_refused() {
        for (ranges, right) in [
            (&[(0, 100)][..], true),
            (&[(0, 101)], false),
            (&[(100, 1)], false),
            (&[(50, 1), (10, 1)], false),
            (&[(50, 10), (59, 2)], false),
            (&[(50, 0)], false),
            (&[(u64::MAX, 2)], false),
        ] {
            let ranges: Vec<Range> = ranges.iter().map(|&(offset, size)| Range { offset, size }).collect();
            assert_eq!(check_ranges(&ranges, 100).is_ok(), right, "{ranges:?}");
        }
        assert!(check_ranges(&[], LONGEST + 1).is_err());
    }
}
