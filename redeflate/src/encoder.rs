//! The encoders whose every decision is known: GNU gzip and zlib at their lazy levels, 4 to 9.
//!
//! Altered from zlib 1.3's `deflate.c` (`deflate_slow`, `configuration_table`, `fill_window`) and its
//! `doc/algorithm.txt`, see `NOTICE`: a match is deferred by one position and taken only if there is no longer one. GNU
//! gzip's output shows that it decides the same, except for where a block ends (`block_end`). What either writes
//! depends on the content alone, not on the portions in which it arrived.
//!
//! gzip compares past the end of its input, too (`past_end`); an encoder of its family that does so has a name of its own, so
//! that every name goes on meaning what it meant.

use super::bit_writer::BitWriter;
use super::block_end::BlockEnd;
use super::block_writer::BlockWriter;
use super::chunk::{Context, LOOKAHEAD, WINDOW};
use super::match_finder::{Effort, Match, MatchFinder};
use super::past_end::past_end;
use super::symbols::MIN_MATCH;

/// A program's or library's way to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// GNU gzip, up to the last position where the end of its input decides nothing.
    Gzip,
    /// GNU gzip to the end, as it comes from a file.
    GzipToEnd,
    /// zlib with its default memory, as Python, Java and most others use it.
    Zlib,
}

/// A known encoder at one of its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoder {
    family: Family,
    /// 4 to 9.
    level: u8,
}

/// What an encoder's output for a chunk depends on besides the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderState {
    /// At the chunk's first position a match of at least `Effort::good` was deferred, and given up for a longer one.
    pub had_good_match: bool,
    /// The stream ends with the chunk.
    pub is_final: bool,
}

/// What the encoder knows of the position before the current one and has not written.
#[derive(Clone, Copy)]
enum Deferred {
    /// All before is written.
    Nothing,
    /// No match was found there.
    Literal,
    /// This match was found there; a longer one at the current position makes a literal of it.
    Match(Match),
}

impl Encoder {
    /// Returns all of them, the most frequent first.
    pub fn all() -> impl Iterator<Item = Encoder> {
        const LEVELS: [u8; 6] = [6, 9, 8, 7, 5, 4];
        let of = |families: &'static [Family]| {
            LEVELS.into_iter().flat_map(move |level| families.iter().map(move |&family| Encoder { family, level }))
        };
        of(&[Family::Gzip, Family::Zlib]).chain(of(&[Family::GzipToEnd]))
    }

    /// The byte that stands for it in a recipe.
    pub fn to_byte(self) -> u8 {
        let family = match self.family {
            Family::Gzip => 0,
            Family::Zlib => 0x10,
            Family::GzipToEnd => 0x20,
        };
        self.level | family
    }

    /// Whether another one writes the same wherever a stream does not end.
    pub(crate) fn differs_only_at_end(self) -> bool {
        self.family == Family::GzipToEnd
    }

    /// Returns the encoder that a byte stands for, or `None` for an unknown one.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::all().find(|encoder| encoder.to_byte() == byte)
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

    fn block_end(self) -> BlockEnd {
        match self.family {
            Family::Gzip | Family::GzipToEnd => BlockEnd::GZIP,
            Family::Zlib => BlockEnd::ZLIB,
        }
    }

    /// Returns the blocks of a chunk, from bit `first_bit` (0 to 7) of the first byte on.
    ///
    /// `None` if this encoder ends no block at the chunk's end, or once `keep_going` returns false for what is written so
    /// far. It is called after each block, on the calling thread.
    #[inline(never)] // nearly all of a rebuilding's time; a caller may be compiled for size
    pub fn write(
        self,
        context: &Context,
        state: EncoderState,
        first_bit: u32,
        mut keep_going: impl FnMut(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        let (content, start, end) = (&context.content[..], context.history, context.history + context.own);
        let effort = self.effort();
        let mut finder = MatchFinder::new(content, effort);
        (start.saturating_sub(WINDOW)..start).for_each(|at| {
            finder.insert(at);
        });
        let mut block = BlockWriter::new(self.block_end());
        let mut out = BitWriter::with_phase(first_bit, context.own / 2);
        let (mut at, mut block_start, mut deferred) = (start, start, Deferred::Nothing);
        // From here on the encoder knows that its input ends, where that changes what it does.
        let mut knows_end = match self.family {
            Family::GzipToEnd if state.is_final => (content.len() + 1).saturating_sub(LOOKAHEAD),
            _ => usize::MAX,
        };
        while at < content.len() {
            if at >= knows_end {
                let (bytes, last) = past_end(context, at);
                finder.compare_past_end(&bytes, last);
                knows_end = usize::MAX;
            }
            let latest = finder.insert(at);
            let position = at;
            let found = if at == start && state.had_good_match {
                // The deferred match itself belongs to the chunk before; it was at least this long.
                Some(finder.find(at, latest, effort.good)?)
            } else {
                finder.find(at, latest, deferred.length())
            };
            let covered = at - block_start;
            let (is_at_end, next) = match (deferred, found) {
                (Deferred::Match(taken), None) => {
                    let is_at_end = block.add_match(taken.length, at - 1 - taken.from, covered);
                    let next = at - 1 + taken.length;
                    (at + 1..next).for_each(|at| {
                        finder.insert(at);
                    });
                    deferred = Deferred::Nothing;
                    at = next;
                    (is_at_end, next)
                }
                (before, found) => {
                    let is_at_end = !matches!(before, Deferred::Nothing) && block.add_literal(content[at - 1], covered);
                    deferred = found.map_or(Deferred::Literal, Deferred::Match);
                    (is_at_end, at + 1)
                }
            };
            if is_at_end {
                let may_be_stored = context.still_has(block_start, position);
                block.write(&content[block_start..at], may_be_stored, false, &mut out);
                block_start = at;
                if !keep_going(out.settled()) {
                    return None;
                }
                if at >= end && !state.is_final {
                    return (at == end).then(|| out.finish());
                }
            }
            at = next;
        }
        if !state.is_final {
            return None;
        }
        if !matches!(deferred, Deferred::Nothing)
            && let Some(&last) = content.last()
        {
            block.add_literal(last, content.len() - block_start);
        }
        block.write(&content[block_start..], context.still_has(block_start, at), true, &mut out);
        Some(out.finish())
    }
}

impl Deferred {
    /// What a match must be longer than to replace it, in bytes.
    #[inline(always)]
    fn length(self) -> usize {
        match self {
            Deferred::Match(found) => found.length,
            _ => MIN_MATCH - 1,
        }
    }
}

impl Context {
    /// Whether the encoder's window still holds position `start` of `content` when it is at position `at`.
    fn still_has(&self, start: usize, at: usize) -> bool {
        self.window_start(at) <= self.in_stream(start)
    }

    /// Where a position of `content` is in the content of the whole stream.
    pub(crate) fn in_stream(&self, at: usize) -> u64 {
        self.offset + at as u64 - self.history as u64
    }

    /// Where the encoder's window starts in the content of the whole stream when the encoder is at a position: it holds
    /// 64 KiB, and moves on by 32 KiB when less than [`LOOKAHEAD`] of it is ahead.
    pub(crate) fn window_start(&self, at: usize) -> u64 {
        const MOVES_AT: u64 = (2 * WINDOW - LOOKAHEAD + 1) as u64;
        let beyond = self.in_stream(at).checked_sub(MOVES_AT);
        beyond.map_or(0, |beyond| (beyond / WINDOW as u64 + 1) * WINDOW as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::inflate::Inflater;
    use super::*;

    proptest! {
        /// A recipe may come from a stranger: whatever it asks for, no content makes an encoder panic, and what the
        /// encoder writes for a whole stream has that content.
        #[test]
        fn no_content_makes_it_panic(
            content in proptest::collection::vec(0u8..3, 0..2_000), cuts in any::<(u16, u16)>(), offset in any::<u32>(),
            had_good_match in any::<bool>(), is_final in any::<bool>(), first_bit in 0u32..8,
        ) {
            let history = usize::from(cuts.0) % (content.len() + 1);
            let own = usize::from(cuts.1) % (content.len() - history + 1);
            let context = Context { content, history, own, offset: u64::from(offset) };
            for encoder in Encoder::all() {
                prop_assert_eq!(Encoder::from_byte(encoder.to_byte()), Some(encoder));
                let state = EncoderState { had_good_match, is_final };
                let written = encoder.write(&context, state, first_bit, |_| true);
                if let Some(bytes) = written.filter(|_| is_final) {
                    let history = context.content[..history].to_vec();
                    let mut inflater = Inflater::resume(&bytes[..], first_bit, history).expect("there");
                    let chunk = inflater.chunk(1 << 20, 1 << 20).expect("valid").expect("there");
                    prop_assert_eq!(chunk.content(), &context.content[context.history..]);
                }
            }
        }
    }
}
