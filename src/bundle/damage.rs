//! Checking every byte of a bundle, and saying what a wrong one belongs to.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use super::index::Index;
use super::layout::PayloadEntry;
use super::read::Bundle;
use crate::digest::{Descriptor, Digest};
use crate::error::Result;
use crate::progress::Progress;
use crate::workers;

/// How many files a damaged part is reported with.
const MOST_FILES: usize = 100;

/// What of a bundle is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundlePart {
    /// Launcher or runtime.
    Header,
    /// The frame of that number, counted from 0.
    Frame(usize),
}

/// A part of a bundle whose bytes are not what the index says.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Which part.
    pub part: BundlePart,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
    /// The digest in the index.
    pub expected: Digest,
    /// The digest found; `None` where the bytes cannot be read.
    pub actual: Option<Digest>,
    /// The files that lie in it, wholly or partly; of more than a hundred, the first hundred.
    pub files: Vec<String>,
}

/// The damage in one line.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged: {} byte{} from {} on (", self.size, if self.size == 1 { "" } else { "s" }, self.offset)?;
        match self.part {
            BundlePart::Header => write!(f, "launcher and runtime")?,
            BundlePart::Frame(number) => write!(f, "frame {number}, which holds {}", self.files.join(", "))?,
        }
        write!(f, "): expected {}, found ", self.expected)?;
        match &self.actual {
            Some(actual) => actual.fmt(f),
            None => write!(f, "what cannot be read"),
        }
    }
}

/// Checks the header and every frame, on all cores. Trailer and index were checked when the bundle was
/// opened, and all of them lie end to end, so that no byte of the file is left out.
///
/// # Errors
/// None of the bundle's: damage, and what cannot be read, is the result, which is empty when there is none.
pub fn verify(bundle: &Bundle, progress: &dyn Progress) -> Result<Vec<Damage>> {
    let index = bundle.index();
    let meter = progress.start("bundle", Some(index.header_size + index.payload_size()));
    let header = (BundlePart::Header, 0, index.header_size, index.header_digest);
    let frames = index.frames.iter().enumerate();
    let mut parts: Vec<_> =
        frames.map(|(at, frame)| (BundlePart::Frame(at), frame.offset, frame.size, frame.digest)).collect();
    parts.push(header);
    // The largest first, so that no core gets a large one when the others have nothing left to do.
    parts.sort_by_key(|&(_, offset, size, _)| (Reverse(size), offset));
    let mut damage = Vec::new();
    workers::ordered(
        workers::cores(),
        |emit| parts.iter().try_for_each(|&part| emit(part)),
        |(part, offset, size, expected)| {
            // A stick that drops bits often fails to read as well: that is damage, and the rest is checked too.
            let actual = bundle.stored(offset, size, |count| meter.add(count)).ok();
            Ok((part, offset, size, expected, actual))
        },
        |(part, offset, size, expected, actual)| {
            let is_right = |actual: Descriptor| actual.check(Descriptor { digest: expected, size }).is_ok();
            if !actual.is_some_and(is_right) {
                let files = match part {
                    BundlePart::Header => Vec::new(),
                    BundlePart::Frame(number) => files_in(index, number),
                };
                let actual = actual.map(|actual| actual.digest);
                damage.push(Damage { part, offset, size, expected, actual, files });
            }
            Ok(())
        },
    )?;
    damage.sort_by_key(|damage| damage.offset);
    meter.done(if damage.is_empty() { "ok" } else { "damaged" });
    Ok(damage)
}

/// The paths of all entries that lie in a frame, wholly or partly, their tar headers included.
fn files_in(index: &Index, number: usize) -> Vec<String> {
    const BLOCK: u64 = 512;
    let from = index.lookup.frame_starts[number];
    let to = from + index.frames[number].raw_size;
    let first = index.entries.partition_point(|entry| entry.end() <= from);
    let touches = |entry: &&PayloadEntry| entry.offset.saturating_sub(BLOCK) < to;
    let mut known = HashSet::new();
    let files = index.entries[first..].iter().take_while(touches).flat_map(|entry| index.used_by(entry));
    files.filter(|file| known.insert(*file)).take(MOST_FILES).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::lookup::IndexMaps;
    use super::*;

    #[test]
    fn a_frame_is_that_of_the_files_that_have_a_byte_in_it_or_in_their_header() {
        let digest = Digest::of(b"");
        let frame = |offset: u64| json!({"offset": offset, "size": 10, "rawSize": 1000, "digest": digest});
        let entry = |path: &str, offset: u64, size: u64| json!({"path": path, "offset": offset, "size": size, "mode": 0o644, "digest": digest});
        let mut index: Index = serde_json::from_value(json!({
            "requires": [], "packedBy": "x", "name": "x", "version": "1.0.0", "platform": "linux/amd64",
            "headerSize": 0, "headerDigest": digest, "rawSize": 3000, "frames": [frame(0), frame(10), frame(20)],
            "entries": [entry("a", 512, 488), entry("b", 1512, 400), entry("c", 2512, 400)], "artifacts": [],
        }))
        .expect("an index");
        index.lookup = IndexMaps::new(&index.frames, &index.entries, &[], &[]);
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(files_in(&index, number), [name]);
        }
    }
}
