//! Readers and writers that hash what goes through them.

use std::io::{self, Read, Write};

use crate::digest::Hasher;

/// Hashes what is read through it.
pub(super) struct HashingReader<'a, R> {
    pub(super) source: R,
    pub(super) hasher: &'a mut Hasher,
}

impl<R: Read> Read for HashingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Hashes what is written to it.
pub(super) struct HashingWriter {
    pub(super) hasher: Hasher,
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
