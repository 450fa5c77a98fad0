//! Canonical Huffman codes of DEFLATE (RFC 1951, 3.2.2), as a table that answers for most codes at once.

/// Codes up to this many bits are looked up; the few longer ones are walked bit by bit.
const DIRECT: u32 = 11;
/// The longest code DEFLATE has.
const LONGEST: usize = 15;

/// What a code stands for: a literal, the end of the block, or a base value with extra bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Symbol {
    /// The literal byte, or the base of a length or distance.
    pub(in crate::image) value: u16,
    /// How many bits follow and are added to `value`.
    pub(in crate::image) extra: u8,
    /// What to do with it.
    pub(in crate::image) kind: SymbolKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum SymbolKind {
    Literal,
    Base,
    EndOfBlock,
    Reserved,
}

/// A decoding table. An entry of length 0 leads to the walk.
#[derive(Debug, Clone)]
pub(in crate::image) struct Code {
    direct: Vec<(Symbol, u8)>,
    counts: [u16; LONGEST + 1],
    symbols: Vec<Symbol>,
}

impl Code {
    /// The canonical code with these lengths (0: the symbol does not occur). `None` where the lengths
    /// claim more codes than there are, or leave some unused; a single code of one bit, or none at all,
    /// is allowed for distances as zlib does.
    pub(in crate::image) fn new(lengths: &[u8], meaning: impl Fn(usize) -> Symbol) -> Option<Self> {
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
        let nothing = Symbol { value: 0, extra: 0, kind: SymbolKind::Reserved };
        let mut symbols = vec![nothing; usize::from(used)];
        for (index, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut offsets[usize::from(length)];
            symbols[usize::from(*place)] = meaning(index);
            *place += 1;
        }
        let mut direct = vec![(nothing, 0u8); 1 << DIRECT];
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
        Some(Code { direct, counts, symbols })
    }

    /// The symbol that `bits` (first bit lowest, at least 15 of them) begin with, and its length in bits.
    #[inline(always)]
    pub(in crate::image) fn decode(&self, bits: u64) -> Option<(Symbol, u32)> {
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

/// The shortest length that each length symbol stands for (RFC 1951, 3.2.5).
pub(in crate::image) const LENGTH_BASE: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
/// How many bits follow each length symbol.
pub(in crate::image) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// The order in which the lengths of the code-length code are written (RFC 1951, 3.2.7).
pub(in crate::image) const LENGTHS_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The length of a literal/length symbol's fixed code, in bits (RFC 1951, 3.2.6).
pub(in crate::image) const fn fixed_length(symbol: usize) -> u8 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// What a literal/length symbol stands for (RFC 1951, 3.2.5).
pub(in crate::image) fn literal_or_length(index: usize) -> Symbol {
    match index {
        0..256 => Symbol { value: index as u16, extra: 0, kind: SymbolKind::Literal },
        256 => Symbol { value: 0, extra: 0, kind: SymbolKind::EndOfBlock },
        257..286 => {
            Symbol { value: LENGTH_BASE[index - 257], extra: LENGTH_EXTRA[index - 257], kind: SymbolKind::Base }
        }
        _ => Symbol { value: 0, extra: 0, kind: SymbolKind::Reserved },
    }
}

/// What a distance symbol stands for (RFC 1951, 3.2.5).
pub(in crate::image) fn distance(index: usize) -> Symbol {
    match index {
        0..4 => Symbol { value: index as u16 + 1, extra: 0, kind: SymbolKind::Base },
        4..30 => {
            let extra = (index / 2 - 1) as u8;
            Symbol { value: ((2 + (index as u16 & 1)) << extra) + 1, extra, kind: SymbolKind::Base }
        }
        _ => Symbol { value: 0, extra: 0, kind: SymbolKind::Reserved },
    }
}

/// A symbol that is just its own number: the code-length code.
pub(in crate::image) fn plain(index: usize) -> Symbol {
    Symbol { value: index as u16, extra: 0, kind: SymbolKind::Literal }
}
