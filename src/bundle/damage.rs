//! Checking every byte of a bundle, and saying what a wrong one belongs to.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;
use std::io::Read;

use super::files::VolumePlace;
use super::index::Index;
use super::layout::PayloadEntry;
use super::read::Bundle;
use crate::digest::{Descriptor, Digest, HashingReader};
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
    /// The volume of that number, counted from 0: its frames are right, and its digest is not.
    Volume(usize),
}

/// A part of a bundle whose bytes are not what the index says.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Which part.
    pub part: BundlePart,
    /// Where it begins in the file, or would in the bundle in one file.
    pub offset: u64,
    /// Where it begins in a volume, if it lies in one.
    pub volume: Option<VolumePlace>,
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
        let offset = self.volume.as_ref().map_or(self.offset, |volume| volume.offset);
        write!(f, "damaged: {} byte{} from {offset} on", self.size, if self.size == 1 { "" } else { "s" })?;
        if let Some(VolumePlace { name, .. }) = &self.volume {
            write!(f, " of {name}")?;
        }
        write!(f, " (")?;
        match self.part {
            BundlePart::Header => write!(f, "launcher and runtime")?,
            BundlePart::Frame(number) => write!(f, "frame {number}, which holds {}", self.files.join(", "))?,
            BundlePart::Volume(_) => write!(f, "all of it, though its frames are right")?,
        }
        write!(f, "): expected {}, found ", self.expected)?;
        match &self.actual {
            Some(actual) => actual.fmt(f),
            None => write!(f, "what cannot be read"),
        }
    }
}

/// A range of a bundle and the digest that it must have.
#[derive(Debug, Clone, Copy)]
struct Checked {
    part: BundlePart,
    offset: u64,
    expected: Descriptor,
    actual: Option<Descriptor>,
}

impl Checked {
    fn new(part: BundlePart, offset: u64, expected: Descriptor) -> Self {
        Checked { part, offset, expected, actual: None }
    }

    fn is_right(&self) -> bool {
        self.actual.is_some_and(|actual| actual.check(self.expected).is_ok())
    }
}

/// Checks the header, every frame and every volume, on all cores. Trailer and index were checked when the bundle was
/// opened, and all of them lie end to end, so that no byte of the file is left out.
///
/// # Errors
/// None of the bundle's: damage, and what cannot be read, is the result, which is empty when there is none.
pub fn verify(bundle: &Bundle, progress: &dyn Progress) -> Result<Vec<Damage>> {
    let index = bundle.index();
    let meter = progress.start("bundle", Some(index.header_size + index.payload_size()));
    let mut damage = Vec::new();
    workers::ordered(
        workers::cores(),
        |emit| ranges(bundle).into_iter().try_for_each(emit),
        |ranges: Vec<Checked>| Ok(check(bundle, ranges, |count| meter.add(count))),
        |checked| {
            // Where a volume's frames are wrong, so is the volume, and the frames say more.
            let in_frames = checked.iter().any(|one| matches!(one.part, BundlePart::Frame(_)) && !one.is_right());
            let is_told = |one: &&Checked| !(one.is_right() || in_frames && matches!(one.part, BundlePart::Volume(_)));
            for &Checked { part, offset, expected, actual } in checked.iter().filter(is_told) {
                let files = match part {
                    BundlePart::Frame(number) => files_in(index, number),
                    BundlePart::Header | BundlePart::Volume(_) => Vec::new(),
                };
                let volume = bundle.volume_at(offset);
                let (Descriptor { digest, size }, actual) = (expected, actual.map(|actual| actual.digest));
                damage.push(Damage { part, offset, volume, size, expected: digest, actual, files });
            }
            Ok(())
        },
    )?;
    damage.sort_by_key(|damage| damage.offset);
    meter.done(if damage.is_empty() { "ok" } else { "damaged" });
    Ok(damage)
}

/// What is checked, in lists that one core goes through: each frame by itself, or with all of its volume, whose digest is
/// computed on the way. The largest first, so that no core gets a large one when the others have nothing left to do.
fn ranges(bundle: &Bundle) -> Vec<Vec<Checked>> {
    let index = bundle.index();
    let frames = index.frames.iter().enumerate();
    let mut frames = frames.map(|(at, frame)| Checked::new(BundlePart::Frame(at), frame.offset, frame.descriptor()));
    let header = Descriptor { digest: index.header_digest, size: index.header_size };
    let mut lists = vec![vec![Checked::new(BundlePart::Header, 0, header)]];
    for (number, (volume, range)) in bundle.volumes().iter().zip(bundle.volume_ranges()).enumerate() {
        let mut list = vec![Checked::new(BundlePart::Volume(number), range.start, volume.descriptor())];
        let count = index.frames.iter().filter(|frame| range.contains(&frame.offset)).count();
        list.extend(frames.by_ref().take(count));
        lists.push(list);
    }
    lists.extend(frames.map(|frame| vec![frame]));
    lists.sort_by_key(|list| (Reverse(list[0].expected.size), list[0].offset));
    lists
}

/// Reads what is checked, once. A stick that drops bits often fails to read as well: that is damage, and the rest is
/// checked too.
fn check(bundle: &Bundle, mut ranges: Vec<Checked>, watch: impl Fn(u64)) -> Vec<Checked> {
    let stored = |one: &Checked| bundle.stored(one.offset, one.expected.size, &watch).ok();
    let [Checked { part: BundlePart::Volume(_), offset, expected, .. }, ..] = ranges[..] else {
        ranges.iter_mut().for_each(|one| one.actual = stored(one));
        return ranges;
    };
    let mut volume = Some(HashingReader::new(bundle.bytes(offset, expected.size)));
    for frame in &mut ranges[1..] {
        let Some(reader) = &mut volume else {
            frame.actual = stored(frame);
            continue;
        };
        frame.actual = Descriptor::of_reader_watched(reader.by_ref().take(frame.expected.size), &watch).ok();
        // Where in the volume the reader stands now, nobody knows.
        if frame.actual.is_none() {
            volume = None;
        }
    }
    ranges[0].actual = volume.map(|reader| reader.finish().1);
    ranges
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
