//! DEFLATE blocks as gzip and zlib write them.
//!
//! The tokens of a block are counted as they come; at its end the code that is shortest is taken: none, the
//! fixed one, or one of its own (RFC 1951, 3.2.3). How sizes are estimated, how ties fall and how a tree is
//! written is that of `trees.c`. Source: zlib 1.3 and gzip 1.12.

use super::bits::BitWriter;
use super::huffman::{LENGTH_BASE, LENGTH_EXTRA, LENGTHS_ORDER, fixed_length};
use super::tree::{Alphabet, Tree, codes};

const LITERALS: usize = 256;
const END_OF_BLOCK: usize = 256;
/// The shortest match.
pub(in crate::image) const SHORTEST: usize = 3;

const DISTANCE_EXTRA: [u8; 30] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const LENGTHS_EXTRA: [u8; 19] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];

const LITERALS_AND_LENGTHS: Alphabet =
    Alphabet { symbols: 286, extra: &LENGTH_EXTRA, extra_from: LITERALS + 1, longest: 15 };
const DISTANCES: Alphabet = Alphabet { symbols: 30, extra: &DISTANCE_EXTRA, extra_from: 0, longest: 15 };
const CODE_LENGTHS: Alphabet = Alphabet { symbols: 19, extra: &LENGTHS_EXTRA, extra_from: 0, longest: 7 };

/// The place in [`LENGTH_BASE`] for each length, counted from the shortest.
const LENGTH_SYMBOLS: [u8; 256] = {
    let mut symbols = [0; 256];
    let mut length = 0;
    while length < 256 {
        let mut symbol = 28;
        while LENGTH_BASE[symbol] as usize > length + SHORTEST {
            symbol -= 1;
        }
        symbols[length] = symbol as u8;
        length += 1;
    }
    symbols
};

/// The symbol for a distance counted from 0, which is below 32,768.
#[inline(always)]
fn distance_symbol(distance: u32) -> usize {
    if distance < 4 {
        return distance as usize;
    }
    let high = 31 - distance.leading_zeros();
    (2 * high + (distance >> (high - 1) & 1)) as usize
}

/// The lowest distance of a symbol, counted from 0.
#[inline(always)]
fn distance_base(symbol: usize) -> u32 {
    if symbol < 4 { symbol as u32 } else { (2 + (symbol as u32 & 1)) << (symbol / 2 - 1) }
}

/// When a block ends.
#[derive(Debug, Clone, Copy)]
pub(in crate::image) struct Ending {
    /// After so many tokens.
    pub(in crate::image) tokens: usize,
    /// Also at every 4,096th, where the block has few matches and seems to compress well.
    pub(in crate::image) when_good: bool,
}

/// The tokens of a block.
pub(in crate::image) struct Block {
    ending: Ending,
    /// Distance, above bit 16, and length less [`SHORTEST`]; without a distance, a literal.
    tokens: Vec<u32>,
    matches: usize,
    literals: [u16; 286],
    distances: [u16; 30],
}

impl Block {
    pub(in crate::image) fn new(ending: Ending) -> Self {
        let mut block = Block { ending, tokens: Vec::new(), matches: 0, literals: [0; 286], distances: [0; 30] };
        block.begin();
        block
    }

    fn begin(&mut self) {
        self.tokens.clear();
        self.matches = 0;
        self.literals = [0; 286];
        self.distances = [0; 30];
        self.literals[END_OF_BLOCK] = 1;
    }

    /// Takes in a literal; whether the block ends here. `text` is how much text the block has then.
    #[inline(always)]
    pub(in crate::image) fn literal(&mut self, byte: u8, text: usize) -> bool {
        self.tokens.push(u32::from(byte));
        self.literals[usize::from(byte)] += 1;
        self.is_at_end(text)
    }

    /// Takes in a match; whether the block ends here. `text` is how much text it had before, and one more.
    #[inline(always)]
    pub(in crate::image) fn matched(&mut self, length: usize, distance: usize, text: usize) -> bool {
        let length = length - SHORTEST;
        self.tokens.push((distance as u32) << 16 | length as u32);
        self.literals[LITERALS + 1 + usize::from(LENGTH_SYMBOLS[length & 0xff])] += 1;
        self.distances[distance_symbol(distance as u32 - 1)] += 1;
        self.matches += 1;
        self.is_at_end(text)
    }

    #[inline(always)]
    fn is_at_end(&self, text: usize) -> bool {
        let count = self.tokens.len();
        count == self.ending.tokens || (count.is_multiple_of(4096) && self.ending.when_good && self.is_good(text))
    }

    fn is_good(&self, text: usize) -> bool {
        let extra = self.distances.iter().zip(DISTANCE_EXTRA);
        let bits: usize = extra.map(|(&count, extra)| usize::from(count) * (5 + usize::from(extra))).sum();
        self.matches < self.tokens.len() / 2 && (8 * self.tokens.len() + bits) / 8 < text / 2
    }

    /// Writes the block and begins the next. `text` is its text; `may_be_stored` tells whether the compressor
    /// still had all of it.
    pub(in crate::image) fn write(&mut self, text: &[u8], may_be_stored: bool, is_final: bool, out: &mut BitWriter) {
        let literals = Tree::new(&self.literals, &LITERALS_AND_LENGTHS);
        let distances = Tree::new(&self.distances, &DISTANCES);
        let runs = [runs(&literals.lengths[..=literals.last]), runs(&distances.lengths[..=distances.last])].concat();
        let mut counts = [0; 19];
        runs.iter().for_each(|run| counts[usize::from(run.symbol)] += 1);
        let lengths = Tree::new(&counts, &CODE_LENGTHS);
        let written =
            LENGTHS_ORDER.iter().rposition(|&symbol| lengths.lengths[symbol] > 0).map_or(4, |at| (at + 1).max(4));
        let own = literals.bits + distances.bits + lengths.bits + 3 * written as i64 + 14;
        let bytes = |bits: i64| (bits + 3 + 7) >> 3;
        let fixed = self.fixed_bits();
        let best = bytes(own).min(bytes(fixed));
        let last = u64::from(is_final);
        if may_be_stored && text.len() as i64 + 4 <= best {
            out.push(last, 3);
            out.align();
            let length = text.len() as u64;
            out.push(length & 0xffff, 16);
            out.push(!length & 0xffff, 16);
            out.copy(text, 0, 8 * length);
        } else if bytes(fixed) == best {
            out.push(1 << 1 | last, 3);
            let lengths: Vec<u8> = (0..288).map(fixed_length).collect();
            self.tokens(&Codes::of(&lengths, &codes(&lengths, &counts_of(&lengths))), &Codes::fixed_distances(), out);
        } else {
            out.push(2 << 1 | last, 3);
            out.push((literals.last + 1 - 257) as u64, 5);
            out.push(distances.last as u64, 5);
            out.push(written as u64 - 4, 4);
            LENGTHS_ORDER[..written].iter().for_each(|&symbol| out.push(u64::from(lengths.lengths[symbol]), 3));
            for run in runs {
                let symbol = usize::from(run.symbol);
                out.push(u64::from(lengths.codes[symbol]), u32::from(lengths.lengths[symbol]));
                out.push(u64::from(run.extra), u32::from(LENGTHS_EXTRA[symbol]));
            }
            let codes = |tree: &Tree| Codes::of(&tree.lengths, &tree.codes);
            self.tokens(&codes(&literals), &codes(&distances), out);
        }
        self.begin();
    }

    fn fixed_bits(&self) -> i64 {
        let literals = self.literals.iter().enumerate().map(|(symbol, &count)| {
            let extra = symbol.checked_sub(LITERALS + 1).map_or(0, |at| LENGTH_EXTRA[at]);
            i64::from(count) * i64::from(fixed_length(symbol) + extra)
        });
        let distances = self.distances.iter().zip(DISTANCE_EXTRA);
        literals.sum::<i64>() + distances.map(|(&count, extra)| i64::from(count) * i64::from(5 + extra)).sum::<i64>()
    }

    fn tokens(&self, literals: &Codes, distances: &Codes, out: &mut BitWriter) {
        for &token in &self.tokens {
            let (value, distance) = ((token & 0xff) as usize, token >> 16);
            if distance == 0 {
                literals.push(value, 0, 0, out);
            } else {
                let symbol = usize::from(LENGTH_SYMBOLS[value]);
                let above = (value + SHORTEST) as u32 - u32::from(LENGTH_BASE[symbol]);
                literals.push(LITERALS + 1 + symbol, above, LENGTH_EXTRA[symbol], out);
                let symbol = distance_symbol(distance - 1);
                distances.push(symbol, distance - 1 - distance_base(symbol), DISTANCE_EXTRA[symbol], out);
            }
        }
        literals.push(END_OF_BLOCK, 0, 0, out);
    }
}

/// The codes of an alphabet, at hand for writing.
struct Codes(Vec<(u16, u8)>);

impl Codes {
    fn of(lengths: &[u8], codes: &[u16]) -> Self {
        Codes(codes.iter().copied().zip(lengths.iter().copied()).collect())
    }

    fn fixed_distances() -> Self {
        let lengths = [5; 30];
        Self::of(&lengths, &codes(&lengths, &counts_of(&lengths)))
    }

    #[inline(always)]
    fn push(&self, symbol: usize, extra: u32, extra_bits: u8, out: &mut BitWriter) {
        let (code, length) = self.0[symbol];
        out.push(u64::from(code) | u64::from(extra) << length, u32::from(length + extra_bits));
    }
}

fn counts_of(lengths: &[u8]) -> Vec<usize> {
    (0..16).map(|length| lengths.iter().filter(|other| length > 0 && usize::from(**other) == length).count()).collect()
}

/// A symbol of the code-length code.
#[derive(Debug, Clone, Copy)]
struct Run {
    symbol: u8,
    extra: u8,
}

/// Code lengths as runs (RFC 1951, 3.2.7), cut as `trees.c` cuts them.
fn runs(lengths: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut before = None;
    let mut at = 0;
    while at < lengths.len() {
        let length = lengths[at];
        let most = match (length, before) {
            (0, _) => 138,
            (_, Some(before)) if before == length => 6,
            _ => 7,
        };
        let count = lengths[at..].iter().take(most).take_while(|other| **other == length).count();
        let plain = Run { symbol: length, extra: 0 };
        match (length, count) {
            (0, 11..) => runs.push(Run { symbol: 18, extra: count as u8 - 11 }),
            (0, 3..) => runs.push(Run { symbol: 17, extra: count as u8 - 3 }),
            (0, _) => runs.extend(std::iter::repeat_n(plain, count)),
            (_, 3..) if before == Some(length) => runs.push(Run { symbol: 16, extra: count as u8 - 3 }),
            (_, 4..) => runs.extend([plain, Run { symbol: 16, extra: count as u8 - 4 }]),
            _ => runs.extend(std::iter::repeat_n(plain, count)),
        }
        before = Some(length);
        at += count;
    }
    runs
}
