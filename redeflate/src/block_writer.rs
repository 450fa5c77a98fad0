//! DEFLATE blocks as GNU gzip and zlib write them.
//!
//! Tokens are counted as they are added; at the block's end the shortest form is taken: stored, with the fixed codes, or
//! with its own (RFC 1951, 3.2.3). Altered from zlib 1.3's `trees.c` (`_tr_tally`, `_tr_flush_block`, `compress_block`),
//! see `NOTICE`: how sizes are estimated and how ties are decided. GNU gzip's output shows that it decides the same.

use std::sync::LazyLock;

use super::bit_writer::BitWriter;
use super::block_end::{BlockContent, BlockEnd};
use super::code_header::OwnCodes;
use super::huffman_tree::{Codeword, codewords};
use super::symbols::{
    DISTANCE_EXTRA, DISTANCES, END_OF_BLOCK, FIRST_LENGTH, FIXED_DISTANCE_LENGTH, FIXED_LENGTHS, LENGTH_EXTRA,
    LITERALS_AND_LENGTHS, MIN_MATCH, distance_base, distance_symbol, length_symbol,
};

/// The fixed codes of literal/length symbols and of distances.
static FIXED_CODES: LazyLock<(Vec<Codeword>, Vec<Codeword>)> =
    LazyLock::new(|| (codewords(&FIXED_LENGTHS), codewords(&[FIXED_DISTANCE_LENGTH; DISTANCES])));

/// A literal, or a match's length and distance.
#[derive(Debug, Clone, Copy)]
struct Token(u32);

impl Token {
    fn literal(byte: u8) -> Self {
        Token(u32::from(byte))
    }

    fn of_match(length_above_min: u8, distance: u32) -> Self {
        Token(distance << 16 | u32::from(length_above_min))
    }

    /// The literal, or the length above [`MIN_MATCH`].
    #[inline(always)]
    fn byte(self) -> u8 {
        self.0 as u8
    }

    /// 0 for a literal.
    #[inline(always)]
    fn distance(self) -> u32 {
        self.0 >> 16
    }
}

/// Collects the tokens of a block, and writes it.
pub(crate) struct BlockWriter {
    end: BlockEnd,
    tokens: Vec<Token>,
    matches: usize,
    /// How often each literal/length symbol occurs.
    literals: [u16; LITERALS_AND_LENGTHS],
    /// How often each distance symbol occurs.
    distances: [u16; DISTANCES],
}

impl BlockWriter {
    /// Returns a writer at the start of a block.
    pub(crate) fn new(end: BlockEnd) -> Self {
        let (literals, distances) = ([0; LITERALS_AND_LENGTHS], [0; DISTANCES]);
        let mut block = BlockWriter { end, tokens: Vec::new(), matches: 0, literals, distances };
        block.restart();
        block
    }

    fn restart(&mut self) {
        self.tokens.clear();
        self.matches = 0;
        self.literals = [0; LITERALS_AND_LENGTHS];
        self.distances = [0; DISTANCES];
        self.literals[END_OF_BLOCK] = 1;
    }

    /// Adds a literal and returns whether the block ends here; `content` is [`BlockContent::content`].
    #[inline(always)]
    pub(crate) fn add_literal(&mut self, byte: u8, content: usize) -> bool {
        self.tokens.push(Token::literal(byte));
        self.literals[usize::from(byte)] += 1;
        self.is_at_end(content)
    }

    /// Adds a match of 3 to 258 bytes and returns whether the block ends here; `content` is [`BlockContent::content`].
    #[inline(always)]
    pub(crate) fn add_match(&mut self, length: usize, distance: usize, content: usize) -> bool {
        let (above_min, distance) = ((length - MIN_MATCH) as u8, distance as u32);
        self.tokens.push(Token::of_match(above_min, distance));
        self.literals[FIRST_LENGTH + length_symbol(above_min).0] += 1;
        self.distances[distance_symbol(distance)] += 1;
        self.matches += 1;
        self.is_at_end(content)
    }

    #[inline(always)]
    fn is_at_end(&self, content: usize) -> bool {
        let progress = BlockContent { tokens: self.tokens.len(), matches: self.matches, content };
        self.end.is_reached(progress, || self.fixed_distance_bits())
    }

    /// Writes the block and starts the next. `content` is what its tokens stand for; `may_be_stored` says whether the
    /// encoder still has all of it.
    pub(crate) fn write(&mut self, content: &[u8], may_be_stored: bool, is_final: bool, out: &mut BitWriter) {
        let own = OwnCodes::new(&self.literals, &self.distances);
        let bytes = |bits: i64| (3 + bits + 7) / 8;
        let (own_bytes, fixed_bytes) = (bytes(own.bits()), bytes(self.fixed_bits()));
        let mut header = |form: u64| out.push(form << 1 | u64::from(is_final), 3);
        if may_be_stored && content.len() as i64 + 4 <= own_bytes.min(fixed_bytes) {
            header(0);
            out.align();
            let length = content.len() as u64;
            out.push(length & 0xffff, 16);
            out.push(!length & 0xffff, 16);
            out.copy(content, 0, 8 * length);
        } else if fixed_bytes <= own_bytes {
            header(1);
            let (literals, distances) = &*FIXED_CODES;
            self.write_tokens(literals, distances, out);
        } else {
            header(2);
            own.write(out);
            self.write_tokens(&codewords(&own.literals.lengths), &codewords(&own.distances.lengths), out);
        }
        self.restart();
    }

    fn fixed_bits(&self) -> i64 {
        let extra = std::iter::repeat_n(0, FIRST_LENGTH).chain(LENGTH_EXTRA);
        let lengths = FIXED_LENGTHS.iter().zip(extra).map(|(&length, extra)| usize::from(length + extra));
        let literals = self.literals.iter().zip(lengths).map(|(&count, bits)| usize::from(count) * bits);
        (literals.sum::<usize>() + self.fixed_distance_bits()) as i64
    }

    fn fixed_distance_bits(&self) -> usize {
        let bits = DISTANCE_EXTRA.map(|extra| usize::from(FIXED_DISTANCE_LENGTH + extra));
        self.distances.iter().zip(bits).map(|(&count, bits)| usize::from(count) * bits).sum()
    }

    fn write_tokens(&self, literals: &[Codeword], distances: &[Codeword], out: &mut BitWriter) {
        let mut push = |codeword: Codeword, extra: u32, extra_bits: u8| {
            let bits = u64::from(codeword.bits) | u64::from(extra) << codeword.length;
            out.push(bits, u32::from(codeword.length + extra_bits));
        };
        for token in &self.tokens {
            let (byte, distance) = (token.byte(), token.distance());
            if distance == 0 {
                push(literals[usize::from(byte)], 0, 0);
            } else {
                let (symbol, extra) = length_symbol(byte);
                push(literals[FIRST_LENGTH + symbol], extra, LENGTH_EXTRA[symbol]);
                let symbol = distance_symbol(distance);
                push(distances[symbol], distance - distance_base(symbol), DISTANCE_EXTRA[symbol]);
            }
        }
        push(literals[END_OF_BLOCK], 0, 0);
    }
}
