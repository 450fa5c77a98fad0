//! DEFLATE streams (RFC 1951) split into chunks, and each chunk written again bit for bit from its decompressed content.
//!
//! ```text
//! stream ──Inflater──▶ Chunk: whole blocks and their content ──Reconstruction::of──▶ how to write them again
//!                                           content + Reconstruction ──write──▶ the same bits
//! ```
//!
//! Most streams come from GNU gzip or zlib, whose decisions [`Encoder`] repeats: such a chunk needs only the encoder's
//! name. What other encoders wrote is predicted and corrected with preflate, or kept as it is.
//!
//! # Where the decisions come from
//!
//! | what | from | where |
//! | --- | --- | --- |
//! | the format: symbols, code lengths, bit order | RFC 1951 | `symbols`, `inflate`, `bit_reader`, `bit_writer` |
//! | decoding tables, and the walk for long codes | zlib's `contrib/puff/puff.c`; the direct table is ours | `decode_table` |
//! | lazy matching and its levels, chains of equal hashes | zlib's `deflate.c` and `doc/algorithm.txt` | `encoder`, `match_finder` |
//! | Huffman trees, size estimates, the choice of a block's form | zlib's `trees.c` | `huffman_tree`, `code_header`, `block_writer` |
//! | after how many tokens zlib ends a block | zlib's `deflate.c` | `block_end` |
//! | how GNU gzip differs: where it ends a block | gzip's output; the form of the rule is zlib 1.2.11's | `block_end` |
//! | how GNU gzip differs: what it compares behind its input's end | gzip's output | `past_end` |
//!
//! This is not a clean-room implementation. The files that follow zlib are altered versions of its source in another
//! language, under its licence: see `NOTICE`. GNU gzip and zlib share an author and most decisions; what gzip decides
//! differently is a matter of two numbers and of the end of its input, which its output shows and tests compare with the
//! installed gzip.
//!
//! Panics of preflate are caught, and mean that a prediction failed; see [`silence_caught_panics`]. What it takes to follow a
//! stranger's corrections is bounded by a process of its own; see [`confine`].

mod bit_reader;
mod bit_writer;
mod block_end;
mod block_writer;
mod caught_panic;
mod chunk;
mod code_header;
mod confined;
mod decode_table;
mod encoder;
#[cfg(test)]
mod gzip_output;
mod huffman_tree;
mod inflate;
mod match_finder;
mod past_end;
mod reconstruction;
mod symbols;

pub use bit_reader::truncated;
pub use caught_panic::silence_caught_panics;
pub use chunk::{Chunk, Context, LOOKAHEAD, MAX_CHUNK, WINDOW};
pub use confined::{confine, serve};
pub use encoder::{Encoder, EncoderState};
pub use inflate::Inflater;
pub use reconstruction::{EncoderGuess, Method, Reconstruction};
