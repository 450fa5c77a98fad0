//! Finds the matches that GNU gzip and zlib find at their lazy levels.
//!
//! Altered from zlib 1.3's `deflate.c` (`longest_match`, `INSERT_STRING`) and its `doc/algorithm.txt`, see `NOTICE`:
//! chains of positions with the same hash of three bytes, searched from the nearest on. Which match is found depends on
//! the order of the chains and on when the search stops, so both are zlib's. Positions count from the start of the
//! content at hand; as in zlib, position 0 ends a chain and is never found.

use super::chunk::{LOOKAHEAD, WINDOW};
use super::symbols::{MAX_MATCH, MIN_MATCH};

/// The longest distance of a match (`MAX_DIST`): less than the format allows, so that zlib need not move its window
/// within a match.
const MAX_DISTANCE: usize = WINDOW - LOOKAHEAD;
/// The longest distance of a match of [`MIN_MATCH`] bytes (`TOO_FAR`); beyond, three literals are shorter.
const MAX_DISTANCE_OF_SHORTEST: usize = 4096;

/// How hard an encoder looks for matches: a line of zlib's `configuration_table`. Lengths are in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// With a match this long deferred, only a quarter of the chain is searched.
    pub(crate) good: usize,
    /// With a match this long deferred, the search for a longer one is left out.
    pub(crate) lazy: usize,
    /// A match this long ends the search.
    pub(crate) nice: usize,
    /// How many positions of a chain are searched.
    pub(crate) chain: usize,
}

impl Effort {
    /// How many positions of a chain are searched with a match of `deferred` bytes deferred.
    #[inline(always)]
    fn steps(&self, deferred: usize) -> usize {
        if deferred >= self.good { self.chain / 4 } else { self.chain }
    }
}

/// A match of at least [`MIN_MATCH`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    /// In bytes.
    pub(crate) length: usize,
    /// The position that it copies from.
    pub(crate) from: usize,
}

/// The positions of some content by the hash of the three bytes there.
pub(crate) struct MatchFinder<'a> {
    content: &'a [u8],
    effort: Effort,
    /// The latest position with each hash.
    latest: Box<[u32; WINDOW]>,
    /// For each of the last 32 Ki positions, how far before it the one with the same hash is. Chains are walked more than
    /// anything else is done: the smaller this is, the more of it the processor has at hand. [`u16::MAX`] is farther than any
    /// chain goes.
    back: Box<[u16; WINDOW]>,
    /// Where the encoder compares past the end of the content: the last of it, and what lies behind.
    past_end: Option<PastEnd>,
}

/// The end of some content with what its encoder has behind it.
struct PastEnd {
    /// Where `bytes` start in the content.
    start: usize,
    /// As much content as a match near the end may be of, and [`MAX_MATCH`] bytes more.
    bytes: Vec<u8>,
    /// No match is looked for from here on.
    last: usize,
}

impl<'a> MatchFinder<'a> {
    /// Returns a finder that knows no position of `content`.
    pub(crate) fn new(content: &'a [u8], effort: Effort) -> Self {
        MatchFinder { content, effort, latest: Box::new([0; WINDOW]), back: Box::new([0; WINDOW]), past_end: None }
    }

    /// From now on compares with the [`MAX_MATCH`] bytes `beyond` the end too, as gzip does, and looks for no match from
    /// position `last` on.
    pub(crate) fn compare_past_end(&mut self, beyond: &[u8], last: usize) {
        let start = self.content.len().saturating_sub(WINDOW + MAX_MATCH);
        self.past_end = Some(PastEnd { start, bytes: [&self.content[start..], beyond].concat(), last });
    }

    /// Adds a position and returns the latest one before it with the same hash, 0 for none.
    #[inline(always)]
    pub(crate) fn insert(&mut self, at: usize) -> usize {
        let Some(&[a, b, c]) = self.content.get(at..).and_then(|rest| rest.first_chunk()) else { return 0 };
        let hash = (usize::from(a) << 10 ^ usize::from(b) << 5 ^ usize::from(c)) % WINDOW;
        let latest = std::mem::replace(&mut self.latest[hash], at as u32) as usize;
        self.back[at % WINDOW] = u16::try_from(at - latest).unwrap_or(u16::MAX);
        latest
    }

    /// The position before `from` in its chain, or one that is beyond its end.
    #[inline(always)]
    fn before(&self, from: usize) -> usize {
        from - usize::from(self.back[from % WINDOW])
    }

    /// Returns the match for position `at`, if it is longer than the `deferred` bytes (at least 2) of the match before.
    /// `latest` is what [`MatchFinder::insert`] returned for the position.
    #[inline(always)]
    pub(crate) fn find(&self, at: usize, latest: usize, deferred: usize) -> Option<Match> {
        if latest == 0 || at - latest > MAX_DISTANCE || deferred >= self.effort.lazy {
            return None;
        }
        let found = match &self.past_end {
            None => self.search(at, latest, deferred)?,
            Some(end) => self.search_past(end, at, latest, deferred)?,
        };
        (found.length > MIN_MATCH || at - found.from <= MAX_DISTANCE_OF_SHORTEST).then_some(found)
    }

    fn search(&self, at: usize, latest: usize, deferred: usize) -> Option<Match> {
        let wanted = &self.content[at..self.content.len().min(at + MAX_MATCH)];
        let beyond = at.saturating_sub(MAX_DISTANCE);
        let mut steps = self.effort.steps(deferred);
        let (mut longest, mut found, mut from) = (deferred, 0, latest);
        'chain: while longest < wanted.len() {
            // A longer match has these four in common too. Most positions do not, and are passed here.
            let (start, mask) = if longest >= 3 { (longest - 3, u32::MAX) } else { (0, 0xff_ffff) };
            let ends = &self.content[start..];
            let last = match wanted {
                // They are the last of the content.
                &[a, b, c] => u32::from_le_bytes([a, b, c, 0]),
                _ => four(wanted, start) & mask,
            };
            while four(ends, from) & mask != last {
                from = self.before(from);
                steps -= 1;
                if from <= beyond || steps == 0 {
                    break 'chain;
                }
            }
            let length = common_length(wanted, &self.content[from..from + wanted.len()]);
            if length > longest {
                (longest, found) = (length, from);
                if length >= self.effort.nice {
                    break;
                }
            }
            from = self.before(from);
            steps -= 1;
            if from <= beyond || steps == 0 {
                break;
            }
        }
        (found > 0).then_some(Match { length: longest, from: found })
    }

    /// As [`MatchFinder::search`], but the longest run decides that goes on past the end, where a match ends all the same.
    #[inline(never)] // only for the last positions of a stream
    fn search_past(&self, end: &PastEnd, at: usize, latest: usize, deferred: usize) -> Option<Match> {
        if at >= end.last {
            return None;
        }
        let run = |at: usize| &end.bytes[at - end.start..][..MAX_MATCH];
        let beyond = at.saturating_sub(MAX_DISTANCE);
        let (mut longest, mut found, mut from) = (deferred, 0, latest);
        for _ in 0..self.effort.steps(deferred) {
            let length = common_length(run(at), run(from));
            if length > longest {
                (longest, found) = (length, from);
                if length >= self.effort.nice {
                    break;
                }
            }
            from = self.before(from);
            if from <= beyond {
                break;
            }
        }
        let length = longest.min(self.content.len() - at);
        (found > 0 && length > deferred).then_some(Match { length, from: found })
    }
}

/// Returns four bytes of some content as a number, and 0 where there are not as many.
#[inline(always)]
fn four(content: &[u8], at: usize) -> u32 {
    content.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes)
}

/// Returns how many bytes two runs of the same length have in common at their start.
#[inline(always)]
fn common_length(one: &[u8], other: &[u8]) -> usize {
    let ((words, rest), (other_words, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    for (number, (word, other)) in words.iter().zip(other_words).enumerate() {
        let difference = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            return 8 * number + (difference.trailing_zeros() / 8) as usize;
        }
    }
    8 * words.len() + rest.iter().zip(other_rest).take_while(|(a, b)| a == b).count()
}
