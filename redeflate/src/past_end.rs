//! What GNU gzip compares beyond the end of its input.
//!
//! Observed on gzip 1.12's output (`gzip_output`): a match may be chosen because it goes on alike behind the input's end. What
//! is there follows from how its buffer of 64 KiB is used: two zeros, then what the buffer had before at the same place,
//! which is the content of 32 KiB earlier, or zeros where nothing was written yet.

use super::chunk::{Context, LOOKAHEAD, WINDOW};
use super::symbols::MAX_MATCH;

/// How many bytes behind the end are cleared when it is found.
const CLEARED: usize = 2;

/// Returns the [`MAX_MATCH`] bytes that lie behind the end of `context`'s content, which is the end of the stream, and the
/// first position from which no match is looked for. `at` is the first of the encoder's positions with less than
/// [`LOOKAHEAD`] bytes ahead: there it asks for more and finds the end.
pub(crate) fn past_end(context: &Context, at: usize) -> (Vec<u8>, usize) {
    let window = WINDOW as u64;
    let mut start = context.window_start(at);
    if context.in_stream(at) - start == 2 * window - LOOKAHEAD as u64 {
        // As full as it was when it moved on before, if one byte of the input had been missing.
        start += window;
    }
    let end = context.content.len();
    let left_over = |position: usize| {
        // Where the buffer moved on, its first half is a copy of the second, which stays as it is.
        let moves = if context.in_stream(position) - start >= window {
            start / window
        } else {
            (start / window).saturating_sub(1)
        };
        let before = position.checked_sub(WINDOW).filter(|_| moves > 0);
        before.and_then(|before| context.content.get(before)).copied().unwrap_or(0)
    };
    let bytes = (end..end + MAX_MATCH).map(|at| if at < end + CLEARED { 0 } else { left_over(at) }).collect();
    let last = start + 2 * window - LOOKAHEAD as u64;
    (bytes, end.saturating_sub(context.in_stream(end).saturating_sub(last + 1) as usize))
}
