//! Readers for tests: nothing may take an interrupted read for an error.

use std::cell::Cell;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Reads one byte at a time and is interrupted before each.
pub(crate) struct Interrupting<'a> {
    rest: &'a [u8],
    interrupted: bool,
}

impl<'a> Interrupting<'a> {
    /// Reads `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Interrupting { rest: bytes, interrupted: false }
    }
}

impl Read for Interrupting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1);
        self.rest.read(&mut buffer[..most])
    }
}

/// A file whose every other read is interrupted, and that gives at most a thousand bytes at a time.
pub(crate) struct InterruptingFile<'a> {
    bytes: &'a [u8],
    interrupted: Cell<bool>,
}

impl<'a> InterruptingFile<'a> {
    /// A file of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        InterruptingFile { bytes, interrupted: Cell::new(false) }
    }
}

impl FileExt for InterruptingFile<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.interrupted.set(!self.interrupted.get());
        if self.interrupted.get() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1_000);
        self.bytes.get(offset as usize..).unwrap_or_default().read(&mut buffer[..most])
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
