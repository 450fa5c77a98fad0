//! Finding matches as gzip and zlib do: chains of positions with the same hash, the nearest first.
//!
//! Source: zlib 1.3, `deflate.c`. Which match is found depends on the order of the chains and on when the
//! search is given up, so both are the same here. Positions count from the begin of the text at hand; as there,
//! position 0 stands for none.

use super::block::SHORTEST;
use super::piece::{AHEAD, WINDOW};

/// The longest match.
const LONGEST: usize = 258;
/// How far back a match is looked for: less than the window, so that it need not be moved within a match.
const FARTHEST: usize = WINDOW - AHEAD;
/// A shortest match that is farther away costs more than three literals.
const TOO_FAR: usize = 4096;

/// How hard matches are looked for (the `configuration_table` of `deflate.c`).
#[derive(Debug, Clone, Copy)]
pub(in crate::image) struct Effort {
    /// With a match of this length at hand, a quarter of the chain is looked at.
    pub(in crate::image) good: usize,
    /// With a match of this length at hand, no other is looked for.
    pub(in crate::image) lazy: usize,
    /// A match of this length is taken at once.
    pub(in crate::image) nice: usize,
    /// How many positions are looked at.
    pub(in crate::image) chain: usize,
}

/// The positions of a text by the hash of the three bytes there.
pub(in crate::image) struct Matches<'a> {
    text: &'a [u8],
    effort: Effort,
    /// The last position with each hash.
    heads: Vec<u32>,
    /// The position with the same hash before each of the last 32,768.
    before: Vec<u32>,
}

/// A match for a position, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Match {
    /// Less than [`SHORTEST`] where there is none.
    pub(in crate::image) length: usize,
    /// Where it begins.
    pub(in crate::image) from: usize,
}

/// What is at hand where nothing was found.
pub(in crate::image) const NONE: Match = Match { length: SHORTEST - 1, from: 0 };

impl<'a> Matches<'a> {
    pub(in crate::image) fn new(text: &'a [u8], effort: Effort) -> Self {
        Matches { text, effort, heads: vec![0; WINDOW], before: vec![0; WINDOW] }
    }

    /// Takes in the position and gives the last one before it with the same hash.
    #[inline(always)]
    pub(in crate::image) fn insert(&mut self, at: usize) -> usize {
        let Some(&[a, b, c]) = self.text.get(at..).and_then(|rest| rest.first_chunk()) else { return 0 };
        let hash = (usize::from(a) << 10 ^ usize::from(b) << 5 ^ usize::from(c)) % WINDOW;
        let head = std::mem::replace(&mut self.heads[hash], at as u32);
        self.before[at % WINDOW] = head;
        head as usize
    }

    /// The match for a position, where `head` has its hash and a match of the length `best` is at hand: a longer one
    /// or none.
    #[inline(always)]
    pub(in crate::image) fn find(&self, at: usize, head: usize, best: usize) -> Match {
        if head == 0 || at - head > FARTHEST || best >= self.effort.lazy {
            return NONE;
        }
        let found = self.longest(at, head, best);
        if found.length == SHORTEST && at - found.from > TOO_FAR { NONE } else { found }
    }

    fn longest(&self, at: usize, head: usize, mut best: usize) -> Match {
        let here = &self.text[at..self.text.len().min(at + LONGEST)];
        let mut found = Match { length: best.min(here.len()), from: 0 };
        let limit = at.saturating_sub(FARTHEST);
        let mut left = if best >= self.effort.good { self.effort.chain / 4 } else { self.effort.chain };
        let mut from = head;
        let pair = |text: &[u8], at: usize| u16::from_le_bytes([text[at], text[at + 1]]);
        while best < here.len() {
            let end = pair(here, best - 1);
            // Most positions differ there: they are passed without a look at the rest.
            while pair(self.text, from + best - 1) != end {
                from = self.before[from % WINDOW] as usize;
                left -= 1;
                if from <= limit || left == 0 {
                    return found;
                }
            }
            let length = common(here, &self.text[from..from + here.len()]);
            if length > best {
                best = length;
                found = Match { length, from };
                if length >= self.effort.nice {
                    break;
                }
            }
            from = self.before[from % WINDOW] as usize;
            left -= 1;
            if from <= limit || left == 0 {
                break;
            }
        }
        found
    }
}

/// How many bytes two texts of the same length have in common.
#[inline(always)]
fn common(one: &[u8], other: &[u8]) -> usize {
    let ((words, rest), (others, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    for (number, (word, other)) in words.iter().zip(others).enumerate() {
        let differs = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if differs != 0 {
            return 8 * number + (differs.trailing_zeros() / 8) as usize;
        }
    }
    let same = rest.iter().zip(other_rest).take_while(|(a, b)| a == b).count();
    8 * words.len() + same
}
