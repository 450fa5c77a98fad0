//! Readers and writers that hash or check what goes through them.
//!
//! Every comparison of a digest and every bound on a size goes through one of these, so that no caller can
//! forget half of it:
//!
//! | adapter | use |
//! | --- | --- |
//! | [`HashingReader`], [`HashingWriter`] | the descriptor of bytes nobody has promised anything about |
//! | [`VerifyingReader`], [`VerifyingWriter`] | bytes that must be those of a [`Descriptor`] |
//! | [`BoundedReader`], [`BoundedWriter`] | bytes of unknown size that must not exceed a limit |
//! | [`super::PrefixHasher`] | a file whose bytes come in any order |
//! | [`Descriptor::check`] | bytes that were hashed before it was known what they must be |

use std::fmt;
use std::io::{self, Read, Write};

use super::{Descriptor, Digest, Hasher, PIECE};

/// How bytes differ from those of a [`Descriptor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The descriptor that was promised.
    pub expected: Descriptor,
    /// What was found instead.
    pub found: Found,
}

/// What was found instead of the bytes of a [`Descriptor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// At least one byte more than expected; the rest was not read.
    Longer,
    /// Fewer bytes than expected: this many.
    Shorter(u64),
    /// The expected size, and another digest.
    Different(Digest),
}

impl Mismatch {
    /// The mismatch behind an I/O error of a verifying adapter, also where other readers passed it on.
    pub fn behind(error: &io::Error) -> Option<&Mismatch> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = &self.expected;
        match self.found {
            Found::Longer => write!(f, "expected {} bytes, found more", expected.size),
            Found::Shorter(size) => write!(f, "expected {} bytes, found {size}", expected.size),
            Found::Different(digest) => write!(f, "expected {}, found {digest}", expected.digest),
        }
    }
}

impl std::error::Error for Mismatch {}

impl From<Mismatch> for io::Error {
    fn from(mismatch: Mismatch) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, mismatch)
    }
}

/// Hashes what is read through it.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R> HashingReader<R> {
    /// Hashes from the next byte of `inner` on.
    pub fn new(inner: R) -> Self {
        HashingReader { inner, hasher: Hasher::default() }
    }

    /// The number of bytes read so far.
    pub fn position(&self) -> u64 {
        self.hasher.length()
    }

    /// Returns the reader and the descriptor of what was read through this.
    pub fn finish(self) -> (R, Descriptor) {
        (self.inner, self.hasher.descriptor())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Hashes what is written through it.
#[derive(Debug)]
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W> HashingWriter<W> {
    /// Hashes everything written from now on and passes it to `inner` ([`io::sink`] where only the descriptor is
    /// wanted).
    pub fn new(inner: W) -> Self {
        HashingWriter { inner, hasher: Hasher::default() }
    }

    /// The number of bytes written so far.
    pub fn position(&self) -> u64 {
        self.hasher.length()
    }

    /// Returns the writer and the descriptor of what was written through this.
    pub fn finish(self) -> (W, Descriptor) {
        (self.inner, self.hasher.descriptor())
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes on the bytes of a [`Descriptor`] and nothing else.
///
/// Reading fails with a [`Mismatch`] (in an [`io::Error`] of kind `InvalidData`) at the first byte too many, and at
/// the end when the size or the digest differs. The end is reported (`Ok(0)`) only after the digest was compared, so
/// who reads to the end has a proof. Bytes before it are not proved yet.
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    expected: Descriptor,
    /// `None` after the end was reached and compared.
    hasher: Option<Hasher>,
}

impl<R: Read> VerifyingReader<R> {
    /// Expects the bytes of `expected`, and then the end, from `inner`.
    pub fn new(inner: R, expected: Descriptor) -> Self {
        VerifyingReader { inner, expected, hasher: Some(Hasher::default()) }
    }

    /// Reads what is left, throws it away, and returns the reader when everything was as expected.
    ///
    /// # Errors
    /// A [`Mismatch`], or what the reader fails with, `Interrupted` excepted.
    pub fn finish(self) -> io::Result<R> {
        self.finish_watched(|_| ())
    }

    /// As [`VerifyingReader::finish`]; calls `watch` on this thread with the number of bytes of each piece.
    ///
    /// # Errors
    /// A [`Mismatch`], or what the reader fails with, `Interrupted` excepted.
    pub fn finish_watched(mut self, mut watch: impl FnMut(u64)) -> io::Result<R> {
        let mut buffer = vec![0; PIECE];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(self.inner),
                Ok(count) => watch(count as u64),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what is left, throws it away, and returns whether everything was as expected.
    ///
    /// # Errors
    /// What the reader fails with, `Interrupted` excepted.
    pub fn matches(self) -> io::Result<bool> {
        match self.finish() {
            Err(error) if Mismatch::behind(&error).is_some() => Ok(false),
            outcome => outcome.map(|_| true),
        }
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some(hasher) = &mut self.hasher else { return Ok(0) };
        let count = self.inner.read(buffer)?;
        hasher.update(&buffer[..count]);
        if hasher.length() > self.expected.size {
            return Err(Mismatch { expected: self.expected, found: Found::Longer }.into());
        }
        if count == 0
            && let Some(hasher) = self.hasher.take()
        {
            hasher.descriptor().check(self.expected)?;
        }
        Ok(count)
    }
}

/// Passes on to a writer the bytes of a [`Descriptor`] and nothing else.
///
/// Writing fails with a [`Mismatch`] before the first byte too many is passed on; [`VerifyingWriter::finish`] compares
/// the rest.
#[derive(Debug)]
pub struct VerifyingWriter<W> {
    inner: W,
    expected: Descriptor,
    hasher: Hasher,
}

impl<W> VerifyingWriter<W> {
    /// Expects the bytes of `expected` and passes them to `inner`.
    pub fn new(inner: W, expected: Descriptor) -> Self {
        VerifyingWriter { inner, expected, hasher: Hasher::default() }
    }

    /// Returns the writer when exactly the expected bytes were written.
    ///
    /// # Errors
    /// Fewer bytes, or others, were written.
    pub fn finish(self) -> Result<W, Mismatch> {
        self.hasher.descriptor().check(self.expected)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for VerifyingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.expected.size - self.hasher.length() {
            return Err(Mismatch { expected: self.expected, found: Found::Longer }.into());
        }
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes on at most `limit` bytes and fails at the next one, with an [`io::Error`] of kind `FileTooLarge`.
///
/// Unlike [`Read::take`], which makes too much look like the end.
#[derive(Debug)]
pub struct BoundedReader<R> {
    inner: R,
    limit: u64,
    left: u64,
}

impl<R: Read> BoundedReader<R> {
    /// Passes on at most `limit` bytes of `inner`.
    pub fn new(inner: R, limit: u64) -> Self {
        BoundedReader { inner, limit, left: limit }
    }
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than is left, so that the end and too much can be distinguished.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(too_much(self.limit)),
        }
        Ok(count)
    }
}

/// Passes on at most `limit` bytes to a writer; fails as [`BoundedReader`] does, before a byte too many is passed on.
#[derive(Debug)]
pub struct BoundedWriter<W> {
    inner: W,
    limit: u64,
    left: u64,
}

impl<W> BoundedWriter<W> {
    /// Passes on at most `limit` bytes to `inner`.
    pub fn new(inner: W, limit: u64) -> Self {
        BoundedWriter { inner, limit, left: limit }
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for BoundedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(too_much(self.limit));
        }
        let count = self.inner.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn too_much(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::interrupting::Interrupting;
    use super::*;

    fn verified(bytes: &[u8], expected: Descriptor) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        VerifyingReader::new(Interrupting::new(bytes), expected).read_to_end(&mut out).map(|_| out)
    }

    fn found(outcome: io::Result<Vec<u8>>) -> Found {
        let error = outcome.expect_err("refused");
        Mismatch::behind(&error).expect("a mismatch").found
    }

    #[test]
    fn only_the_expected_bytes_come_to_an_end() {
        let expected = Descriptor::of(b"abc");
        assert_eq!(verified(b"abc", expected).expect("right"), b"abc");
        assert_eq!(found(verified(b"ab", expected)), Found::Shorter(2));
        assert_eq!(found(verified(b"abcd", expected)), Found::Longer);
        assert_eq!(found(verified(b"abd", expected)), Found::Different(Digest::of(b"abd")));
        assert_eq!(verified(b"", Descriptor::of(b"")).expect("right"), b"");
        assert!(VerifyingReader::new(&b"abc"[..], expected).finish().is_ok());
        assert!(VerifyingReader::new(&b"abx"[..], expected).finish().is_err());
        let matches = |bytes| VerifyingReader::new(Interrupting::new(bytes), expected).matches().expect("read");
        assert!(matches(b"abc") && !matches(b"abx") && !matches(b"ab") && !matches(b"abcd"));
    }

    #[test]
    fn no_byte_too_many_is_written() {
        let expected = Descriptor::of(b"abc");
        let mut writer = VerifyingWriter::new(Vec::new(), expected);
        writer.write_all(b"ab").expect("room");
        assert!(writer.write_all(b"cd").is_err());
        writer.write_all(b"c").expect("room");
        assert_eq!(writer.finish().expect("right"), b"abc");
        let mut writer = VerifyingWriter::new(Vec::new(), expected);
        writer.write_all(b"ab").expect("room");
        assert_eq!(writer.finish().map_err(|mismatch| mismatch.found), Err(Found::Shorter(2)));
        let mut writer = VerifyingWriter::new(Vec::new(), expected);
        writer.write_all(b"abd").expect("room");
        assert_eq!(writer.finish().map_err(|mismatch| mismatch.found), Err(Found::Different(Digest::of(b"abd"))));
    }

    #[test]
    fn a_bound_is_an_error_and_not_an_end() {
        let read = |bytes: &[u8]| {
            let mut out = Vec::new();
            BoundedReader::new(Interrupting::new(bytes), 3).read_to_end(&mut out).map(|_| out)
        };
        assert_eq!(read(b"abc").expect("just enough"), b"abc");
        assert_eq!(read(b"abcd").expect_err("too much").kind(), io::ErrorKind::FileTooLarge);
        let mut writer = BoundedWriter::new(Vec::new(), 3);
        writer.write_all(b"abc").expect("just enough");
        assert_eq!(writer.write_all(b"d").expect_err("too much").kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(writer.into_inner(), b"abc");
    }

    #[test]
    fn what_goes_through_is_hashed() {
        let mut reader = HashingReader::new(Interrupting::new(b"abc"));
        io::copy(&mut reader, &mut io::sink()).expect("read");
        assert_eq!(reader.position(), 3);
        assert_eq!(reader.finish().1, Descriptor::of(b"abc"));
        let mut writer = HashingWriter::new(Vec::new());
        writer.write_all(b"abc").expect("written");
        assert_eq!(writer.finish(), (b"abc".to_vec(), Descriptor::of(b"abc")));
    }
}
