//! A DEFLATE decoder (RFC 1951) that cuts a stream into chunks.
//!
//! Other decoders return content alone. To write a stream again on all cores it must be cut at block boundaries, and
//! each [`Chunk`] must hold what it takes to work on it alone: its content, the 32 KiB before that its blocks may refer
//! to, and its exact bits.

use std::io::{self, Read};

use super::bit_reader::{BitReader, truncated};
use super::chunk::{Chunk, Context, LOOKAHEAD, WINDOW};
use super::decode_table::{DecodeTable, SymbolKind, code_length, distance, literal_or_length};
use super::symbols::{
    CODE_LENGTH_ORDER, CODE_LENGTHS, END_OF_BLOCK, FEW_ZEROS, FIXED_DISTANCE_LENGTH, FIXED_LENGTHS, MANY_ZEROS, REPEAT,
};

/// The most blocks of a chunk. Blocks may be empty, so content alone does not bound a chunk's memory.
const MAX_BLOCKS: usize = 1 << 14;

/// What is left of the block being read.
enum Block {
    /// Bytes as they are.
    Stored { left: usize },
    /// Tokens in these codes.
    Coded { literals: Box<DecodeTable>, distances: Box<DecodeTable> },
}

/// Reads DEFLATE streams, and the bytes between them, from a source.
pub struct Inflater<R> {
    input: BitReader<R>,
    /// The content before the current chunk, and the chunk's as far as it is read.
    content: Vec<u8>,
    /// How many bytes of `content` are from before the current chunk.
    history: usize,
    /// How many bytes of content the stream has before the current chunk.
    offset: u64,
    /// The block being read; `None` between two blocks.
    block: Option<Block>,
    /// Whether the block being read, or read last, is marked final.
    is_final: bool,
    /// Where the paddings of the chunk's stored blocks start, in bits from the start of the source.
    paddings: Vec<u64>,
    is_padded_with_zeros: bool,
}

fn corrupt(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<R: Read> Inflater<R> {
    /// Returns a reader at the start of `source`.
    pub fn new(source: R) -> Self {
        Inflater {
            input: BitReader::new(source),
            history: 0,
            offset: 0,
            content: Vec::new(),
            block: None,
            is_final: false,
            paddings: Vec::new(),
            is_padded_with_zeros: true,
        }
    }

    /// Returns a reader at the start of a chunk: `source` is at the byte that holds the chunk's first bit, `history` is
    /// the content before the chunk.
    ///
    /// # Errors
    /// Those of the source, and [`truncated`] if it ends there.
    pub fn resume(source: R, first_bit: u32, history: Vec<u8>) -> io::Result<Self> {
        let mut inflater = Self::new(source);
        inflater.input.take(first_bit)?;
        inflater.history = history.len();
        inflater.content = history;
        Ok(inflater)
    }

    /// The input, to read what is between two DEFLATE streams.
    pub fn input(&mut self) -> &mut BitReader<R> {
        &mut self.input
    }

    /// The content of the chunk that could not be read to its end, as far as it was read.
    pub fn rest(&self) -> &[u8] {
        &self.content[self.history..]
    }

    /// Starts a new DEFLATE stream, whose blocks cannot refer to content before.
    pub fn begin_stream(&mut self) {
        self.content.clear();
        self.history = 0;
        self.offset = 0;
        self.is_final = false;
    }

    /// Reads the next chunk: blocks until they have `goal` bytes of content, but at most `max` bytes, give or take a
    /// match. It ends earlier after many blocks, or once they take twice as many bytes as `goal`. `None` after the final
    /// block.
    ///
    /// # Errors
    /// Those of the source, `UnexpectedEof` if it ends within a block, `InvalidData` if it is not DEFLATE.
    pub fn chunk(&mut self, goal: usize, max: usize) -> io::Result<Option<Chunk>> {
        if self.is_final && self.block.is_none() {
            return Ok(None);
        }
        let start = self.input.position();
        self.input.forget_before(start / 8);
        let starts_whole = self.block.is_none();
        let max_bits = 16 * goal.max(WINDOW) as u64;
        self.content.reserve((goal + goal / 4).min(self.history + max) + LOOKAHEAD);
        let (goal, max) = (self.history + goal, self.history + max);
        let (mut last_block, mut blocks) = (start, 0);
        loop {
            if self.block.is_none() {
                last_block = self.input.position();
                self.header()?;
                blocks += 1;
            }
            if !self.decode(max)? {
                break;
            }
            let is_long = self.input.position() - start > max_bits;
            if self.is_final || self.content.len() >= goal || is_long || blocks >= MAX_BLOCKS {
                break;
            }
        }
        let end = self.input.position();
        if self.input.is_overdrawn() {
            return Err(truncated());
        }
        let stored = self.input.bytes_of(start, end).to_vec();
        let is_whole = starts_whole && self.block.is_none();
        let ended = self.is_final && self.block.is_none();
        if ended {
            self.is_padded_with_zeros &= self.input.align();
        }
        let keep = if ended { 0 } else { self.content.len().min(WINDOW) };
        let rest = self.content[self.content.len() - keep..].to_vec();
        let content = std::mem::replace(&mut self.content, rest);
        let history = std::mem::replace(&mut self.history, keep);
        let context = Context { own: content.len() - history, content, history, offset: self.offset };
        self.offset += context.own as u64;
        let chunk = Chunk {
            context,
            stored,
            first_bit: (start % 8) as u32,
            bits: end - start,
            last_block: last_block - start,
            is_final: self.is_final,
            is_whole,
            is_padded_with_zeros: std::mem::replace(&mut self.is_padded_with_zeros, true),
            paddings: self.paddings.drain(..).map(|padding| padding - start).collect(),
            start,
        };
        Ok(Some(chunk))
    }

    /// Reads a block's header and its code tables.
    fn header(&mut self) -> io::Result<()> {
        self.is_final = self.input.take(1)? == 1;
        self.block = Some(match self.input.take(2)? {
            0 => {
                self.paddings.push(self.input.position());
                self.is_padded_with_zeros &= self.input.align();
                let (length, check) = (self.input.take(16)?, self.input.take(16)?);
                if length != !check & 0xffff {
                    return Err(corrupt("the lengths of a stored block disagree"));
                }
                Block::Stored { left: length as usize }
            }
            1 => self.coded(&FIXED_LENGTHS, &[FIXED_DISTANCE_LENGTH; 32])?,
            2 => {
                let (literals, distances) = (self.input.take(5)? as usize + 257, self.input.take(5)? as usize + 1);
                let lengths = self.code_lengths(literals + distances)?;
                if lengths[END_OF_BLOCK] == 0 {
                    return Err(corrupt("a block has no end"));
                }
                self.coded(&lengths[..literals], &lengths[literals..])?
            }
            _ => return Err(corrupt("a block has a type that does not exist")),
        });
        Ok(())
    }

    fn coded(&self, literals: &[u8], distances: &[u8]) -> io::Result<Block> {
        match (DecodeTable::new(literals, literal_or_length), DecodeTable::new(distances, distance)) {
            (Some(literals), Some(distances)) => {
                Ok(Block::Coded { literals: Box::new(literals), distances: Box::new(distances) })
            }
            _ => Err(corrupt("a block has code lengths that fit no code")),
        }
    }

    fn code_lengths(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut first = [0u8; CODE_LENGTHS];
        let count = self.input.take(4)? as usize + 4;
        for &place in &CODE_LENGTH_ORDER[..count] {
            first[place] = self.input.take(3)? as u8;
        }
        let code = DecodeTable::new(&first, code_length)
            .ok_or_else(|| corrupt("a block has code lengths that fit no code"))?;
        let mut lengths = Vec::with_capacity(wanted);
        while lengths.len() < wanted {
            self.input.refill()?;
            let (symbol, used) =
                code.decode(self.input.bits()).ok_or_else(|| corrupt("a block has an unknown code"))?;
            self.input.drop_bits(used);
            let (length, times) = match symbol.value as u8 {
                REPEAT => {
                    let last = *lengths.last().ok_or_else(|| corrupt("a block repeats a length before the first"))?;
                    (last, 3 + self.input.take(2)?)
                }
                FEW_ZEROS => (0, 3 + self.input.take(3)?),
                MANY_ZEROS => (0, 11 + self.input.take(7)?),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times as usize));
        }
        if lengths.len() > wanted {
            return Err(corrupt("a block has too many code lengths"));
        }
        Ok(lengths)
    }

    /// Decodes the current block until its end (true) or until there are `max` bytes of content (false).
    fn decode(&mut self, max: usize) -> io::Result<bool> {
        let Some(block) = self.block.take() else { return Ok(true) };
        match block {
            Block::Stored { mut left } => {
                while left > 0 {
                    if self.content.len() >= max {
                        self.block = Some(Block::Stored { left });
                        return Ok(false);
                    }
                    if self.input.is_at_end()? {
                        return Err(truncated());
                    }
                    let byte = self.input.drop_bits(8) as u8;
                    self.content.push(byte);
                    left -= 1;
                }
                Ok(true)
            }
            Block::Coded { literals, distances } => {
                let ended = self.decode_coded(&literals, &distances, max)?;
                if !ended {
                    self.block = Some(Block::Coded { literals, distances });
                }
                Ok(ended)
            }
        }
    }

    fn decode_coded(&mut self, literals: &DecodeTable, distances: &DecodeTable, max: usize) -> io::Result<bool> {
        let unknown = || corrupt("a block has an unknown code");
        while self.content.len() < max {
            self.input.refill()?;
            let (symbol, used) = literals.decode(self.input.bits()).ok_or_else(unknown)?;
            self.input.drop_bits(used);
            match symbol.kind {
                SymbolKind::Literal => {
                    self.content.push(symbol.value as u8);
                    // The available bits hold a second literal too, and most tokens are literals.
                    if let Some((next, used)) = literals.decode(self.input.bits())
                        && next.kind == SymbolKind::Literal
                    {
                        self.input.drop_bits(used);
                        self.content.push(next.value as u8);
                    }
                }
                SymbolKind::Base => {
                    let length = usize::from(symbol.value) + self.input.drop_bits(u32::from(symbol.extra)) as usize;
                    let (symbol, used) = distances.decode(self.input.bits()).ok_or_else(unknown)?;
                    self.input.drop_bits(used);
                    if symbol.kind != SymbolKind::Base {
                        return Err(unknown());
                    }
                    let distance = usize::from(symbol.value) + self.input.drop_bits(u32::from(symbol.extra)) as usize;
                    self.copy(distance, length)?;
                }
                SymbolKind::EndOfBlock => return Ok(true),
                SymbolKind::Reserved => return Err(unknown()),
            }
        }
        Ok(false)
    }

    #[inline(always)]
    fn copy(&mut self, distance: usize, length: usize) -> io::Result<()> {
        let from = self
            .content
            .len()
            .checked_sub(distance)
            .ok_or_else(|| corrupt("a match reaches back before the start of the content"))?;
        if distance >= length {
            self.content.extend_from_within(from..from + length);
        } else if distance == 1 {
            let byte = self.content[from];
            self.content.resize(self.content.len() + length, byte);
        } else {
            for at in from..from + length {
                self.content.push(self.content[at]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
