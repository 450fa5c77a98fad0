//! What is needed, besides its text, to write a DEFLATE piece again bit for bit.
//!
//! Where the compressor is known, that is its name. Where it is not,
//! preflate (<https://github.com/microsoft/preflate-rs>) guesses the compressor, predicts what it would have
//! done and records where it did otherwise. It works on whole streams; so that a long one can be worked on
//! in pieces on all cores, each [`Piece`] is made a stream of its own: the text before it as a stored
//! block, then its blocks from a byte boundary on, the last of them marked final. The content of a stored
//! block lies at a byte boundary in both streams, so the padding before it changes on the way.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Once, OnceLock};

use preflate_rs::{PreflateConfig, preflate_whole_deflate_stream, recreate_whole_deflate_stream};

use super::bits::BitWriter;
use super::compressor::{Circumstances, Compressor};
use super::piece::{Piece, Stretch, WINDOW};

/// A piece without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Corrected {
    /// How many bytes of text it has.
    pub(in crate::image) text: u64,
    /// In which bit of a byte it begins, 0 to 7.
    pub(in crate::image) first_bit: u32,
    /// How many bits it has.
    pub(in crate::image) bits: u64,
    /// How its bits are written again.
    pub(in crate::image) how: How,
}

/// How the bits of a piece are written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) enum How {
    /// By compressing the text again, with the compressor that did it.
    Known(Compressor, Circumstances),
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

/// The compressor of a file's first piece, most likely that of the others too. Where it is none that is known, the
/// others need not be tried with each.
#[derive(Debug, Default)]
pub(in crate::image) struct Likely(OnceLock<Option<Compressor>>);

impl Likely {
    /// The compressor that wrote `piece`. All others wait for the first piece, so that the outcome does not
    /// depend on who is faster.
    fn compressor_of(&self, piece: &Piece, exact: &[u8], is_first: bool) -> Option<How> {
        let is_final = piece.is_final;
        let by = |compressor: Compressor, had_good_match| {
            let circumstances = Circumstances { had_good_match, is_final };
            wrote(compressor, circumstances, piece, exact).then_some(How::Known(compressor, circumstances))
        };
        let by_any = || Compressor::all().find_map(|compressor| by(compressor, false));
        if is_first {
            let found = quietly(by_any).flatten();
            let compressor = match found {
                Some(How::Known(compressor, _)) => Some(compressor),
                _ => None,
            };
            self.0.get_or_init(|| compressor);
            return found;
        }
        let compressor = (*self.0.wait())?;
        by(compressor, false).or_else(|| by(compressor, true)).or_else(by_any)
    }
}

/// Whether the compressor writes exactly these bytes; it is stopped at the first block that differs.
fn wrote(compressor: Compressor, circumstances: Circumstances, piece: &Piece, exact: &[u8]) -> bool {
    let mut same = 0;
    let goes_well = |written: &[u8]| {
        let from = std::mem::replace(&mut same, written.len());
        exact.get(from..written.len()) == Some(&written[from..])
    };
    compressor.write(&piece.stretch, circumstances, piece.first_bit, goes_well).is_some_and(|again| again == exact)
}

impl Corrected {
    /// Finds how `piece` is written again, and proves it by writing the piece again. `is_first` says that it is
    /// the first of its file; `likely` is the file's.
    pub(in crate::image) fn of(piece: &Piece, is_first: bool, likely: &Likely) -> Self {
        let exact = piece.exact_bits();
        let mut corrected = Corrected {
            text: piece.new_text().len() as u64,
            first_bit: piece.first_bit,
            bits: piece.bits,
            how: How::Verbatim(Vec::new()),
        };
        if let Some(how) = likely.compressor_of(piece, &exact, is_first) {
            corrected.how = how;
            return corrected;
        }
        if piece.is_whole
            && piece.is_padded_with_zeros
            && let Some(how) = predict(piece)
        {
            corrected.how = how;
            if corrected.size() < exact.len() as u64
                && corrected.write(&piece.stretch).is_some_and(|again| again == exact)
            {
                return corrected;
            }
        }
        corrected.how = How::Verbatim(exact);
        corrected
    }

    /// The bits of the piece from bit `first_bit` of the first byte on, zeros around them. `None` where the
    /// text is not the one they were found for.
    pub(in crate::image) fn write(&self, stretch: &Stretch) -> Option<Vec<u8>> {
        let (corrections, unmark, stored) = match &self.how {
            How::Verbatim(bytes) => return Some(bytes.clone()),
            How::Known(compressor, circumstances) => {
                let bytes = compressor.write(stretch, *circumstances, self.first_bit, |_| true)?;
                let expected = (u64::from(self.first_bit) + self.bits).div_ceil(8);
                return (bytes.len() as u64 == expected).then_some(bytes);
            }
            How::Predicted { corrections, unmark, stored } => (corrections, unmark, stored),
        };
        let stream = quietly(|| recreate_whole_deflate_stream(stretch.text_so_far(), corrections))?.ok()?;
        let mut stream = stream.get(stored_size(stretch.history)..)?.to_vec();
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
    pub(in crate::image) fn size(&self) -> u64 {
        match &self.how {
            How::Predicted { corrections, stored, .. } => (corrections.len() + 4 * stored.len() + 16) as u64,
            How::Verbatim(bytes) => bytes.len() as u64 + 16,
            How::Known(..) => 16,
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
    debug_assert!(piece.stretch.history <= WINDOW);
    let mut stream = Vec::with_capacity(stored_size(piece.stretch.history) + piece.stored.len() + 8);
    if piece.stretch.history > 0 {
        let length = piece.stretch.history as u16;
        stream.push(0);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend_from_slice(&piece.stretch.text[..piece.stretch.history]);
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
    let config = PreflateConfig {
        plain_text_limit: piece.stretch.text_so_far().len() + 1,
        verify_compression: false,
        ..Default::default()
    };
    let (found, _) = quietly(|| preflate_whole_deflate_stream(&stream, &config))?.ok()?;
    let unmark = (!piece.is_final).then_some(mark);
    Some(How::Predicted { corrections: found.corrections, unmark, stored })
}
