//! A reader for tests: no reader may take an interrupted read for an error.

use std::io::{self, Read};

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
