//! What is on a medium already: looked at past the cache, and put right in a few places.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::read_back::MediumReader;
use crate::error::{IoContext, Result};
use crate::progress::Progress;

/// How many bytes are read at a time.
const PIECE: u64 = 1 << 20;

/// Reads a file past the cache, from its end to its beginning, and asks `is_right` of each piece of up to 1 MiB, whose offset
/// is a multiple of that. Returns the offsets of those that are wrong or cannot be read, the last one first.
///
/// # Errors
/// The file cannot be opened.
pub fn read_past_the_cache(
    path: &Path,
    size: u64,
    progress: &dyn Progress,
    is_right: impl Fn(u64, &[u8]) -> bool,
) -> Result<Vec<u64>> {
    let mut reader = MediumReader::open(path, PIECE as usize).doing("read", path)?;
    let meter = progress.start(&path.file_name().unwrap_or_default().to_string_lossy(), Some(size));
    let mut wrong = Vec::new();
    for offset in (0..size.div_ceil(PIECE)).rev().map(|number| number * PIECE) {
        let expected = PIECE.min(size - offset);
        let read = reader.read(offset, PIECE as usize);
        if !read.is_ok_and(|bytes| bytes.len() as u64 == expected && is_right(offset, bytes)) {
            wrong.push(offset);
        }
        meter.add(expected);
    }
    meter.done(if wrong.is_empty() { "read back" } else { "damaged" });
    Ok(wrong)
}

/// A range of a file on a medium, and where its bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins in the file.
    pub offset: u64,
    /// Where it begins in the source.
    pub source: u64,
    /// Its length in bytes.
    pub size: u64,
}

impl Stretch {
    /// Its parts, of which none has bytes of two pieces of the file.
    fn pieces(self) -> impl Iterator<Item = Stretch> {
        let end = self.offset + self.size;
        let begins = (self.offset / PIECE..end.div_ceil(PIECE)).map(move |number| self.offset.max(number * PIECE));
        begins.map(move |offset| {
            let size = end.min(offset / PIECE * PIECE + PIECE) - offset;
            Stretch { offset, source: self.source + offset - self.offset, size }
        })
    }
}

/// Writes ranges of a file that is there, gives it its `length` where one is named, puts that on the medium, and reads the
/// ranges back from it. `fill` reads the source from an offset on. Returns where the medium does not have what was written.
///
/// # Errors
/// The file is a link or not regular, or cannot be written to; or the source cannot be read.
pub fn write_over(
    path: &Path,
    length: Option<u64>,
    stretches: &[Stretch],
    fill: impl Fn(&mut [u8], u64) -> Result<()>,
) -> Result<Vec<u64>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).doing("write", path)?;
    if !file.metadata().doing("look at", path)?.is_file() {
        return Err(io::Error::other("it is not a regular file")).doing("write", path);
    }
    let pieces = || stretches.iter().copied().flat_map(Stretch::pieces);
    let mut buffer = vec![0; PIECE as usize];
    for piece in pieces() {
        let bytes = &mut buffer[..piece.size as usize];
        fill(bytes, piece.source)?;
        file.write_all_at(bytes, piece.offset).doing("write", path)?;
    }
    length.map_or(Ok(()), |length| file.set_len(length)).doing("write", path)?;
    file.sync_all().doing("write", path)?;
    let mut reader = MediumReader::open(path, PIECE as usize).doing("read", path)?;
    let mut wrong = Vec::new();
    for piece in pieces() {
        let bytes = &mut buffer[..piece.size as usize];
        fill(bytes, piece.source)?;
        let first = (piece.offset % PIECE) as usize;
        let read = reader.read(piece.offset - first as u64, PIECE as usize);
        if !read.is_ok_and(|there| there.get(first..first + bytes.len()) == Some(&*bytes)) {
            wrong.push(piece.offset);
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_afterwards_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        std::fs::write(&path, vec![1; 3 * PIECE as usize]).expect("written");
        let stretches = [(10, 5), (PIECE + 7, 2 * PIECE - 7)].map(|(offset, size)| Stretch { offset, source: 0, size });
        let two = |bytes: &mut [u8], _| {
            bytes.fill(2);
            Ok(())
        };
        assert_eq!(write_over(&path, None, &stretches, two).expect("written"), [0_u64; 0]);
        let there = std::fs::read(&path).expect("read");
        assert_eq!(there.iter().filter(|&&byte| byte == 2).count() as u64, 5 + 2 * PIECE - 7);
        // What was written is one thing, and what it is compared with another.
        let calls = std::cell::Cell::new(0);
        let other = |bytes: &mut [u8], _| {
            calls.set(calls.get() + 1);
            bytes.fill(if calls.get() == 5 { 3 } else { 2 });
            Ok(())
        };
        assert_eq!(write_over(&path, Some(2 * PIECE + 1), &stretches[..1], two).expect("written"), [0_u64; 0]);
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 2 * PIECE + 1);
        assert_eq!(write_over(&path, None, &stretches, other).expect("written"), [PIECE + 7]);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        write_over(&link, None, &stretches, two).expect_err("a link is not followed");
        write_over(folder.path(), None, &stretches, two).expect_err("a folder");
    }

    #[test]
    fn every_piece_is_read_from_the_end_to_the_beginning() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        std::fs::write(&path, vec![1; PIECE as usize + 1]).expect("written");
        let seen = std::cell::RefCell::new(Vec::new());
        let look = |offset, bytes: &[u8]| {
            seen.borrow_mut().push((offset, bytes.len() as u64));
            offset > 0
        };
        let wrong = read_past_the_cache(&path, PIECE + 1, &crate::progress::Silent, look).expect("read");
        assert_eq!((wrong, seen.take()), (vec![0], vec![(PIECE, 1), (0, PIECE)]));
        // Cut short is wrong whatever is there.
        let wrong = read_past_the_cache(&path, PIECE + 2, &crate::progress::Silent, |_, _| true).expect("read");
        assert_eq!(wrong, [PIECE]);
    }

    #[test]
    fn a_stretch_is_cut_where_the_pieces_of_the_file_are() {
        let cut = |offset, size| Stretch { offset, source: 7, size }.pieces().collect::<Vec<_>>();
        let of = |offset, source, size| Stretch { offset, source, size };
        assert_eq!(cut(5, 10), [of(5, 7, 10)]);
        assert_eq!(cut(PIECE, PIECE), [of(PIECE, 7, PIECE)]);
        assert_eq!(cut(PIECE - 1, 2), [of(PIECE - 1, 7, 1), of(PIECE, 8, 1)]);
        let three = [of(PIECE - 3, 7, 3), of(PIECE, 10, PIECE), of(2 * PIECE, PIECE + 10, 1)];
        assert_eq!(cut(PIECE - 3, PIECE + 4), three);
    }
}
