//! What it takes, besides its content, to write a chunk again bit for bit.
//!
//! For a known encoder that is its name. For others preflate (<https://github.com/microsoft/preflate-rs>) estimates the
//! encoder's parameters, predicts its decisions and records where it decided otherwise. preflate works on whole streams.
//! To use it on all cores, each [`Chunk`] is made a stream of its own: the content before it as a stored block, then its
//! blocks from a byte boundary on, the last of them marked final. A stored block's content starts at a byte boundary in
//! both streams, so the length of the padding before it differs between them.

use std::sync::OnceLock;

use preflate_rs::{PreflateConfig, TokenPredictorParameters, preflate_whole_deflate_stream};

use super::bit_writer::BitWriter;
use super::caught_panic::caught;
use super::chunk::{Chunk, Context, WINDOW};
use super::confined;
use super::encoder::{Encoder, EncoderState};

/// How to write a chunk again from its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconstruction {
    /// The size of the chunk's content, in bytes.
    pub content_size: u64,
    /// The bit of its first byte in which the chunk starts, 0 to 7.
    pub first_bit: u32,
    /// How many bits it has.
    pub bits: u64,
    /// Where they come from.
    pub method: Method,
}

/// Where the bits of a chunk come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// A known encoder writes them.
    Encoded(Encoder, EncoderState),
    /// preflate predicts them from the content.
    Predicted {
        /// preflate's corrections for the stream made of the chunk.
        corrections: Vec<u8>,
        /// The bit of that stream that marks the last block final where the chunk does not, counted from the start of the
        /// chunk's blocks in it.
        unmark: Option<u64>,
        /// Where in that stream the padding of each stored block starts, counted as `unmark`, in order.
        paddings: Vec<u64>,
    },
    /// They are kept as they are, from bit `first_bit` on: prediction failed or takes as many bytes.
    Verbatim(Vec<u8>),
}

/// The encoder of a file's first chunk, which most likely wrote the others too. If it is not a known one, the others are
/// not tried with each known encoder.
#[derive(Debug, Default)]
pub struct EncoderGuess(OnceLock<Option<Encoder>>);

impl EncoderGuess {
    /// Returns the encoder that wrote `chunk`. Blocks until the file's first chunk is done, so that the result does not
    /// depend on which thread is faster.
    fn encoder_of(&self, chunk: &Chunk, exact: &[u8], is_first: bool) -> Option<(Encoder, EncoderState)> {
        let by = |encoder: Encoder, had_good_match| {
            let state = EncoderState { had_good_match, is_final: chunk.is_final };
            is_written_by(encoder, state, chunk, exact).then_some((encoder, state))
        };
        let may_be = |encoder: &Encoder| chunk.is_final || !encoder.differs_only_at_end();
        let by_any = || Encoder::all().filter(may_be).find_map(|encoder| by(encoder, false));
        if is_first {
            let found = caught(by_any).flatten();
            self.0.get_or_init(|| found.map(|(encoder, _)| encoder));
            return found;
        }
        let encoder = (*self.0.wait())?;
        by(encoder, false).or_else(|| by(encoder, true)).or_else(by_any)
    }
}

/// Returns whether the encoder writes exactly these bytes; stops it at the first block that differs.
fn is_written_by(encoder: Encoder, state: EncoderState, chunk: &Chunk, exact: &[u8]) -> bool {
    let mut compared = 0;
    let is_same = |written: &[u8]| {
        let from = std::mem::replace(&mut compared, written.len());
        exact.get(from..written.len()) == Some(&written[from..])
    };
    encoder.write(&chunk.context, state, chunk.first_bit, is_same).is_some_and(|again| again == exact)
}

impl Reconstruction {
    /// Finds how to write `chunk` again, and proves it by doing so. `guess` is the file's; `is_first` says that the chunk is
    /// the file's first. The others block until that one is done, so it must be worked on before or at the same time.
    #[inline(never)] // what a caller takes in is compiled as the caller is
    pub fn of(chunk: &Chunk, is_first: bool, guess: &EncoderGuess) -> Self {
        let exact = chunk.exact_bits();
        let mut found = Reconstruction {
            content_size: chunk.content().len() as u64,
            first_bit: chunk.first_bit,
            bits: chunk.bits,
            method: Method::Verbatim(Vec::new()),
        };
        if let Some((encoder, state)) = guess.encoder_of(chunk, &exact, is_first) {
            found.method = Method::Encoded(encoder, state);
            return found;
        }
        if chunk.is_whole
            && chunk.is_padded_with_zeros
            && let Some(method) = predict(chunk)
        {
            found.method = method;
            if found.size() < exact.len() as u64
                && found
                    .write_with(&chunk.context, confined::followed) // corrections of our own
                    .is_some_and(|again| again == exact)
            {
                return found;
            }
        }
        found.method = Method::Verbatim(exact);
        found
    }

    /// Returns the bits of the chunk from bit `first_bit` of the first byte on, with zeros around them. `None` if the
    /// content is not the one that it was found for; not each wrong content is noticed.
    #[inline(never)] // as above
    pub fn write(&self, context: &Context) -> Option<Vec<u8>> {
        let most = stored_size(context.history) as u64 + self.bits.div_ceil(8) + 5 * self.stored_blocks() + 16;
        self.write_with(context, |content, corrections| confined::recreate(content, corrections, most))
    }

    /// How many stored blocks have their padding written down.
    fn stored_blocks(&self) -> u64 {
        match &self.method {
            Method::Predicted { paddings, .. } => paddings.len() as u64,
            Method::Verbatim(_) | Method::Encoded(..) => 0,
        }
    }

    fn write_with(&self, context: &Context, recreate: impl FnOnce(&[u8], &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let (corrections, unmark, paddings) = match &self.method {
            Method::Verbatim(bytes) => return Some(bytes.clone()),
            Method::Encoded(encoder, state) => {
                let bytes = encoder.write(context, *state, self.first_bit, |_| true)?;
                let expected = (u64::from(self.first_bit) + self.bits).div_ceil(8);
                return (bytes.len() as u64 == expected).then_some(bytes);
            }
            Method::Predicted { corrections, unmark, paddings } => (corrections, unmark, paddings),
        };
        if !are_bounded(corrections) {
            return None;
        }
        let stream = recreate(context.up_to_end(), corrections)?;
        let mut stream = stream.get(stored_size(context.history)..)?.to_vec();
        if let Some(bit) = unmark {
            *stream.get_mut(usize::try_from(bit / 8).ok()?)? &= !(1 << (bit % 8));
        }
        let end = u64::from(self.first_bit) + self.bits;
        let mut writer = BitWriter::with_phase(self.first_bit, stream.len() + 8);
        let mut at = 0;
        for &padding in paddings {
            writer.copy(&stream, at, padding.max(at).min(8 * stream.len() as u64));
            writer.align();
            at = padding.checked_next_multiple_of(8)?;
        }
        let rest = end.checked_sub(writer.len())?;
        if rest > 8 * stream.len() as u64 {
            return None;
        }
        writer.copy(&stream, at, at + rest);
        Some(writer.finish())
    }

    /// Returns about how many bytes it takes in a recipe.
    pub fn size(&self) -> u64 {
        match &self.method {
            Method::Predicted { corrections, paddings, .. } => (corrections.len() + 4 * paddings.len() + 16) as u64,
            Method::Verbatim(bytes) => bytes.len() as u64 + 16,
            Method::Encoded(..) => 16,
        }
    }
}

/// Whether corrections have parameters with which preflate comes to an end: with blocks of no tokens it never does, and a
/// compressor that looks for longer matches than there are, or for more of them than zlib, takes hours for a chunk.
fn are_bounded(corrections: &[u8]) -> bool {
    const LONGEST_MATCH: u32 = 258;
    const MOST_TRIED: u32 = 4_096;
    // What preflate makes its own corrections of.
    let decoded = bitcode::decode::<(TokenPredictorParameters, Vec<u8>)>(corrections);
    decoded.is_ok_and(|(parameters, _)| {
        parameters.max_token_count > 0
            && parameters.nice_length <= LONGEST_MATCH
            && parameters.max_chain <= MOST_TRIED
            && parameters.window_bits <= 15
    })
}

/// The size in bytes of a stored block of `history` bytes, and of none for 0.
fn stored_size(history: usize) -> usize {
    if history == 0 { 0 } else { 5 + history }
}

/// Makes a stream of its own of `chunk` and lets preflate predict it.
fn predict(chunk: &Chunk) -> Option<Method> {
    let context = &chunk.context;
    debug_assert!(context.history <= WINDOW);
    let mut stream = Vec::with_capacity(stored_size(context.history) + chunk.stored.len() + 8);
    if context.history > 0 {
        let length = context.history as u16;
        stream.push(0);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend_from_slice(context.before());
    }
    let start = u64::from(chunk.first_bit);
    let end = start + chunk.bits;
    let mut writer = BitWriter::with_phase(0, chunk.stored.len() + 8);
    let (mut at, mut paddings, mut mark) = (start, Vec::new(), 0);
    for padding in chunk.paddings.iter().map(|padding| start + padding).chain([end]) {
        let last_block = start + chunk.last_block;
        if (at..padding).contains(&last_block) {
            mark = writer.len() + last_block - at;
        }
        writer.copy(&chunk.stored, at, padding);
        if padding < end {
            paddings.push(writer.len());
            writer.align();
            at = padding.next_multiple_of(8);
        }
    }
    let mut blocks = writer.finish();
    *blocks.get_mut((mark / 8) as usize)? |= 1 << (mark % 8);
    stream.extend(blocks);
    let config = PreflateConfig {
        plain_text_limit: context.up_to_end().len() + 1,
        verify_compression: false,
        ..Default::default()
    };
    let (found, _) = caught(|| preflate_whole_deflate_stream(&stream, &config))?.ok()?;
    let unmark = (!chunk.is_final).then_some(mark);
    Some(Method::Predicted { corrections: found.corrections, unmark, paddings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_with_which_a_block_makes_no_progress_are_refused() {
        // Blocks of no tokens: found by a fuzzer, in a recipe of 157 bytes that never came to an end.
        let mut corrections = vec![0, 0, 4, 0x0e, 0, 2, 2, 1, 2, 0x58];
        corrections.resize(33, 0);
        assert!(!are_bounded(&corrections));
        let content = vec![b'x'; 17_920];
        let context = Context { content, history: 0, own: 17_920, offset: 0 };
        let method = Method::Predicted { corrections, unmark: None, paddings: Vec::new() };
        assert_eq!(Reconstruction { content_size: 17_920, first_bit: 0, bits: 81_913, method }.write(&context), None);
    }
}
