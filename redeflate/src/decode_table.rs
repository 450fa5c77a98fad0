//! Decoding tables for the canonical Huffman codes of DEFLATE (RFC 1951, 3.2.2).
//!
//! Altered from zlib's `contrib/puff/puff.c` (`construct`, `decode`), see `NOTICE`: the counts and offsets of a code, what
//! makes it valid, and the walk for codes longer than the table. The table itself is ours.

use super::symbols::{
    DISTANCE_EXTRA, DISTANCES, END_OF_BLOCK, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA, LITERALS, LITERALS_AND_LENGTHS,
    distance_base,
};

/// Codes up to this many bits are looked up; the few longer ones are walked bit by bit.
const DIRECT: u32 = 11;
/// The longest code of DEFLATE, in bits.
const LONGEST: usize = 15;

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// The literal byte, or the least length or distance.
    pub(crate) value: u16,
    /// How many extra bits follow, whose value is added to `value`.
    pub(crate) extra: u8,
    /// What to do with it.
    pub(crate) kind: SymbolKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SymbolKind {
    Literal,
    /// A length or a distance.
    Base,
    EndOfBlock,
    /// Without a meaning (RFC 1951, 3.2.6).
    Reserved,
}

/// A code to decode with.
#[derive(Debug, Clone)]
pub(crate) struct DecodeTable {
    /// The symbol and the code's length for each value of the next [`DIRECT`] bits; length 0 for a longer code.
    direct: Vec<(Symbol, u8)>,
    /// How many codes have each length.
    counts: [u16; LONGEST + 1],
    /// The symbols in the order of their codes.
    symbols: Vec<Symbol>,
}

impl DecodeTable {
    /// Returns the canonical code with these lengths (0: no code), in which symbol `n` means `meaning(n)`.
    ///
    /// `None` if the lengths need more codes than there are or leave some unused. A code of a single bit, or none at all,
    /// is accepted, as zlib does for distances.
    pub(crate) fn new(lengths: &[u8], meaning: impl Fn(usize) -> Symbol) -> Option<Self> {
        let mut counts = [0u16; LONGEST + 1];
        for &length in lengths {
            *counts.get_mut(usize::from(length))? += 1;
        }
        counts[0] = 0;
        let mut left = 1i32;
        for &count in &counts[1..] {
            left = (left << 1) - i32::from(count);
            if left < 0 {
                return None;
            }
        }
        let used: u16 = counts.iter().sum();
        if left > 0 && !(used == 0 || (used == 1 && counts[1] == 1)) {
            return None;
        }
        let mut offsets = [0u16; LONGEST + 2];
        for length in 1..=LONGEST {
            offsets[length + 1] = offsets[length] + counts[length];
        }
        let mut symbols = vec![RESERVED; usize::from(used)];
        for (index, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut offsets[usize::from(length)];
            symbols[usize::from(*place)] = meaning(index);
            *place += 1;
        }
        let mut direct = vec![(RESERVED, 0u8); 1 << DIRECT];
        let (mut code, mut next) = (0u32, 0usize);
        for length in 1..=DIRECT {
            for _ in 0..counts[length as usize] {
                // Codes are packed starting from their most significant bit, everything else from the least.
                let reversed = code.reverse_bits() >> (32 - length);
                for entry in (reversed..1 << DIRECT).step_by(1 << length) {
                    direct[entry as usize] = (symbols[next], length as u8);
                }
                code += 1;
                next += 1;
            }
            code <<= 1;
        }
        Some(DecodeTable { direct, counts, symbols })
    }

    /// Returns the symbol whose code `bits` start with (first bit lowest, at least 15 of them), and the code's length in
    /// bits. `None` if there is no such code.
    #[inline(always)]
    pub(crate) fn decode(&self, bits: u64) -> Option<(Symbol, u32)> {
        let (symbol, length) = self.direct[(bits & ((1 << DIRECT) - 1)) as usize];
        if length > 0 { Some((symbol, u32::from(length))) } else { self.walk(bits) }
    }

    #[cold]
    fn walk(&self, mut bits: u64) -> Option<(Symbol, u32)> {
        let (mut code, mut first, mut index) = (0usize, 0usize, 0usize);
        for length in 1..=LONGEST {
            code |= (bits & 1) as usize;
            bits >>= 1;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                return self.symbols.get(index + code - first).map(|symbol| (*symbol, length as u32));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

const RESERVED: Symbol = Symbol { value: 0, extra: 0, kind: SymbolKind::Reserved };

/// Returns what a literal/length symbol means.
pub(crate) fn literal_or_length(symbol: usize) -> Symbol {
    match symbol {
        0..LITERALS => Symbol { value: symbol as u16, extra: 0, kind: SymbolKind::Literal },
        END_OF_BLOCK => Symbol { value: 0, extra: 0, kind: SymbolKind::EndOfBlock },
        FIRST_LENGTH..LITERALS_AND_LENGTHS => {
            let at = symbol - FIRST_LENGTH;
            Symbol { value: LENGTH_BASE[at], extra: LENGTH_EXTRA[at], kind: SymbolKind::Base }
        }
        _ => RESERVED,
    }
}

/// Returns what a distance symbol means.
pub(crate) fn distance(symbol: usize) -> Symbol {
    match symbol {
        0..DISTANCES => {
            Symbol { value: distance_base(symbol) as u16, extra: DISTANCE_EXTRA[symbol], kind: SymbolKind::Base }
        }
        _ => RESERVED,
    }
}

/// Returns what a symbol of the code-length code means: its own number.
pub(crate) fn code_length(symbol: usize) -> Symbol {
    Symbol { value: symbol as u16, extra: 0, kind: SymbolKind::Literal }
}
