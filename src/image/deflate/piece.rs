//! A run of DEFLATE blocks that can be worked on alone.

use super::bits::BitWriter;

/// How far back a match may reach (RFC 1951, 2).
pub(in crate::image) const WINDOW: usize = 32 << 10;
/// How much text after a position may decide what a compressor does there: the longest match, and one more of the
/// shortest and a byte (zlib's `MIN_LOOKAHEAD`).
pub(in crate::image) const AHEAD: usize = 258 + 3 + 1;
/// The most text a piece has, in bytes, give or take a match; a block with more is not rebuilt.
pub(in crate::image) const LONGEST_PIECE: usize = 32 << 20;

/// The text of a piece, among as much of its surroundings as may decide how it was compressed.
#[derive(Debug, Default)]
pub(in crate::image) struct Stretch {
    /// Up to 32 KiB from before, the piece's own, and up to [`AHEAD`] bytes from after it.
    pub(in crate::image) text: Vec<u8>,
    /// How much of `text` is from before.
    pub(in crate::image) history: usize,
    /// How much of `text` is the piece's own.
    pub(in crate::image) own: usize,
    /// Where the piece's own text begins in the whole stream's text.
    pub(in crate::image) offset: u64,
}

impl Stretch {
    /// The piece's own text.
    pub(in crate::image) fn own_text(&self) -> &[u8] {
        &self.text[self.history..self.history + self.own]
    }

    /// The text from before and the piece's own.
    pub(in crate::image) fn text_so_far(&self) -> &[u8] {
        &self.text[..self.history + self.own]
    }
}

/// A run of DEFLATE blocks.
#[derive(Debug)]
pub(in crate::image) struct Piece {
    /// Its text.
    pub(in crate::image) stretch: Stretch,
    /// The bytes that hold the bits of this piece.
    pub(in crate::image) stored: Vec<u8>,
    /// In which bit of the first byte the piece begins, 0 to 7.
    pub(in crate::image) first_bit: u32,
    /// How many bits the piece has, without the padding after a final block.
    pub(in crate::image) bits: u64,
    /// Where the last block's header is, in bits from the piece's begin.
    pub(in crate::image) last_block: u64,
    /// Where the padding before the content of each stored block begins, in bits from the piece's begin.
    pub(in crate::image) paddings: Vec<u64>,
    /// Whether that block says that it is the final one.
    pub(in crate::image) is_final: bool,
    /// Whether the piece begins and ends with whole blocks. A block with more text than a piece may have
    /// is cut; such pieces can be read but not rebuilt.
    pub(in crate::image) is_whole: bool,
    /// Whether all padding is zero, as every known compressor writes it.
    pub(in crate::image) is_padded_with_zeros: bool,
    /// Where the piece begins, in bits from the begin of the input.
    pub(in crate::image) start: u64,
}

impl Piece {
    /// The text of this piece alone.
    pub(in crate::image) fn new_text(&self) -> &[u8] {
        self.stretch.own_text()
    }

    /// Takes the text of the piece that follows in the same stream for what comes after this one.
    pub(in crate::image) fn look_ahead(&mut self, next: &Piece) {
        let next = next.new_text();
        self.stretch.text.extend_from_slice(&next[..next.len().min(AHEAD)]);
    }

    /// The bits of this piece where they are in their bytes, zeros around them.
    pub(in crate::image) fn exact_bits(&self) -> Vec<u8> {
        let begin = u64::from(self.first_bit);
        let mut writer = BitWriter::with_phase(self.first_bit, self.stored.len());
        writer.copy(&self.stored, begin, begin + self.bits);
        writer.finish()
    }
}
