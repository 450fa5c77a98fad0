//! A run of DEFLATE blocks that can be worked on alone.

use super::bits::BitWriter;

/// The most text a piece has, in bytes, give or take a match; a block with more is not rebuilt.
pub(super) const LONGEST_PIECE: usize = 32 << 20;

/// A run of DEFLATE blocks.
#[derive(Debug)]
pub(super) struct Piece {
    /// Up to 32 KiB of text from before, then the text of this piece.
    pub(super) text: Vec<u8>,
    /// How much of `text` is from before.
    pub(super) history: usize,
    /// The bytes that hold the bits of this piece.
    pub(super) stored: Vec<u8>,
    /// In which bit of the first byte the piece begins, 0 to 7.
    pub(super) first_bit: u32,
    /// How many bits the piece has, without the padding after a final block.
    pub(super) bits: u64,
    /// Where the last block's header is, in bits from the piece's begin.
    pub(super) last_block: u64,
    /// Where the padding before the content of each stored block begins, in bits from the piece's begin.
    pub(super) paddings: Vec<u64>,
    /// Whether that block says that it is the final one.
    pub(super) is_final: bool,
    /// Whether the piece begins and ends with whole blocks. A block with more text than a piece may have
    /// is cut; such pieces can be read but not rebuilt.
    pub(super) is_whole: bool,
    /// Whether all padding is zero, as every known compressor writes it.
    pub(super) is_padded_with_zeros: bool,
    /// Where the piece begins, in bits from the begin of the input.
    pub(super) start: u64,
}

impl Piece {
    /// The text of this piece alone.
    pub(super) fn new_text(&self) -> &[u8] {
        &self.text[self.history..]
    }

    /// The bits of this piece where they are in their bytes, zeros around them.
    pub(super) fn exact_bits(&self) -> Vec<u8> {
        let begin = u64::from(self.first_bit);
        let mut writer = BitWriter::with_phase(self.first_bit, self.stored.len());
        writer.copy(&self.stored, begin, begin + self.bits);
        writer.finish()
    }
}
