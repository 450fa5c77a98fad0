//! DEFLATE streams (RFC 1951) taken apart and written again, bit for bit.
//!
//! ```text
//! stream ─Inflater─▶ pieces: whole blocks, their text ─Corrected::of─▶ how to write them again from the text
//!                                                 text ─Corrected::write─▶ the same bits
//! ```
//!
//! Most streams come from gzip or zlib, whose every decision is known ([`Compressor`]): to write a piece again,
//! the same decisions are taken again. What other compressors wrote is predicted and corrected.

mod bit_reader;
mod bits;
mod block;
mod compressor;
mod corrections;
mod huffman;
mod inflate;
mod matches;
mod piece;
mod tree;

pub(in crate::image) use bit_reader::cut_short;
pub(in crate::image) use compressor::{Circumstances, Compressor};
pub(in crate::image) use corrections::{Corrected, How, Likely};
pub(in crate::image) use inflate::Inflater;
pub(in crate::image) use piece::{AHEAD, LONGEST_PIECE, Piece, Stretch, WINDOW};
