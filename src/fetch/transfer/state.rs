//! The state that the connections of a transfer share.

use std::ops::Range;

use super::super::error::{ActualSize, FetchError};
use super::super::response::{Body, HttpResponse};
use super::super::response_head::ResponseInfo;
use super::super::schedule::{Assembly, Connections, RangeSupport};
use crate::progress::Meter;
use crate::release::{Extents, Partial};

/// A range that a server shortens is continued if it brought at least this many bytes; fewer are a broken response.
const SHORTEST_PART: u64 = 1 << 10;

/// How the rest of the file is requested.
///
/// ```text
///  AwaitingHead ──ranges──▶ Parallel ──a further connection is refused──▶ Sequential
///       │                      │                                              │
///       └──no ranges, coded────┴────ranges are refused────────────────────────┴──▶ SingleResponse
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing arrived yet.
    AwaitingHead,
    /// Further connections may join and request ranges.
    Parallel,
    /// Only the first connection requests ranges.
    Sequential,
    /// The response at hand is all there will be.
    SingleResponse,
}

/// The bytes of a transfer, and which connection fetches which of them.
pub(super) struct TransferState<'a> {
    /// The bytes so far.
    pub(super) partial: &'a mut Partial,
    /// Where progress is shown.
    pub(super) meter: &'a dyn Meter,
    /// The file's size, once known.
    pub(super) size: Option<u64>,
    /// The range that each connection still has to fill; empty for one that is idle.
    pub(super) pending: Vec<Range<u64>>,
    /// How the rest is requested.
    pub(super) phase: Phase,
    /// The version that the first response names.
    pub(super) version: Option<String>,
    /// The head of the first response.
    pub(super) head: Option<ResponseInfo>,
    /// Bytes of bodies that arrived.
    pub(super) wire: u64,
    /// Whether the bytes may be of several versions.
    pub(super) assembly: Assembly,
    /// What is known about ranges.
    pub(super) ranges: RangeSupport,
    /// What is known about connections.
    pub(super) connections: Connections,
}

impl TransferState<'_> {
    /// The file's size, else the most that it may have.
    pub(super) fn limit(&self) -> u64 {
        self.size.unwrap_or(self.partial.limit())
    }

    /// Writes the next bytes of a connection's range; `false` once that is full. A body that brings more than the range,
    /// up to `until`, lengthens it by what nobody else fetches.
    pub(super) fn receive(&mut self, number: usize, bytes: &[u8], until: u64) -> Result<bool, FetchError> {
        let missing = |pending: &Range<u64>| pending.end - pending.start;
        if bytes.len() as u64 >= missing(&self.pending[number]) {
            self.lengthen(number, until);
        }
        let start = self.pending[number].start;
        let fits = (bytes.len() as u64).min(missing(&self.pending[number]));
        let end = start + fits;
        // A whole file sent in answer to a range also brings bytes that are present. Those are hashed already.
        for gap in self.partial.gaps(end) {
            let from = gap.start.max(start);
            if from < gap.end {
                self.partial.write_at(from, &bytes[(from - start) as usize..(gap.end - start) as usize])?;
                self.meter.add(gap.end - from);
            }
        }
        self.pending[number].start = end;
        Ok(!self.pending[number].is_empty())
    }

    /// What the end of a body means; `offset` is its place in the file.
    pub(super) fn end_of_body(
        &mut self,
        number: usize,
        response: &HttpResponse<'_>,
        offset: u64,
    ) -> Result<(), FetchError> {
        if self.pending[number].is_empty() {
            return Ok(());
        }
        let goes_on = matches!(self.phase, Phase::Parallel | Phase::Sequential);
        match (self.size, &response.body) {
            // The end of the body is the end of the file: the digest says whether that is so.
            (None, _) => {
                self.pending[number] = 0..0;
                self.size = Some(offset);
                Ok(())
            }
            // The server sends less at a time than was requested, as it said.
            (Some(_), Body::Range(range)) if goes_on && offset == range.end && response.received() >= SHORTEST_PART => {
                self.pending[number] = 0..0;
                Ok(())
            }
            (Some(_), Body::Whole) if response.end_is_certain() => {
                Err(FetchError::wrong_content(&response.info, ActualSize::Exactly(offset), None))
            }
            (Some(size), _) => Err(FetchError::Cut {
                info: Box::new(response.info.clone()),
                received: response.received(),
                cause: format!("it ended at byte {offset} of {size}"),
            }),
        }
    }

    /// Whether the rest takes much longer than the bytes received lately did.
    pub(super) fn is_slow(&self, lately: u64) -> bool {
        const MUCH: u64 = 2;
        self.size.is_none_or(|size| size.saturating_sub(self.partial.length()) > MUCH * lately)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| self.partial.gaps(size).is_empty())
    }

    /// Once no further connection joins, gives the connection what follows its range and nobody fetches: its response
    /// brings that anyway, up to `until`.
    fn lengthen(&mut self, number: usize, until: u64) {
        let (Some(size), Phase::Sequential | Phase::SingleResponse) = (self.size, self.phase) else { return };
        let end = self.pending[number].end;
        let free = self.taken().gaps(size.min(until)).into_iter().find(|gap| gap.start == end);
        self.pending[number].end = free.map_or(end, |gap| gap.end);
    }

    /// The ranges that are present or that a connection fetches.
    fn taken(&self) -> Extents {
        let mut taken = self.partial.held().clone();
        self.pending.iter().for_each(|range| taken.insert(range.clone()));
        taken
    }

    /// A gap that nobody fetches; else the second half of the longest range of a connection, taken from it, if both
    /// halves have at least `shortest` bytes.
    pub(super) fn claim(&mut self, shortest: u64) -> Option<Range<u64>> {
        if let Some(free) = self.taken().gaps(self.size?).into_iter().next() {
            return Some(free);
        }
        let longest = self.pending.iter_mut().max_by_key(|range| range.end - range.start)?;
        let length = longest.end - longest.start;
        if length < 2 * shortest.max(1) {
            return None;
        }
        let middle = longest.start + length / 2;
        let half = middle..longest.end;
        longest.end = middle;
        Some(half)
    }
}
