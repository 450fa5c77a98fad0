//! The hash of a file that is still being written, as far as it has no hole.

use std::io;
use std::os::unix::fs::FileExt;

use super::{Descriptor, Hasher, PIECE};

/// Hashes a file from its first byte on while its bytes are written in any order.
///
/// What is written in its turn is hashed from memory; what arrived before its turn is read back.
#[derive(Debug, Clone, Default)]
pub struct PrefixHasher {
    hasher: Hasher,
}

impl PrefixHasher {
    /// A hasher of a file that has no byte yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of bytes that were hashed: all of the file before this one.
    pub fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// The descriptor of these bytes.
    pub fn descriptor(&self) -> Descriptor {
        self.hasher.clone().descriptor()
    }

    /// Takes note that the file has `bytes` from `offset` on: hashes them if it is their turn.
    pub fn wrote(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.length() {
            self.hasher.update(bytes);
        }
    }

    /// Reads and hashes the bytes of `file` whose turn it is, up to byte `end`. The file's own position stays.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or what reading fails with, `Interrupted` excepted. The bytes before
    /// that are hashed.
    pub fn catch_up(&mut self, file: &impl FileExt, end: u64) -> io::Result<()> {
        let missing = end.saturating_sub(self.length());
        let mut buffer = vec![0; usize::try_from(missing).unwrap_or(PIECE).min(PIECE)];
        while self.length() < end {
            let most = usize::try_from(end - self.length()).unwrap_or(PIECE).min(buffer.len());
            file.read_exact_at(&mut buffer[..most], self.length())?;
            self.hasher.update(&buffer[..most]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::interrupting::InterruptingFile;
    use super::*;

    #[test]
    fn bytes_are_hashed_in_their_order_whatever_order_they_are_written_in() {
        let bytes: Vec<u8> = (0..2 * PIECE + 7).map(|n| (n / 100) as u8).collect();
        let file = InterruptingFile::new(&bytes);
        let mut prefix = PrefixHasher::new();
        assert_eq!(prefix.descriptor(), Descriptor::of(b""));
        prefix.wrote(5, &bytes[5..9]);
        assert_eq!(prefix.length(), 0, "five bytes come before");
        prefix.wrote(0, &bytes[..5]);
        assert_eq!(prefix.descriptor(), Descriptor::of(&bytes[..5]));
        prefix.catch_up(&file, 9).expect("there");
        assert_eq!(prefix.descriptor(), Descriptor::of(&bytes[..9]));
        prefix.catch_up(&file, 3).expect("nothing to do");
        prefix.catch_up(&file, bytes.len() as u64).expect("there");
        assert_eq!(prefix.descriptor(), Descriptor::of(&bytes));
        let cut = prefix.catch_up(&file, bytes.len() as u64 + 1).expect_err("the file ends before");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(prefix.descriptor(), Descriptor::of(&bytes), "and what is there stays hashed");
    }
}
