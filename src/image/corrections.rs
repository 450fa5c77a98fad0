//! What is needed, besides its text, to write a DEFLATE piece again bit for bit.
//!
//! preflate (<https://github.com/microsoft/preflate-rs>) guesses the compressor, predicts what it would have
//! done and records where it did otherwise. It works on whole streams; so that a long one can be worked on
//! in pieces on all cores, each [`Piece`] is made a stream of its own: the text before it as a stored
//! block, then its blocks from a byte boundary on, the last of them marked final. The content of a stored
//! block lies at a byte boundary in both streams, so the padding before it changes on the way.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use preflate_rs::{PreflateConfig, preflate_whole_deflate_stream, recreate_whole_deflate_stream};

use super::bits::BitWriter;
use super::inflate::WINDOW;
use super::piece::Piece;

/// A piece without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Corrected {
    /// How many bytes of text it has.
    pub(super) text: u64,
    /// In which bit of a byte it begins, 0 to 7.
    pub(super) first_bit: u32,
    /// How many bits it has.
    pub(super) bits: u64,
    /// How its bits are written again.
    pub(super) how: How,
}

/// How the bits of a piece are written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// Predicted from the text.
    Predicted {
        /// preflate's corrections for the stream made of the piece.
        corrections: Vec<u8>,
        /// Where in that stream, in bits from the piece's begin, a block was marked final that is not.
        unmark: Option<u64>,
        /// Where in that stream the padding before the content of a stored block begins, in order.
        stored: Vec<u64>,
    },
    /// They are here as they were, from bit `first_bit` on: the prediction failed or was no gain.
    Verbatim(Vec<u8>),
}

impl Corrected {
    /// Finds the corrections for `piece`, and proves them by writing the piece again.
    pub(super) fn of(piece: &Piece) -> Self {
        let exact = piece.exact_bits();
        let mut corrected = Corrected {
            text: piece.new_text().len() as u64,
            first_bit: piece.first_bit,
            bits: piece.bits,
            how: How::Verbatim(Vec::new()),
        };
        if piece.is_whole
            && piece.is_padded_with_zeros
            && let Some(how) = predict(piece)
        {
            corrected.how = how;
            if corrected.size() < exact.len() as u64
                && corrected.write(&piece.text, piece.history).is_some_and(|again| again == exact)
            {
                return corrected;
            }
        }
        corrected.how = How::Verbatim(exact);
        corrected
    }

    /// The bits of the piece from bit `first_bit` of the first byte on, zeros around them. `text` is the
    /// text before, `history` bytes of it, then the piece's own. `None` where the corrections do not fit.
    pub(super) fn write(&self, text: &[u8], history: usize) -> Option<Vec<u8>> {
        let (corrections, unmark, stored) = match &self.how {
            How::Verbatim(bytes) => return Some(bytes.clone()),
            How::Predicted { corrections, unmark, stored } => (corrections, unmark, stored),
        };
        let stream = quietly(|| recreate_whole_deflate_stream(text, corrections))?.ok()?;
        let mut stream = stream.get(stored_size(history)..)?.to_vec();
        if let Some(bit) = unmark {
            *stream.get_mut(usize::try_from(bit / 8).ok()?)? &= !(1 << (bit % 8));
        }
        let end = u64::from(self.first_bit) + self.bits;
        let mut writer = BitWriter::with_phase(self.first_bit, stream.len() + 8);
        let mut at = 0;
        for &padding in stored {
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

    /// How many bytes it takes to keep, about.
    pub(super) fn size(&self) -> u64 {
        match &self.how {
            How::Predicted { corrections, stored, .. } => (corrections.len() + 4 * stored.len() + 16) as u64,
            How::Verbatim(bytes) => bytes.len() as u64 + 16,
        }
    }
}

thread_local! {
    /// Whether a panic on this thread is caught and means no more than a failed prediction.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// preflate asserts where its input makes no sense; to us that is just another failed prediction, not worth
/// the message that a panic leaves.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                others(info);
            }
        }));
    });
    CAUGHT.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(false);
    outcome.ok()
}

/// The size of a stored block with `history` bytes of text.
fn stored_size(history: usize) -> usize {
    if history == 0 { 0 } else { 5 + history }
}

fn predict(piece: &Piece) -> Option<How> {
    debug_assert!(piece.history <= WINDOW);
    let mut stream = Vec::with_capacity(stored_size(piece.history) + piece.stored.len() + 8);
    if piece.history > 0 {
        let length = piece.history as u16;
        stream.push(0);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend_from_slice(&piece.text[..piece.history]);
    }
    let begin = u64::from(piece.first_bit);
    let mut writer = BitWriter::with_phase(0, piece.stored.len() + 8);
    let (mut at, mut stored, mut mark) = (begin, Vec::new(), 0);
    for padding in piece.paddings.iter().map(|padding| begin + padding).chain([begin + piece.bits]) {
        if (at..padding).contains(&(begin + piece.last_block)) {
            mark = writer.len() + begin + piece.last_block - at;
        }
        writer.copy(&piece.stored, at, padding);
        if padding < begin + piece.bits {
            stored.push(writer.len());
            writer.align();
            at = padding.next_multiple_of(8);
        }
    }
    let mut blocks = writer.finish();
    *blocks.get_mut((mark / 8) as usize)? |= 1 << (mark % 8);
    stream.extend(blocks);
    let config =
        PreflateConfig { plain_text_limit: piece.text.len() + 1, verify_compression: false, ..Default::default() };
    let (found, _) = quietly(|| preflate_whole_deflate_stream(&stream, &config))?.ok()?;
    let unmark = (!piece.is_final).then_some(mark);
    Some(How::Predicted { corrections: found.corrections, unmark, stored })
}
