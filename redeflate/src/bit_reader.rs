//! Reads single bits, the first one lowest (RFC 1951, 3.1.1).
//!
//! The way to refill eight bytes at once without a branch is described in Fabian Giesen's "Reading bits in far too many
//! ways" (part 2, variant 4).

use std::io::{self, Read};

/// How many bytes are read from the source at once.
const FILL: usize = 256 << 10;

/// Reads bits of `source`. What is read stays available until [`BitReader::forget_before`].
pub struct BitReader<R> {
    source: R,
    input: Vec<u8>,
    /// Where `input` starts, in bytes from the start of the source.
    base: u64,
    /// The next byte of `input` to go into `bits`.
    at: usize,
    /// How many bytes of `input` are the source's; the rest is padding after its end.
    real: usize,
    at_end: bool,
    /// The next bits; above `count` of them may be more that are valid too.
    bits: u64,
    /// How many of `bits` are counted as read from `input`.
    count: u32,
}

/// Returns the error for input that ends within compressed data.
pub fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed data ends too early")
}

impl<R: Read> BitReader<R> {
    pub(crate) fn new(source: R) -> Self {
        let input = Vec::with_capacity(2 * FILL);
        BitReader { source, input, base: 0, at: 0, real: 0, at_end: false, bits: 0, count: 0 }
    }

    /// The next bits, at least 56 after [`BitReader::refill`].
    #[inline(always)]
    pub(crate) fn bits(&self) -> u64 {
        self.bits
    }

    /// Skips the bits up to the next byte boundary and returns whether all were zero.
    pub(crate) fn align(&mut self) -> bool {
        self.drop_bits(self.count % 8) == 0
    }

    /// Whether bits after the source's end were read.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.position() > 8 * (self.base + self.real as u64)
    }

    /// Returns the bytes that hold the source's bits `from..to`.
    pub(crate) fn bytes_of(&self, from: u64, to: u64) -> &[u8] {
        &self.input[(from / 8 - self.base) as usize..(to.div_ceil(8) - self.base) as usize]
    }

    /// Reads the next `wanted` bytes from a byte boundary on; fewer at the end of the input.
    ///
    /// # Errors
    /// Those of the source.
    pub fn bytes(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(wanted.min(FILL));
        while bytes.len() < wanted && !self.is_at_end()? {
            bytes.push(self.take(8)? as u8);
        }
        Ok(bytes)
    }

    /// Whether the input ends here.
    ///
    /// # Errors
    /// Those of the source.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        self.refill()?;
        Ok(self.at_end && self.position() >= 8 * (self.base + self.real as u64))
    }

    /// Where the next bit is, in bits from the start of the source.
    pub(crate) fn position(&self) -> u64 {
        8 * (self.base + self.at as u64) - u64::from(self.count)
    }

    /// Makes at least 56 bits available, zeros after the end of the input.
    ///
    /// # Errors
    /// Those of the source, and [`truncated`] once bits after its end were read.
    #[inline(always)]
    pub(crate) fn refill(&mut self) -> io::Result<()> {
        if self.at + 8 > self.input.len() {
            self.fill()?;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.input[self.at..self.at + 8]);
        self.bits |= u64::from_le_bytes(word) << self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
        Ok(())
    }

    #[cold]
    fn fill(&mut self) -> io::Result<()> {
        while self.at + 8 > self.input.len() {
            if self.at_end {
                if self.position() > 8 * (self.base + self.real as u64) {
                    return Err(truncated());
                }
                self.input.resize(self.at + 64, 0);
                return Ok(());
            }
            let before = self.input.len();
            let read = (&mut self.source).take(FILL as u64).read_to_end(&mut self.input)?;
            self.real = before + read;
            self.at_end = read < FILL;
        }
        Ok(())
    }

    /// Reads the next `count` bits, at most 32.
    ///
    /// # Errors
    /// As [`BitReader::refill`].
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> io::Result<u64> {
        self.refill()?;
        Ok(self.drop_bits(count))
    }

    /// Reads `count` bits of those available.
    #[inline(always)]
    pub(crate) fn drop_bits(&mut self, count: u32) -> u64 {
        let taken = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.count -= count;
        taken
    }

    /// Forgets the input before byte `byte` of the source, which must not be after the next bit.
    pub(crate) fn forget_before(&mut self, byte: u64) {
        let used = (byte - self.base) as usize;
        self.input.drain(..used);
        self.base += used as u64;
        self.at -= used;
        self.real -= used;
    }
}
