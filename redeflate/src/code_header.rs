//! The codes that a block brings along, and the header that describes them (RFC 1951, 3.2.7).
//!
//! The format leaves open how a run of equal code lengths is cut. Altered from zlib 1.3's `trees.c` (`scan_tree`,
//! `send_tree`, `build_bl_tree`, `send_all_trees`), see `NOTICE`. GNU gzip's output shows that it does the same.

use super::bit_writer::BitWriter;
use super::huffman_tree::{Alphabet, HuffmanTree, codewords};
use super::symbols::{
    CODE_LENGTH_EXTRA, CODE_LENGTH_ORDER, CODE_LENGTHS, DISTANCE_EXTRA, DISTANCES, FEW_ZEROS, FIRST_LENGTH,
    LENGTH_EXTRA, LITERALS_AND_LENGTHS, MANY_ZEROS, REPEAT,
};

const LITERAL_ALPHABET: Alphabet =
    Alphabet { symbols: LITERALS_AND_LENGTHS, extra: &LENGTH_EXTRA, extra_from: FIRST_LENGTH, max_length: 15 };
const DISTANCE_ALPHABET: Alphabet =
    Alphabet { symbols: DISTANCES, extra: &DISTANCE_EXTRA, extra_from: 0, max_length: 15 };
const LENGTH_ALPHABET: Alphabet =
    Alphabet { symbols: CODE_LENGTHS, extra: &CODE_LENGTH_EXTRA, extra_from: 0, max_length: 7 };

/// The codes of a block that has its own.
pub(crate) struct OwnCodes {
    pub(crate) literals: HuffmanTree,
    pub(crate) distances: HuffmanTree,
    /// The lengths of both, as symbols of the code-length code.
    runs: Vec<CodeLengthSymbol>,
    /// The code-length code.
    lengths: HuffmanTree,
    /// How many of its lengths are written, in [`CODE_LENGTH_ORDER`].
    lengths_written: usize,
}

/// A symbol of the code-length code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CodeLengthSymbol {
    symbol: u8,
    /// The value of its extra bits.
    extra: u8,
}

impl OwnCodes {
    /// Returns the codes for these frequencies of literal/length and distance symbols.
    pub(crate) fn new(literals: &[u16; LITERALS_AND_LENGTHS], distances: &[u16; DISTANCES]) -> Self {
        let literals = HuffmanTree::new(literals, &LITERAL_ALPHABET);
        let distances = HuffmanTree::new(distances, &DISTANCE_ALPHABET);
        // zlib lets no run go over from the one to the other, though the format would.
        let mut runs = runs(&literals.lengths[..=literals.last]);
        runs.extend(self::runs(&distances.lengths[..=distances.last]));
        let mut frequencies = [0; CODE_LENGTHS];
        runs.iter().for_each(|run| frequencies[usize::from(run.symbol)] += 1);
        let lengths = HuffmanTree::new(&frequencies, &LENGTH_ALPHABET);
        let last = CODE_LENGTH_ORDER.iter().rposition(|&symbol| lengths.lengths[symbol] > 0);
        let lengths_written = last.map_or(0, |last| last + 1).max(4);
        OwnCodes { literals, distances, runs, lengths, lengths_written }
    }

    /// Returns how many bits the block takes after its first three: the header, the tokens and the end of the block.
    pub(crate) fn bits(&self) -> i64 {
        5 + 5 + 4 + 3 * self.lengths_written as i64 + self.lengths.bits + self.literals.bits + self.distances.bits
    }

    /// Writes the header.
    pub(crate) fn write(&self, out: &mut BitWriter) {
        out.push((self.literals.last + 1 - 257) as u64, 5);
        out.push((self.distances.last + 1 - 1) as u64, 5);
        out.push((self.lengths_written - 4) as u64, 4);
        for &symbol in &CODE_LENGTH_ORDER[..self.lengths_written] {
            out.push(u64::from(self.lengths.lengths[symbol]), 3);
        }
        let codewords = codewords(&self.lengths.lengths);
        for run in &self.runs {
            let symbol = usize::from(run.symbol);
            out.push(u64::from(codewords[symbol].bits), u32::from(codewords[symbol].length));
            out.push(u64::from(run.extra), u32::from(CODE_LENGTH_EXTRA[symbol]));
        }
    }
}

/// Cuts code lengths into runs.
fn runs(lengths: &[u8]) -> Vec<CodeLengthSymbol> {
    let mut runs = Vec::new();
    let (mut rest, mut previous) = (lengths, None);
    while let Some(&length) = rest.first() {
        let is_repeated = previous == Some(length);
        // A run of zeros, of a length that was there before, or of a new one, which has to be written first.
        let longest = match length {
            0 => 138,
            _ if is_repeated => 6,
            _ => 1 + 6,
        };
        let count = rest.iter().take(longest).take_while(|other| **other == length).count();
        let once = CodeLengthSymbol { symbol: length, extra: 0 };
        match (length, count) {
            (0, 11..) => runs.push(CodeLengthSymbol { symbol: MANY_ZEROS, extra: count as u8 - 11 }),
            (0, 3..) => runs.push(CodeLengthSymbol { symbol: FEW_ZEROS, extra: count as u8 - 3 }),
            (1.., 3..) if is_repeated => runs.push(CodeLengthSymbol { symbol: REPEAT, extra: count as u8 - 3 }),
            (1.., 4..) if !is_repeated => {
                runs.extend([once, CodeLengthSymbol { symbol: REPEAT, extra: count as u8 - 1 - 3 }])
            }
            _ => runs.extend(std::iter::repeat_n(once, count)),
        }
        previous = Some(length);
        rest = &rest[count..];
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_where_zlib_cuts_them() {
        let cut = |lengths: &[(u8, usize)]| -> Vec<(u8, u8)> {
            let lengths: Vec<u8> =
                lengths.iter().flat_map(|&(length, count)| std::iter::repeat_n(length, count)).collect();
            runs(&lengths).iter().map(|run| (run.symbol, run.extra)).collect()
        };
        assert_eq!(cut(&[(0, 2), (5, 3)]), [(0, 0), (0, 0), (5, 0), (5, 0), (5, 0)]);
        assert_eq!(cut(&[(5, 4), (0, 3), (5, 7)]), [(5, 0), (16, 0), (17, 0), (5, 0), (16, 3)]);
        assert_eq!(cut(&[(5, 16)]), [(5, 0), (16, 3), (16, 3), (16, 0)]);
        assert_eq!(cut(&[(5, 9)]), [(5, 0), (16, 3), (5, 0), (5, 0)]);
        assert_eq!(cut(&[(0, 10), (1, 1), (0, 11), (1, 1), (0, 138)]), [(17, 7), (1, 0), (18, 0), (1, 0), (18, 127)]);
        assert_eq!(cut(&[(0, 140)]), [(18, 127), (0, 0), (0, 0)]);
    }
}
