//! An artifact's file that was compared with its pin, and is read later.
//!
//! It may lie where others can write, or on a stick that drops bits. While it is compared as a whole, each of its pieces is
//! hashed too; when it is read, each piece is compared with that before a byte of it is given out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::digest::{CopyError, Digest, HashingReader, copy};
use crate::error::{Error, Result};
use crate::path::shell_word;

/// The size of a piece in bytes; the last may be smaller. That many are in memory for each reader, and 32 for each piece.
const PIECE: u64 = 1 << 20;

/// A file whose bytes are known to be the pinned ones, open.
#[derive(Debug)]
pub struct ProvedFile {
    file: File,
    path: PathBuf,
    size: u64,
    pieces: Vec<Digest>,
}

impl ProvedFile {
    pub(super) fn new(file: File, path: PathBuf, size: u64, pieces: Pieces) -> Self {
        ProvedFile { file, path, size, pieces: pieces.digests }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads it from its first byte. Several may read at a time.
    pub fn reader(&self) -> ProvedReader<'_> {
        ProvedReader { proved: self, number: 0, piece: Vec::new(), given: 0 }
    }

    /// The error of a [`ProvedReader`], from I/O.
    pub fn not_read(&self, cause: io::Error) -> Error {
        match cause.downcast::<Error>() {
            Ok(ours) => ours,
            Err(cause) => Error::io("read", &self.path, cause),
        }
    }

    /// Copies `content`, which reads this file, to what is called `target`.
    ///
    /// # Errors
    /// The file has changed or cannot be read, or `out` takes no more.
    pub fn copy(&self, content: &mut dyn Read, out: &mut dyn Write, target: &Path) -> Result<()> {
        copy(content, out).map(drop).map_err(|error| match error {
            CopyError::Read(cause) => self.not_read(cause),
            CopyError::Write(cause) => Error::io("write", target, cause),
        })
    }

    /// Reads the piece of that number and compares it.
    fn read(&self, number: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let offset = number as u64 * PIECE;
        into.resize((self.size - offset).min(PIECE) as usize, 0);
        let read = self.file.read_exact_at(into, offset);
        let is_cut = read.as_ref().is_err_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
        if !is_cut {
            read?;
            if Digest::of(into) == self.pieces[number] {
                return Ok(());
            }
        }
        // The class of the error must not be lost on the way through I/O.
        let changed = Error::integrity("a file has changed since it was compared with its digest")
            .fact("path", self.path.display())
            .fact("offset", offset)
            .hint(format_args!(
                "does something write there, or is the medium worn out? copy the files elsewhere: cp -r {} /var/tmp/",
                shell_word(self.path.parent().unwrap_or(Path::new(".")))
            ));
        Err(io::Error::new(io::ErrorKind::InvalidData, changed))
    }
}

/// Gives out the bytes of a [`ProvedFile`]; its errors are [`Error`]s within I/O's.
#[derive(Debug)]
pub struct ProvedReader<'a> {
    proved: &'a ProvedFile,
    /// Of the next piece.
    number: usize,
    /// The piece at hand, and how much of it was given out.
    piece: Vec<u8>,
    given: usize,
}

impl Read for ProvedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.piece.len() {
            if self.number == self.proved.pieces.len() || buffer.is_empty() {
                return Ok(0);
            }
            // Nothing of a piece that is wrong is at hand.
            let mut piece = std::mem::take(&mut self.piece);
            self.given = 0;
            self.proved.read(self.number, &mut piece)?;
            (self.piece, self.number) = (piece, self.number + 1);
        }
        let count = buffer.len().min(self.piece.len() - self.given);
        buffer[..count].copy_from_slice(&self.piece[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// The digests of the pieces of a file that is read to its end.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    digests: Vec<Digest>,
}

impl Pieces {
    /// Reads `file` from its first byte.
    pub(super) fn of<'a>(&'a mut self, file: &'a File) -> PiecesReader<'a> {
        PiecesReader { file, piece: HashingReader::new(file), pieces: self }
    }
}

/// Hashes what is read through it, piece by piece.
pub(super) struct PiecesReader<'a> {
    file: &'a File,
    piece: HashingReader<&'a File>,
    pieces: &'a mut Pieces,
}

impl Read for PiecesReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = PIECE - self.piece.position();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.piece.read(&mut buffer[..most])?;
        let is_end = count == 0 && most > 0 && self.piece.position() > 0;
        if self.piece.position() == PIECE || is_end {
            let (_, whole) = std::mem::replace(&mut self.piece, HashingReader::new(self.file)).finish();
            self.pieces.digests.push(whole.digest);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Folder, State, prove};
    use super::*;
    use crate::digest::Descriptor;
    use crate::manifest::Pin;
    use crate::progress::Silent;

    fn proved(folder: &Path, content: &[u8]) -> ProvedFile {
        std::fs::write(folder.join("x"), content).expect("written");
        let Descriptor { digest, size } = Descriptor::of(content);
        let name = "x".parse().expect("a name");
        prove(&Folder::at(folder), &name, Pin { digest, size: Some(size) }, &Silent).1.expect("as pinned")
    }

    #[test]
    fn a_file_is_given_out_whole_whatever_its_size() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let content: Vec<u8> = (0..2 * PIECE + 7).map(|n| (n / 100) as u8).collect();
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7] {
            let content = &content[..size as usize];
            let file = proved(folder.path(), content);
            let mut found = Vec::new();
            file.reader().read_to_end(&mut found).expect("read");
            assert!(found == content && file.pieces.len() as u64 == size.div_ceil(PIECE), "{size}");
        }
    }

    #[test]
    fn of_a_piece_that_changed_since_no_byte_is_given_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let content = vec![7; 3 * PIECE as usize];
        let file = proved(folder.path(), &content);
        let other = File::options().write(true).open(file.path()).expect("open");
        other.write_all_at(b"x", 2 * PIECE - 1).expect("written");
        let mut found = Vec::new();
        let cause = file.reader().read_to_end(&mut found).expect_err("another byte");
        assert_eq!(found.len() as u64, PIECE, "{cause}");
        other.set_len(PIECE + 5).expect("cut");
        let mut found = Vec::new();
        let mut reader = file.reader();
        let cause = reader.read_to_end(&mut found).expect_err("cut short");
        assert_eq!(found.len() as u64, PIECE, "{cause}");
        assert!(reader.read(&mut [0; 10]).is_err(), "and not afterwards either");
    }

    #[test]
    fn what_is_not_as_pinned_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = "x".parse().expect("a name");
        let pin = Pin { digest: Digest::of(b"abc"), size: Some(3) };
        let state = || {
            let (row, proved) = prove(&Folder::at(folder.path()), &name, pin, &Silent);
            assert_eq!(proved.is_some(), row.state == State::Ok);
            row.state
        };
        assert_eq!(state(), State::Missing);
        for (content, expected) in
            [("ab", State::Truncated), ("abd", State::Mismatch), ("abcd", State::Mismatch), ("abc", State::Ok)]
        {
            std::fs::write(folder.path().join("x"), content).expect("written");
            assert_eq!(state(), expected, "{content}");
        }
        std::fs::remove_file(folder.path().join("x")).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("x")).expect("linked");
        assert_eq!(state(), State::Mismatch, "a device is not read");
    }
}
