//! Compressors whose every decision is known: gzip's and zlib's, at the levels that choose matches lazily.
//!
//! A match is taken only when the next position has no longer one. Source: zlib 1.3, `deflate.c`, and gzip 1.12;
//! they differ in how many tokens a block has. What they write depends on the text alone, never on how it came.

use super::bits::BitWriter;
use super::block::{Block, Ending, SHORTEST};
use super::matches::{Effort, Matches, NONE};
use super::piece::{AHEAD, Stretch, WINDOW};

/// Whose blocks they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// GNU gzip.
    Gzip,
    /// zlib with its default memory: Python, Java, and whatever else is built on it.
    Zlib,
}

/// A compressor at one of its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Compressor {
    family: Family,
    /// 4 to 9.
    level: u8,
}

/// How a stretch of text came to be compressed, besides the compressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Circumstances {
    /// A good match was at hand before the first position, and given up for a longer one there.
    pub(in crate::image) had_good_match: bool,
    /// The stream ends with it.
    pub(in crate::image) is_final: bool,
}

impl Compressor {
    /// All of them, the commonest first.
    pub(in crate::image) fn all() -> impl Iterator<Item = Compressor> {
        const LEVELS: [u8; 6] = [6, 9, 8, 7, 5, 4];
        let families = [Family::Gzip, Family::Zlib];
        LEVELS.into_iter().flat_map(move |level| families.map(|family| Compressor { family, level }))
    }

    /// The byte that stands for it in a recipe.
    pub(in crate::image) fn to_byte(self) -> u8 {
        self.level | if self.family == Family::Gzip { 0 } else { 0x10 }
    }

    /// The compressor that a byte stands for.
    pub(in crate::image) fn from_byte(byte: u8) -> Option<Self> {
        Self::all().find(|compressor| compressor.to_byte() == byte)
    }

    fn effort(self) -> Effort {
        let (good, lazy, nice, chain) = match self.level {
            4 => (4, 4, 16, 16),
            5 => (8, 16, 32, 32),
            6 => (8, 16, 128, 128),
            7 => (8, 32, 128, 256),
            8 => (32, 128, 258, 1024),
            _ => (32, 258, 258, 4096),
        };
        Effort { good, lazy, nice, chain }
    }

    fn ending(self) -> Ending {
        match self.family {
            Family::Gzip => Ending { tokens: (1 << 15) - 1, when_good: true },
            Family::Zlib => Ending { tokens: (1 << 14) - 1, when_good: false },
        }
    }

    /// The blocks of a stretch of text, which begin in bit `first_bit` of the first byte. `None` where this
    /// compressor ends no block at the stretch's end, or as soon as `goes_well` says no to what is written so far.
    pub(in crate::image) fn write(
        self,
        stretch: &Stretch,
        circumstances: Circumstances,
        first_bit: u32,
        mut goes_well: impl FnMut(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        let effort = self.effort();
        let (text, begin, end) = (&stretch.text[..], stretch.history, stretch.history + stretch.own);
        let mut out = BitWriter::with_phase(first_bit, stretch.own / 2);
        let mut matches = Matches::new(text, effort);
        (begin.saturating_sub(WINDOW)..begin).for_each(|at| {
            matches.insert(at);
        });
        let mut block = Block::new(self.ending());
        let mut block_begin = begin;
        let (mut at, mut found, mut has_literal) = (begin, NONE, false);
        while at < text.len() {
            let turn = at;
            let head = matches.insert(at);
            let before = found;
            let is_given_up = circumstances.had_good_match && at == begin;
            found = matches.find(at, head, if is_given_up { effort.good } else { before.length });
            if is_given_up && found.length <= effort.good {
                return None;
            }
            let mut is_at_end = false;
            if before.length >= SHORTEST && found.length <= before.length {
                is_at_end = block.matched(before.length, at - 1 - before.from, at - block_begin);
                let next = at - 1 + before.length;
                (at + 1..next).for_each(|at| {
                    matches.insert(at);
                });
                (at, found, has_literal) = (next, NONE, false);
            } else {
                if has_literal {
                    is_at_end = block.literal(text[at - 1], at - block_begin);
                }
                has_literal = true;
            }
            if is_at_end {
                let may_be_stored = stretch.window(turn) <= stretch.place(block_begin);
                block.write(&text[block_begin..at], may_be_stored, false, &mut out);
                block_begin = at;
                if !goes_well(out.settled()) {
                    return None;
                }
                if at >= end && !circumstances.is_final {
                    return (at == end).then(|| out.finish());
                }
            }
            at += usize::from(has_literal);
        }
        if !circumstances.is_final {
            return None;
        }
        if has_literal && let Some(&last) = text.last() {
            block.literal(last, text.len() - block_begin);
        }
        let may_be_stored = stretch.window(at) <= stretch.place(block_begin);
        block.write(&text[block_begin..], may_be_stored, true, &mut out);
        Some(out.finish())
    }
}

impl Stretch {
    /// Where a place in `text` lies in the whole stream's text.
    fn place(&self, at: usize) -> u64 {
        self.offset + at as u64 - self.history as u64
    }

    /// Where the compressor's window begins in the whole stream's text when it is at a place in `text`: it holds
    /// 64 KiB, and goes on by 32 KiB when there is too little left in it.
    fn window(&self, at: usize) -> u64 {
        let moves_at = (2 * WINDOW - AHEAD + 1) as u64;
        self.place(at).checked_sub(moves_at).map_or(0, |beyond| (beyond / WINDOW as u64 + 1) * WINDOW as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A recipe may be a stranger's: whatever it asks for, no text makes a compressor fail otherwise than by
        /// saying that it does not fit.
        #[test]
        fn no_stretch_makes_it_panic(
            text in proptest::collection::vec(0u8..3, 0..2_000), cuts in any::<(u16, u16)>(), offset in any::<u32>(),
            had_good_match in any::<bool>(), is_final in any::<bool>(), first_bit in 0u32..8,
        ) {
            let history = usize::from(cuts.0) % (text.len() + 1);
            let own = usize::from(cuts.1) % (text.len() - history + 1);
            let stretch = Stretch { text, history, own, offset: u64::from(offset) };
            for compressor in Compressor::all() {
                prop_assert_eq!(Compressor::from_byte(compressor.to_byte()), Some(compressor));
                let written = compressor.write(&stretch, Circumstances { had_good_match, is_final }, first_bit, |_| true);
                if let Some(bytes) = written {
                    prop_assert!(!bytes.is_empty());
                }
            }
        }
    }
}
