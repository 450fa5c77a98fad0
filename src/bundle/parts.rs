//! The bytes of a bundle as those of one file, wherever they lie: in one file, or in one and its volumes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A bundle's bytes, by their offsets in the bundle in one file. Everything that reads a bundle reads through this.
#[derive(Debug)]
pub(super) struct Parts {
    /// In order and end to end; none is empty.
    parts: Vec<Part>,
    length: u64,
}

#[derive(Debug)]
struct Part {
    /// Its first byte's offset in the bundle.
    begin: u64,
    size: u64,
    place: PartPlace,
}

/// Where the bytes of a part are.
#[derive(Debug)]
pub(super) enum PartPlace {
    /// In a file, from this offset on.
    File { file: Arc<File>, at: u64, path: PathBuf },
    /// In memory.
    Memory(Vec<u8>),
}

impl Parts {
    /// Those of one file of `length` bytes.
    pub(super) fn one(file: Arc<File>, length: u64, path: &Path) -> Self {
        Self::of([(length, PartPlace::File { file, at: 0, path: path.to_owned() })])
    }

    /// Parts with their sizes, one after the other.
    pub(super) fn of(places: impl IntoIterator<Item = (u64, PartPlace)>) -> Self {
        let (mut parts, mut length) = (Vec::new(), 0);
        for (size, place) in places.into_iter().filter(|(size, _)| *size > 0) {
            parts.push(Part { begin: length, size, place });
            length += size;
        }
        Parts { parts, length }
    }

    /// The bundle's length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// `size` bytes from `offset` on.
    pub(super) fn section(&self, offset: u64, size: u64) -> Section<'_> {
        Section { parts: self, at: offset, end: offset.saturating_add(size) }
    }

    /// The file that has the byte at `offset`.
    pub(super) fn path_at(&self, offset: u64) -> Option<&Path> {
        match &self.part_at(offset)?.place {
            PartPlace::File { path, .. } => Some(path),
            PartPlace::Memory(_) => None,
        }
    }

    fn part_at(&self, offset: u64) -> Option<&Part> {
        let number = self.parts.partition_point(|part| part.begin <= offset).checked_sub(1)?;
        self.parts.get(number).filter(|part| offset - part.begin < part.size)
    }

    /// Reads some of the bytes from `offset` on; none behind the end, or where a file is shorter than it was.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(part) = self.part_at(offset) else { return Ok(0) };
        let inside = offset - part.begin;
        let most = usize::try_from(part.size - inside).unwrap_or(usize::MAX).min(buffer.len());
        match &part.place {
            PartPlace::File { file, at, .. } => file.read_at(&mut buffer[..most], at + inside),
            PartPlace::Memory(bytes) => {
                let from = usize::try_from(inside).unwrap_or(usize::MAX);
                bytes.get(from..).unwrap_or_default().read(&mut buffer[..most])
            }
        }
    }
}

/// A part of a bundle, read without any file's own position, so that several threads can read at once.
#[derive(Debug)]
pub(super) struct Section<'a> {
    parts: &'a Parts,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.parts.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_as_one_from_any_byte_to_any_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        std::fs::write(&path, "..abc.def").expect("written");
        let file = Arc::new(File::open(&path).expect("opened"));
        let piece = |at: u64| PartPlace::File { file: file.clone(), at, path: path.clone() };
        let parts = Parts::of([(3, piece(2)), (0, piece(0)), (3, piece(6)), (2, PartPlace::Memory(b"gh".to_vec()))]);
        let whole = b"abcdefgh";
        assert_eq!(parts.length(), 8);
        for from in 0..=8 {
            for to in from..=9 {
                let mut read = Vec::new();
                parts.section(from, to - from).read_to_end(&mut read).expect("read");
                assert_eq!(read, whole[from as usize..(to as usize).min(8)], "{from} to {to}");
            }
        }
        assert_eq!((parts.path_at(5), parts.path_at(6), parts.path_at(8)), (Some(path.as_path()), None, None));
        // A file that is shorter than it was ends what is read.
        std::fs::write(&path, "..abc.d").expect("written");
        let mut read = Vec::new();
        parts.section(0, 8).read_to_end(&mut read).expect("read");
        assert_eq!(read, b"abcd");
    }
}
