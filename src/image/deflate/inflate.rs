//! A DEFLATE decoder (RFC 1951) that tells where its blocks lie.
//!
//! zlib and its kin give the text; to rebuild a stream exactly on all cores we must also cut it, at block
//! boundaries, into pieces that can be worked on alone. A [`Piece`] holds whole blocks: their text, the
//! 32 KiB before it that they may refer to, and their exact bits.

use std::io::{self, Read};

use super::bit_reader::{BitReader, cut_short};
use super::huffman::{Code, LENGTHS_ORDER, SymbolKind, distance, fixed_length, literal_or_length, plain};
use super::piece::{AHEAD, Piece, Stretch, WINDOW};

/// The most blocks a piece has. Blocks may be empty, so text alone is no bound on what a piece takes.
const MOST_BLOCKS: usize = 1 << 14;
/// The code tables of the block that is being read.
enum Block {
    Stored { left: usize },
    Coded { literals: Box<Code>, distances: Box<Code> },
}

/// Reads bytes and DEFLATE blocks from `source`.
pub(in crate::image) struct Inflater<R> {
    input: BitReader<R>,
    text: Vec<u8>,
    history: usize,
    /// How much text the stream had before this piece.
    offset: u64,
    block: Option<Block>,
    /// The block being read is the final one.
    is_final: bool,
    paddings: Vec<u64>,
    is_padded_with_zeros: bool,
}

fn corrupt(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<R: Read> Inflater<R> {
    /// Reads `source` from its begin.
    pub(in crate::image) fn new(source: R) -> Self {
        Inflater {
            input: BitReader::new(source),
            history: 0,
            offset: 0,
            text: Vec::new(),
            block: None,
            is_final: false,
            paddings: Vec::new(),
            is_padded_with_zeros: true,
        }
    }

    /// Reads on where a piece began: `source` stands at the byte in which it begins; `history` is the text
    /// before.
    pub(in crate::image) fn resume(source: R, first_bit: u32, history: Vec<u8>) -> io::Result<Self> {
        let mut inflater = Self::new(source);
        inflater.input.take(first_bit)?;
        inflater.history = history.len();
        inflater.text = history;
        Ok(inflater)
    }

    /// The input, between two DEFLATE streams.
    pub(in crate::image) fn input(&mut self) -> &mut BitReader<R> {
        &mut self.input
    }

    /// The text of the piece that could not be read to its end.
    pub(in crate::image) fn rest(&self) -> &[u8] {
        &self.text[self.history..]
    }

    /// Forgets the text before: a new DEFLATE stream begins.
    pub(in crate::image) fn begin_stream(&mut self) {
        self.text.clear();
        self.history = 0;
        self.offset = 0;
        self.is_final = false;
    }

    /// The next piece: blocks until there are `text` bytes of text, and never more than `most`; it ends
    /// early after many blocks, or where they take twice the room of that text. `None` after the final
    /// block.
    pub(in crate::image) fn piece(&mut self, text: usize, most: usize) -> io::Result<Option<Piece>> {
        if self.is_final && self.block.is_none() {
            return Ok(None);
        }
        let start = self.input.position();
        self.input.forget_before(start / 8);
        let begins_whole = self.block.is_none();
        let (goal, most) = (self.history + text, self.history + most);
        self.text.reserve((text + text / 4).min(most) + AHEAD);
        let (mut last_block, mut blocks) = (start, 0);
        loop {
            if self.block.is_none() {
                last_block = self.input.position();
                self.header()?;
                blocks += 1;
            }
            if !self.decode(most)? {
                break;
            }
            let is_long = self.input.position() - start > 16 * text.max(WINDOW) as u64;
            if self.is_final || self.text.len() >= goal || is_long || blocks >= MOST_BLOCKS {
                break;
            }
        }
        let end = self.input.position();
        if self.input.is_overdrawn() {
            return Err(cut_short());
        }
        let stored = self.input.bytes_of(start, end).to_vec();
        let is_whole = begins_whole && self.block.is_none();
        let ended = self.is_final && self.block.is_none();
        if ended {
            self.is_padded_with_zeros &= self.input.align();
        }
        let keep = if ended { 0 } else { self.text.len().min(WINDOW) };
        let rest = self.text[self.text.len() - keep..].to_vec();
        let text = std::mem::replace(&mut self.text, rest);
        let history = std::mem::replace(&mut self.history, keep);
        let stretch = Stretch { own: text.len() - history, text, history, offset: self.offset };
        self.offset += stretch.own as u64;
        let piece = Piece {
            stretch,
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
        Ok(Some(piece))
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
            1 => {
                let lengths: Vec<u8> = (0..288).map(fixed_length).collect();
                self.coded(&lengths, &[5; 32])?
            }
            2 => {
                let (literals, distances) = (self.input.take(5)? as usize + 257, self.input.take(5)? as usize + 1);
                let lengths = self.code_lengths(literals + distances)?;
                if lengths[256] == 0 {
                    return Err(corrupt("a block has no end"));
                }
                self.coded(&lengths[..literals], &lengths[literals..])?
            }
            _ => return Err(corrupt("a block has a type that does not exist")),
        });
        Ok(())
    }

    fn coded(&self, literals: &[u8], distances: &[u8]) -> io::Result<Block> {
        match (Code::new(literals, literal_or_length), Code::new(distances, distance)) {
            (Some(literals), Some(distances)) => {
                Ok(Block::Coded { literals: Box::new(literals), distances: Box::new(distances) })
            }
            _ => Err(corrupt("a block has code lengths that fit no code")),
        }
    }

    fn code_lengths(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut first = [0u8; 19];
        let count = self.input.take(4)? as usize + 4;
        for &place in &LENGTHS_ORDER[..count] {
            first[place] = self.input.take(3)? as u8;
        }
        let code = Code::new(&first, plain).ok_or_else(|| corrupt("a block has code lengths that fit no code"))?;
        let mut lengths = Vec::with_capacity(wanted);
        while lengths.len() < wanted {
            self.input.refill()?;
            let (symbol, used) =
                code.decode(self.input.bits()).ok_or_else(|| corrupt("a block has an unknown code"))?;
            self.input.drop_bits(used);
            let (length, times) = match symbol.value {
                16 => {
                    let last = *lengths.last().ok_or_else(|| corrupt("a block repeats a length before the first"))?;
                    (last, 3 + self.input.take(2)?)
                }
                17 => (0, 3 + self.input.take(3)?),
                18 => (0, 11 + self.input.take(7)?),
                length => (length as u8, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times as usize));
        }
        if lengths.len() > wanted {
            return Err(corrupt("a block has too many code lengths"));
        }
        Ok(lengths)
    }

    /// Decodes the current block until its end (true) or until the text is `most` long (false).
    fn decode(&mut self, most: usize) -> io::Result<bool> {
        let Some(block) = self.block.take() else { return Ok(true) };
        match block {
            Block::Stored { mut left } => {
                while left > 0 {
                    if self.text.len() >= most {
                        self.block = Some(Block::Stored { left });
                        return Ok(false);
                    }
                    if self.input.is_at_end()? {
                        return Err(cut_short());
                    }
                    let byte = self.input.drop_bits(8) as u8;
                    self.text.push(byte);
                    left -= 1;
                }
                Ok(true)
            }
            Block::Coded { literals, distances } => {
                let ended = self.decode_coded(&literals, &distances, most)?;
                if !ended {
                    self.block = Some(Block::Coded { literals, distances });
                }
                Ok(ended)
            }
        }
    }

    fn decode_coded(&mut self, literals: &Code, distances: &Code, most: usize) -> io::Result<bool> {
        let unknown = || corrupt("a block has an unknown code");
        while self.text.len() < most {
            self.input.refill()?;
            let (symbol, used) = literals.decode(self.input.bits()).ok_or_else(unknown)?;
            self.input.drop_bits(used);
            match symbol.kind {
                SymbolKind::Literal => {
                    self.text.push(symbol.value as u8);
                    // A second literal fits into the bits at hand, and most tokens are literals.
                    if let Some((next, used)) = literals.decode(self.input.bits())
                        && next.kind == SymbolKind::Literal
                    {
                        self.input.drop_bits(used);
                        self.text.push(next.value as u8);
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
            .text
            .len()
            .checked_sub(distance)
            .ok_or_else(|| corrupt("a match reaches back before the begin of the text"))?;
        if distance >= length {
            self.text.extend_from_within(from..from + length);
        } else if distance == 1 {
            let byte = self.text[from];
            self.text.resize(self.text.len() + length, byte);
        } else {
            for at in from..from + length {
                self.text.push(self.text[at]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    fn sample(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut text = Vec::with_capacity(size);
        while text.len() < size {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = state >> 22;
            match state >> 30 {
                0 => text.extend(state.to_le_bytes()),
                1 => text.extend(std::iter::repeat_n(word as u8, word as usize)),
                _ => text.extend(format!("word {word} ").bytes()),
            }
        }
        text.truncate(size);
        text
    }

    fn deflated(text: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn every_level_inflates_to_the_same_text_and_pieces_resume_alone() {
        let text = sample(3 << 20);
        for level in [0, 1, 6, 9] {
            let stream = deflated(&text, level);
            let mut inflater = Inflater::new(&stream[..]);
            let mut whole = Vec::new();
            while let Some(piece) = inflater.piece(500_000, 8 << 20).expect("valid") {
                assert!(piece.is_whole && piece.is_padded_with_zeros);
                whole.extend_from_slice(piece.new_text());
                let from = &stream[(piece.start / 8) as usize..];
                let mut again =
                    Inflater::resume(from, piece.first_bit, piece.stretch.text[..piece.stretch.history].to_vec())
                        .expect("there");
                let same = again.piece(500_000, 8 << 20).expect("valid").expect("there");
                assert!(same.new_text() == piece.new_text() && same.stored == piece.stored && same.bits == piece.bits);
            }
            assert!(whole == text, "level {level}");
            assert!(inflater.input().is_at_end().expect("read"));
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_error() {
        let stream = deflated(&sample(20_000), 6);
        for cut in 0..stream.len() {
            let mut inflater = Inflater::new(&stream[..cut]);
            let outcome = loop {
                match inflater.piece(4_000, 1 << 20) {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            assert!(outcome.is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn blocks_without_text_come_in_pieces_too() {
        let stored = [0, 0, 0, 0xff, 0xff];
        // Fixed codes and their end of block: ten bits, four of them a whole number of bytes.
        let coded = [0x02, 0x08, 0x20, 0x80, 0x00];
        let long = [&[0, 0, 0x40, 0xff, 0xbf][..], &[7; 0x4000]].concat();
        for (block, times) in [(&stored[..], 100_000), (&coded, 100_000), (&long, 300)] {
            let stream = [block.repeat(times), vec![1, 0, 0, 0xff, 0xff]].concat();
            let mut inflater = Inflater::new(&stream[..]);
            let (mut bits, mut pieces) = (0, 0);
            while let Some(piece) = inflater.piece(1 << 20, 32 << 20).expect("valid") {
                assert!(piece.is_whole && piece.paddings.len() <= 1 << 14);
                assert!(piece.stored.len() < (2 << 20) + (64 << 10), "{} bytes", piece.stored.len());
                bits += piece.bits;
                pieces += 1;
            }
            assert_eq!(bits, 8 * stream.len() as u64);
            assert!(pieces > 3, "{pieces}");
        }
    }

    #[test]
    fn a_bomb_comes_in_pieces() {
        let stream = deflated(&vec![0; 30 << 20], 9);
        let mut inflater = Inflater::new(&stream[..]);
        let mut total = 0;
        while let Some(piece) = inflater.piece(1 << 20, 2 << 20).expect("valid") {
            assert!(piece.new_text().len() <= (2 << 20) + 258);
            total += piece.new_text().len();
        }
        assert_eq!(total, 30 << 20);
    }
}
