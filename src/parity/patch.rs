//! The bytes of some ranges of a file, cut out of a good copy: for a second trip, or an e-mail.
//!
//! ```text
//! head     magic, format, number of ranges, the file's length, its seal
//! ranges   offset and size of each
//! digest   of all that
//! bytes    of the ranges, one after the other
//! digest   of the bytes
//! ```

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::map::{DamageMap, Range, check_ranges};
use super::target::Target;
use crate::digest::{Descriptor, Digest, HashingWriter};
use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;
use crate::small_file;
use crate::staged_file::StagedFile;

const MAGIC: [u8; 8] = *b"pack.pat";
const FORMAT: u32 = 1;
/// The bytes before the ranges.
const HEAD: usize = 8 + 4 + 4 + 8 + 32;
/// The most ranges: a million.
const MOST_RANGES: u32 = 1 << 20;
/// How many bytes are copied at a time.
const PIECE: u64 = 1 << 20;

/// Writes the bytes that `map` names out of `good`, which is whole, and which is the file that the map is of.
///
/// # Errors
/// The map has too many ranges, the file cannot be read, or the patch cannot be written.
pub fn cut(good: &File, path: &Path, map: &DamageMap, target: &Path) -> Result<Descriptor> {
    let count = u32::try_from(map.ranges.len()).ok().filter(|count| *count <= MOST_RANGES).ok_or_else(|| {
        Error::failed("the damage has too many ranges for a patch")
            .fact("ranges", map.ranges.len())
            .fact("limit", MOST_RANGES)
            .hint(format_args!("carry the whole file once more: {}", shell_word(path)))
    })?;
    let mut head = Vec::with_capacity(HEAD + map.ranges.len() * 16);
    head.extend(MAGIC);
    head.extend(FORMAT.to_le_bytes());
    head.extend(count.to_le_bytes());
    head.extend(map.size.to_le_bytes());
    head.extend(map.seal.as_bytes());
    for range in &map.ranges {
        head.extend(range.offset.to_le_bytes());
        head.extend(range.size.to_le_bytes());
    }
    let digest = Digest::of(&head);
    head.extend(digest.as_bytes());
    let mut staged = StagedFile::create(target)?;
    let mut whole = HashingWriter::new(BufWriter::with_capacity(PIECE as usize, staged.file()));
    whole.write_all(&head).doing("write", target)?;
    let mut bytes = HashingWriter::new(whole);
    for range in &map.ranges {
        for (offset, size) in pieces(*range) {
            let mut piece = vec![0; size];
            good.read_exact_at(&mut piece, offset).doing("read the bundle", path)?;
            bytes.write_all(&piece).doing("write", target)?;
        }
    }
    let (mut whole, content) = bytes.finish();
    whole.write_all(content.digest.as_bytes()).doing("write", target)?;
    let (mut out, written) = whole.finish();
    out.flush().doing("write", target)?;
    drop(out);
    staged.place(0o644)?;
    Ok(written)
}

/// Offsets and sizes of a range in pieces that memory takes.
fn pieces(range: Range) -> impl Iterator<Item = (u64, usize)> {
    let end = range.offset + range.size;
    (range.offset..end).step_by(PIECE as usize).map(move |offset| (offset, PIECE.min(end - offset) as usize))
}

/// A patch whose every byte is the one that was written.
#[derive(Debug)]
pub struct Patch {
    file: File,
    path: PathBuf,
    /// The length of the file it is for, in bytes.
    pub size: u64,
    /// The digest of that file's trailer.
    pub seal: Digest,
    /// What it has the bytes of.
    pub ranges: Vec<Range>,
}

impl Patch {
    /// Opens a patch and checks all of it.
    ///
    /// # Errors
    /// It cannot be read, is not a patch, or is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = small_file::open(path).doing("open the patch", path)?;
        let length = file.metadata().doing("look at the patch", path)?.len();
        let mut head = [0; HEAD];
        let is_patch = file.read_exact_at(&mut head, 0).is_ok() && head[..8] == MAGIC;
        if !is_patch {
            return Err(Error::failed("this is not a patch")
                .fact("path", path.display())
                .hint("it is the file that 'pack cut' wrote: copy it again from there"));
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if word(8) != FORMAT {
            return Err(Error::failed("the patch has a later format than this pack reads")
                .fact("path", path.display())
                .fact("format", word(8))
                .hint("use the pack that made it"));
        }
        let damaged = |reason: &str| {
            Error::integrity("the patch is damaged")
                .fact("path", path.display())
                .fact("reason", reason)
                .hint("copy it again from where it was made")
        };
        let count = u64::from(word(12));
        let listed = HEAD as u64 + count * 16;
        if count > u64::from(MOST_RANGES) || listed + 64 > length {
            return Err(damaged("it is cut short"));
        }
        let mut fields = vec![0; listed as usize + 32];
        file.read_exact_at(&mut fields, 0).doing("read the patch", path)?;
        let digest = fields.split_off(listed as usize);
        if Digest::of(&fields).as_bytes() != digest.as_slice() {
            return Err(damaged("its list of ranges is wrong"));
        }
        let numbers: Vec<u64> = fields[HEAD..].chunks_exact(8).map(long).collect();
        let ranges: Vec<Range> = numbers.chunks_exact(2).map(|pair| Range { offset: pair[0], size: pair[1] }).collect();
        let size = long(&fields[16..24]);
        check_ranges(&ranges, size).map_err(damaged)?;
        let bytes: u64 = ranges.iter().map(|range| range.size).sum();
        if length != listed + 64 + bytes {
            return Err(damaged("its length is wrong"));
        }
        let mut seal = [0; 32];
        seal.copy_from_slice(&fields[24..HEAD]);
        let patch = Patch { file, path: path.to_owned(), size, seal: Digest::from_bytes(seal), ranges };
        let mut expected = [0; 32];
        patch.file.read_exact_at(&mut expected, length - 32).doing("read the patch", path)?;
        let content = BufReader::new(At { file: &patch.file, offset: listed + 32 }).take(bytes);
        let found = Descriptor::of_reader(content).doing("read the patch", path)?;
        let promised = Descriptor { digest: Digest::from_bytes(expected), size: bytes };
        found.check(promised).map_err(|_| damaged("its bytes are wrong"))?;
        Ok(patch)
    }

    /// The patch's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes its bytes into `target`, where they differ.
    ///
    /// # Errors
    /// The patch cannot be read, or the file cannot be written.
    pub fn apply(&self, target: &mut Target) -> Result<()> {
        let mut from = HEAD as u64 + self.ranges.len() as u64 * 16 + 32;
        for (offset, size) in self.ranges.iter().flat_map(|range| pieces(*range)) {
            let mut piece = vec![0; size];
            self.file.read_exact_at(&mut piece, from).doing("read the patch", &self.path)?;
            target.put(offset, &piece)?;
            from += size as u64;
        }
        Ok(())
    }
}

fn long(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// A file read from an offset on, which moves no other reader.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::Unit;
    use super::*;

    #[test]
    fn a_patch_may_have_as_many_ranges_as_the_limit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (good, target) = (folder.path().join("good"), folder.path().join("patch"));
        let size = 2 * (u64::from(MOST_RANGES) + 1);
        let file = File::create_new(&good).and_then(|file| file.set_len(size)).and_then(|()| File::open(&good));
        let file = file.expect("a file of holes");
        // A byte of each two, so that no two ranges become one.
        let ranges = |count: u32| (0..u64::from(count)).map(|number| Range { offset: 2 * number, size: 1 });
        let map = |count| DamageMap::new(&good, size, Digest::of(b"seal"), Unit::Sector, ranges(count));
        cut(&file, &good, &map(MOST_RANGES), &target).expect("as many as the limit");
        assert_eq!(Patch::open(&target).expect("read").ranges.len(), MOST_RANGES as usize);
        assert!(cut(&file, &good, &map(MOST_RANGES + 1), &target).is_err());

        // One that another program wrote: whole, and of one range more.
        let mut head = std::fs::read(&target).expect("read")[..HEAD].to_vec();
        head[12..16].copy_from_slice(&(MOST_RANGES + 1).to_le_bytes());
        for range in ranges(MOST_RANGES + 1) {
            head.extend(range.offset.to_le_bytes());
            head.extend(range.size.to_le_bytes());
        }
        let content = vec![0; MOST_RANGES as usize + 1];
        let bytes = [&head[..], Digest::of(&head).as_bytes(), &content, Digest::of(&content).as_bytes()].concat();
        std::fs::write(&target, bytes).expect("written");
        assert!(Patch::open(&target).is_err());
    }
}
