//! Checking every byte of a bundle, and saying what a wrong one belongs to.

use super::index::Index;
use super::read::Bundle;
use crate::digest::Digest;
use crate::error::Result;
use crate::progress::Progress;
use crate::workers;

/// What of a bundle is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Launcher or runtime.
    Header,
    /// The frame of that number, counted from 0.
    Frame(usize),
}

/// A part of a bundle whose bytes are not what the index says.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Which part.
    pub part: Part,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
    /// The digest in the index.
    pub expected: Digest,
    /// The digest found; `None` where the system would not give all of the bytes.
    pub actual: Option<Digest>,
    /// The files that lie in it, wholly or partly.
    pub files: Vec<String>,
}

/// Checks the header and every frame, on all cores. Trailer and index were checked when the bundle was
/// opened, and all of them lie end to end, so that no byte of the file is left out.
///
/// # Errors
/// The file cannot be read. Damage is the result, empty when there is none.
pub fn verify(bundle: &Bundle, progress: &dyn Progress) -> Result<Vec<Damage>> {
    let index = bundle.index();
    let meter = progress.start("bundle", Some(index.header_size + index.payload_size()));
    let mut damage = Vec::new();
    let actual = bundle.header_digest()?;
    if actual != index.header_digest {
        let (size, expected) = (index.header_size, index.header_digest);
        damage.push(Damage { part: Part::Header, offset: 0, size, expected, actual: Some(actual), files: Vec::new() });
    }
    meter.add(index.header_size);
    workers::ordered(
        workers::cores(),
        |emit| (0..index.frames.len()).try_for_each(emit),
        |number| {
            let frame = &index.frames[number];
            // A stick that drops bits often fails to read as well: that is damage, and the rest is looked at.
            let actual = bundle.stored_digest(frame).ok();
            meter.add(frame.size);
            Ok((number, actual))
        },
        |(number, actual)| {
            let frame = &index.frames[number];
            if actual != Some(frame.digest) {
                damage.push(Damage {
                    part: Part::Frame(number),
                    offset: frame.offset,
                    size: frame.size,
                    expected: frame.digest,
                    actual,
                    files: files_in(index, number),
                });
            }
            Ok(())
        },
    )?;
    meter.done(if damage.is_empty() { "ok" } else { "damaged" });
    Ok(damage)
}

/// The paths of all entries that lie in a frame, wholly or partly, their tar headers included.
fn files_in(index: &Index, number: usize) -> Vec<String> {
    const BLOCK: u64 = 512;
    let from: u64 = index.frames[..number].iter().map(|frame| frame.raw_size).sum();
    let to = from + index.frames[number].raw_size;
    let touches = |entry: &&super::Entry| entry.offset.saturating_sub(BLOCK) < to && entry.end() > from;
    let mut files: Vec<String> = Vec::new();
    for file in index.entries.iter().filter(touches).flat_map(|entry| index.used_by(entry)) {
        if !files.iter().any(|known| known == file) {
            files.push(file.to_owned());
        }
    }
    files
}
