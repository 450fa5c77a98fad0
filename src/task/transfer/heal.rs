//! A bundle on a stick that is damaged in known places: only these are written, from a copy that is whole.
//!
//! Neither copy is read as a whole. Of the good one the frames, or launcher and runtime, that the damage lies in are compared
//! with their digests; what was written is read back from the medium.

use std::path::{Path, PathBuf};

use super::carried::named;
use crate::bundle::{self, Bundle, is_in_volumes};
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, IoContext, Result};
use crate::medium::again::{Stretch, write_over};
use crate::medium::file_system::FileSystem;
use crate::parity::map::{DamageMap, Range};
use crate::path::shell_word;
use crate::progress::Progress;
use crate::small_file;
use crate::task::damage_map;

/// What was put right.
#[derive(Debug)]
pub struct Report {
    /// The bundle on the medium.
    pub path: PathBuf,
    /// How many ranges were written.
    pub ranges: usize,
    /// How many bytes.
    pub written: u64,
    /// The files that they lie in.
    pub files: Vec<PathBuf>,
}

/// Writes what the damage map at `map` names of the bundle `good` over its copy in `folder`.
///
/// # Errors
/// The map, or what is in the folder, is of another bundle; the good one is damaged in these places itself; or the medium is
/// read-only, or does not have what was written.
pub fn run(good: &Path, map: &Path, folder: &Path, progress: &dyn Progress) -> Result<Report> {
    let damage = DamageMap::read(map)?;
    let bundle = Bundle::open(good)?;
    damage_map::expect_of(&damage, map, &bundle, Some(bundle.seal()))?;
    let path = folder.join(named(good));
    let medium = FileSystem::at(folder)?;
    if medium.read_only {
        return Err(super::plan::read_only(folder, &medium));
    }
    progress.phase("healing");
    for range in &damage.ranges {
        expect_right(&bundle, range)?;
    }
    let targets = targets(&path, &damage)?;
    let (mut wrong, mut files) = (0, Vec::new());
    for (file, length, stretches) in targets {
        let fill = |bytes: &mut [u8], offset: u64| bundle.read_exact_at(bytes, offset).doing("read the bundle", good);
        wrong += write_over(&file, length, &stretches, fill)?.len();
        files.push(file);
    }
    if wrong > 0 {
        return Err(Error::integrity("the medium does not have what was written to it")
            .fact("path", path.display())
            .fact("wrong", format_args!("{wrong} pieces of up to 1 MiB"))
            .hint(format_args!(
                "use another medium: this one is worn out; pack transfer {} onto that",
                shell_word(good)
            )));
    }
    Ok(Report { path, ranges: damage.ranges.len(), written: damage.bytes(), files })
}

/// What is written to which file, and how long that has to be where it is the only one.
type Target = (PathBuf, Option<u64>, Vec<Stretch>);

/// Where the damage lies in the files of the bundle at `path`.
fn targets(path: &Path, damage: &DamageMap) -> Result<Vec<Target>> {
    let file = small_file::open_regular(path).doing("open the bundle", path)?;
    if !is_in_volumes(&file) {
        // Where its end is damaged too, nobody can tell.
        expect_same(path, bundle::seal(&file), damage.seal)?;
        let whole = |range: &Range| Stretch { offset: range.offset, source: range.offset, size: range.size };
        return Ok(vec![(path.to_owned(), Some(damage.size), damage.ranges.iter().map(whole).collect())]);
    }
    let there = Bundle::open(path)?;
    expect_same(path, Some(there.seal()), damage.seal)?;
    let begin = there.index().header_size;
    // Launcher and runtime are in the same place of the first file; its other end was read.
    let places = std::iter::once(0..begin).chain(there.volume_ranges());
    let mut targets = Vec::new();
    for (file, place) in there.files().into_iter().zip(places) {
        let within = damage.ranges.iter().filter_map(|range| {
            let (from, to) = (range.offset.max(place.start), (range.offset + range.size).min(place.end));
            (from < to).then(|| Stretch { offset: from - place.start, source: from, size: to - from })
        });
        let stretches: Vec<Stretch> = within.collect();
        if !stretches.is_empty() {
            targets.push((file, None, stretches));
        }
    }
    Ok(targets)
}

fn expect_same(path: &Path, there: Option<Digest>, expected: Digest) -> Result<()> {
    match there.filter(|there| *there != expected) {
        None => Ok(()),
        Some(actual) => Err(Error::integrity("the bundle on the medium is another one")
            .fact("path", path.display())
            .fact("expected", expected)
            .fact("actual", actual)
            .hint(format_args!("see what it is: pack inspect {}", shell_word(path)))),
    }
}

/// Checks those parts of a bundle that have bytes of the range.
fn expect_right(bundle: &Bundle, range: &Range) -> Result<()> {
    let index = bundle.index();
    let (begin, end) = (range.offset, range.offset + range.size);
    let header = (0, Descriptor { digest: index.header_digest, size: index.header_size });
    let frames = index.frames.iter().map(|frame| (frame.offset, frame.descriptor()));
    let parts = std::iter::once(header).chain(frames);
    // Index and trailer were compared when it was opened.
    for (offset, part) in parts.filter(|(offset, part)| *offset < end && begin < offset + part.size) {
        let path = bundle.path();
        let there = Descriptor::of_reader(bundle.bytes(offset, part.size)).doing("read the bundle", path)?;
        if there != part {
            return Err(Error::integrity("the bundle is damaged itself where the copy is: nothing was healed")
                .fact("path", path.display())
                .fact("offset", offset)
                .fact("size", part.size)
                .hint(format_args!("see what else is wrong: pack verify {}", shell_word(path))));
        }
    }
    Ok(())
}
