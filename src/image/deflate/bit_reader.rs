//! Input of which single bits are taken, first bit lowest (RFC 1951, 3.1.1).

use std::io::{self, Read};

/// Bytes asked of the source at once.
const FILL: usize = 256 << 10;

/// Takes bits of `source`. What was taken stays at hand until it is let go.
pub(in crate::image) struct BitReader<R> {
    source: R,
    input: Vec<u8>,
    /// Where `input` begins, in bytes from the begin of the source.
    base: u64,
    /// The next byte of `input` to be taken into `bits`.
    at: usize,
    /// How many bytes of `input` came from the source; the rest is padding after its end.
    real: usize,
    at_end: bool,
    /// The next bits; above `count` of them may be more that are valid too.
    bits: u64,
    count: u32,
}

pub(in crate::image) fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed data ends too early")
}

impl<R: Read> BitReader<R> {
    pub(in crate::image) fn new(source: R) -> Self {
        let input = Vec::with_capacity(2 * FILL);
        BitReader { source, input, base: 0, at: 0, real: 0, at_end: false, bits: 0, count: 0 }
    }

    /// At least 56 bits, after [`BitReader::refill`].
    #[inline(always)]
    pub(in crate::image) fn bits(&self) -> u64 {
        self.bits
    }

    /// Takes the bits up to the next byte boundary; whether all were zero.
    pub(in crate::image) fn align(&mut self) -> bool {
        self.drop_bits(self.count % 8) == 0
    }

    /// Whether more was taken than the source had.
    pub(in crate::image) fn is_overdrawn(&self) -> bool {
        self.position() > 8 * (self.base + self.real as u64)
    }

    /// The bytes that hold the bits from `from` to `to`, positions in the source.
    pub(in crate::image) fn bytes_of(&self, from: u64, to: u64) -> &[u8] {
        &self.input[(from / 8 - self.base) as usize..(to.div_ceil(8) - self.base) as usize]
    }

    /// The next `N` bytes, from a byte boundary on; fewer at the end of the input.
    pub(in crate::image) fn bytes(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(wanted.min(FILL));
        while bytes.len() < wanted && !self.is_at_end()? {
            bytes.push(self.take(8)? as u8);
        }
        Ok(bytes)
    }

    /// Whether nothing follows.
    pub(in crate::image) fn is_at_end(&mut self) -> io::Result<bool> {
        self.refill()?;
        Ok(self.at_end && self.position() >= 8 * (self.base + self.real as u64))
    }

    /// Where the next bit lies, in bits from the begin of the source.
    pub(in crate::image) fn position(&self) -> u64 {
        8 * (self.base + self.at as u64) - u64::from(self.count)
    }

    /// Makes at least 56 bits available; zeros after the end of the input.
    #[inline(always)]
    pub(in crate::image) fn refill(&mut self) -> io::Result<()> {
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
                    return Err(cut_short());
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

    /// The next `count` bits, at most 32.
    #[inline(always)]
    pub(in crate::image) fn take(&mut self, count: u32) -> io::Result<u64> {
        self.refill()?;
        Ok(self.drop_bits(count))
    }

    #[inline(always)]
    pub(in crate::image) fn drop_bits(&mut self, count: u32) -> u64 {
        let taken = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.count -= count;
        taken
    }

    /// Lets go of the input before that byte, which is no later than the next bit.
    pub(in crate::image) fn forget_before(&mut self, byte: u64) {
        let used = (byte - self.base) as usize;
        self.input.drain(..used);
        self.base += used as u64;
        self.at -= used;
        self.real -= used;
    }
}
