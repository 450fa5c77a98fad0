//! Writes single bits and runs of bits that start within a byte, the first bit lowest (RFC 1951, 3.1.1).

/// Bytes written bit by bit.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// The last bits, which are not in `bytes` yet; fewer than 32 between calls.
    last: u64,
    /// How many bits `last` has.
    count: u32,
}

impl BitWriter {
    /// Returns a writer whose first `phase` bits (at most 7) are zero; `capacity` is in bytes.
    pub(crate) fn with_phase(phase: u32, capacity: usize) -> Self {
        BitWriter { bytes: Vec::with_capacity(capacity), last: 0, count: phase }
    }

    /// How many bits are written, the phase included.
    pub(crate) fn len(&self) -> u64 {
        8 * self.bytes.len() as u64 + u64::from(self.count)
    }

    /// Appends the lowest `count` bits of `bits`, at most 32; those above are zero.
    #[inline(always)]
    pub(crate) fn push(&mut self, bits: u64, count: u32) {
        self.last |= bits << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.last as u32).to_le_bytes());
            self.last >>= 32;
            self.count -= 32;
        }
    }

    /// Appends zeros up to the next byte boundary.
    pub(crate) fn align(&mut self) {
        self.push(0, self.count.wrapping_neg() % 8);
        let whole = (self.count / 8) as usize;
        self.bytes.extend_from_slice(&self.last.to_le_bytes()[..whole]);
        (self.last, self.count) = (0, 0);
    }

    /// The bytes that are complete, up to four of the last ones left out.
    pub(crate) fn settled(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the bits `from..to` of `source`; bits after its end are zeros.
    pub(crate) fn copy(&mut self, source: &[u8], from: u64, to: u64) {
        let mut at = from;
        // Where bytes start in both at once, they are copied as bytes.
        if at.is_multiple_of(8) && self.count.is_multiple_of(8) {
            self.align();
            let end = (to / 8).min(source.len() as u64);
            if at / 8 < end {
                self.bytes.extend_from_slice(&source[(at / 8) as usize..end as usize]);
                at = 8 * end;
            }
        }
        while at < to {
            let count = (to - at).min(32) as u32;
            let first = (at / 8) as usize;
            let mut word = [0; 8];
            let available = source.len().saturating_sub(first).min(8);
            word[..available].copy_from_slice(&source[first.min(source.len())..][..available]);
            let bits = u64::from_le_bytes(word) >> (at % 8);
            self.push(bits & ((1 << count) - 1), count);
            at += u64::from(count);
        }
    }

    /// Returns everything written, with zeros after the last bit.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_run_of_bits_is_copied_whole(
            bytes in proptest::collection::vec(any::<u8>(), 1..60), phase in 0u32..8, cut in any::<(u16, u16)>()
        ) {
            let total = 8 * bytes.len() as u64;
            let (a, b) = (u64::from(cut.0) % (total + 1), u64::from(cut.1) % (total + 1));
            let (from, to) = (a.min(b), a.max(b));
            let mut writer = BitWriter::with_phase(phase, 0);
            writer.copy(&bytes, from, to);
            prop_assert_eq!(writer.len(), u64::from(phase) + to - from);
            let copied = writer.finish();
            let bit = |bytes: &[u8], at: u64| bytes[(at / 8) as usize] >> (at % 8) & 1;
            for at in from..to {
                prop_assert_eq!(bit(&bytes, at), bit(&copied, at - from + u64::from(phase)));
            }
        }
    }
}
