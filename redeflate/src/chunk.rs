//! A chunk: a run of DEFLATE blocks that can be worked on alone.

use super::bit_writer::BitWriter;
use super::symbols::{MAX_MATCH, MIN_MATCH};

/// The longest distance of a match, in bytes (RFC 1951, 2).
pub const WINDOW: usize = 32 << 10;
/// How many bytes after a position may decide what an encoder does there: the longest match, one more of the shortest
/// after it, and a byte (zlib's `MIN_LOOKAHEAD`).
pub const LOOKAHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
/// The most content of a chunk in bytes, give or take a match. A block with more is cut, and not written again.
pub const MAX_CHUNK: usize = 32 << 20;

/// The decompressed content of a chunk, with as much around it as may have decided how it was compressed.
#[derive(Debug, Default)]
pub struct Context {
    /// Up to [`WINDOW`] bytes from before the chunk, the chunk's own, and up to [`LOOKAHEAD`] bytes from after it.
    pub content: Vec<u8>,
    /// How many bytes of `content` are from before the chunk.
    pub history: usize,
    /// How many bytes of `content` are the chunk's own.
    pub own: usize,
    /// Where the chunk's own content starts in that of the whole stream, in bytes.
    pub offset: u64,
}

impl Context {
    /// The chunk's own content.
    pub(crate) fn own_content(&self) -> &[u8] {
        &self.content[self.history..self.history + self.own]
    }

    /// The content from before the chunk.
    pub fn before(&self) -> &[u8] {
        &self.content[..self.history]
    }

    /// The content from before the chunk, and its own.
    pub(crate) fn up_to_end(&self) -> &[u8] {
        &self.content[..self.history + self.own]
    }
}

/// A run of DEFLATE blocks.
#[derive(Debug)]
pub struct Chunk {
    /// Its decompressed content.
    pub context: Context,
    /// The bytes that hold the chunk's bits; the first and the last may hold others' too.
    pub(crate) stored: Vec<u8>,
    /// The bit of the first byte in which the chunk starts, 0 to 7.
    pub first_bit: u32,
    /// How many bits it has, without the padding after a final block.
    pub(crate) bits: u64,
    /// Where the header of its last block is, in bits from the chunk's start.
    pub(crate) last_block: u64,
    /// Where the padding of each stored block starts, in bits from the chunk's start.
    pub(crate) paddings: Vec<u64>,
    /// Whether its last block is marked final.
    pub(crate) is_final: bool,
    /// Whether it starts and ends with whole blocks. A block with more than [`MAX_CHUNK`] bytes of content is cut; such
    /// chunks can be read but not written again.
    pub is_whole: bool,
    /// Whether all padding is zero, as the known encoders write it.
    pub is_padded_with_zeros: bool,
    /// Where it starts, in bits from the start of the input.
    pub start: u64,
}

impl Chunk {
    /// The chunk's own decompressed content.
    pub fn content(&self) -> &[u8] {
        self.context.own_content()
    }

    /// Adds the content of the chunk that follows in the same stream, as far as it may have decided on this one.
    pub fn look_ahead(&mut self, next: &Chunk) {
        let next = next.content();
        self.context.content.extend_from_slice(&next[..next.len().min(LOOKAHEAD)]);
    }

    /// Returns the chunk's bits in their place within bytes, with zeros around them.
    pub fn exact_bits(&self) -> Vec<u8> {
        let start = u64::from(self.first_bit);
        let mut writer = BitWriter::with_phase(self.first_bit, self.stored.len());
        writer.copy(&self.stored, start, start + self.bits);
        writer.finish()
    }
}
