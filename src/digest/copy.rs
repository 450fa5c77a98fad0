//! Copying that tells which side failed.

use std::io::{self, Read, Write};

use super::PIECE;

/// The side of a [`copy`] that failed.
#[derive(Debug)]
pub enum CopyError {
    /// The reader.
    Read(io::Error),
    /// The writer.
    Write(io::Error),
}

/// Copies all of `reader` to `writer` and returns the number of bytes. An interrupted call is made again.
///
/// # Errors
/// What one side fails with, and which.
pub fn copy(reader: &mut (impl Read + ?Sized), writer: &mut (impl Write + ?Sized)) -> Result<u64, CopyError> {
    let mut buffer = vec![0; 4 * PIECE];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                writer.write_all(&buffer[..count]).map_err(CopyError::Write)?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(u8);

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(if self.0 < 3 { io::ErrorKind::Interrupted.into() } else { io::Error::other("read") })
        }
    }

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("write"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_side_that_failed_is_told_and_an_interruption_is_none() {
        assert!(
            matches!(copy(&mut Failing(0), &mut Vec::new()), Err(CopyError::Read(cause)) if cause.to_string() == "read")
        );
        assert!(matches!(copy(&mut &b"x"[..], &mut Failing(0)), Err(CopyError::Write(_))));
        let mut out = Vec::new();
        assert!(matches!(copy(&mut &[7; 300_000][..], &mut out), Ok(300_000)) && out == [7; 300_000]);
    }
}
