//! One try of one source: over one connection, or over several if it takes long.
//!
//! Every connection has a range of the file that it fills from the left. The first takes the first gap. Others join
//! after [`Options::spread_after`], if the server supports ranges and does not send the rest in about that time, for
//! bytes out of order are read again to be hashed: each takes a gap of its own, else the second half of the longest
//! range of another connection. A connection that fails leaves its rest to the others; the try fails when none is
//! left. All connections of an artifact run on one thread, so its bytes are hashed as one stream in any order.
//!
//! What a server says about versions (`ETag`) stops nothing: several servers behind one name have several tags for the
//! same bytes. No request is conditional, and the pinned digest decides. Only a connection that joins is turned away if
//! its tag differs, for the first one can fetch the rest. If the digest is wrong and the bytes are of several responses
//! that may be of different versions, the file is fetched again over one connection.

mod state;

use std::cell::RefCell;
use std::ops::Range;

use futures_util::stream::{FuturesUnordered, StreamExt};
use url::Url;

use self::state::{Phase, TransferState};
use super::error::{ActualSize, FetchError, Requested, RetryDecision};
use super::http::{Http, Link, Request};
use super::options::Options;
use super::response::{Body, HttpResponse};
use super::response_head::ResponseInfo;
use super::schedule::{Assembly, Connections, RangeSupport, Try};
use crate::digest::Digest;
use crate::progress::Meter;
use crate::release::{Origin, Partial};

/// What a transfer came to.
pub(super) struct TransferReport {
    /// Bytes of bodies that arrived over the network.
    pub(super) wire: u64,
    /// Whether the bytes may be of several versions.
    pub(super) assembly: Assembly,
    /// What is now known about ranges.
    pub(super) ranges: RangeSupport,
    /// What is now known about connections.
    pub(super) connections: Connections,
    /// The head of the first response.
    pub(super) head: Option<ResponseInfo>,
    /// `Ok` says that the server sent all it has, not that the digest is right.
    pub(super) result: Result<(), FetchError>,
}

/// A try under way.
pub(super) struct Transfer<'a> {
    http: &'a Http,
    options: &'a Options,
    this: &'a Try,
    /// The URL with what the bypass adds to it.
    url: Url,
    state: RefCell<TransferState<'a>>,
}

impl<'a> Transfer<'a> {
    /// A try that adds to `partial`, of a file of `size` bytes if that is pinned.
    pub(super) fn new(
        http: &'a Http,
        this: &'a Try,
        partial: &'a mut Partial,
        size: Option<u64>,
        meter: &'a dyn Meter,
    ) -> Self {
        let options = http.options();
        let assembly = if partial.length() == 0 { Assembly::OneVersion } else { Assembly::Mixed };
        let state = TransferState {
            partial,
            meter,
            size,
            pending: vec![0..0; options.connections.max(1)],
            phase: Phase::AwaitingHead,
            version: None,
            head: None,
            wire: 0,
            assembly,
            ranges: RangeSupport::Unknown,
            connections: Connections::Several,
        };
        Transfer { http, options, this, url: this.bypass.url(&this.url), state: RefCell::new(state) }
    }

    /// Runs it.
    pub(super) async fn run(self) -> TransferReport {
        let result = self.run_connections().await;
        let TransferState { partial, wire, assembly, ranges, connections, head, .. } = self.state.into_inner();
        let flushed = partial.flush().map_err(FetchError::from);
        TransferReport { wire, assembly, ranges, connections, head, result: result.and(flushed) }
    }

    async fn run_connections(&self) -> Result<(), FetchError> {
        let count = self.state.borrow().pending.len();
        let mut running: FuturesUnordered<_> = (0..count).map(|number| self.connection(number)).collect();
        let mut worst: Option<FetchError> = None;
        while let Some((number, result)) = running.next().await {
            let is_final =
                |error: &FetchError| matches!(error.decision(), RetryDecision::Abort | RetryDecision::BypassCaches);
            let error = match result {
                Err(error) if is_final(&error) => return Err(error),
                other => other.err(),
            };
            let state = self.state.borrow();
            if state.is_complete() {
                return Ok(());
            }
            // A Retry-After counts most, then how the first connection ended: its request is the one that every other
            // try will repeat.
            let waits = |error: &FetchError| matches!(error.decision(), RetryDecision::RetryAfter(Some(_)));
            worst = match (worst, error) {
                (Some(old), Some(new)) if !waits(&old) && (number == 0 || waits(&new)) => Some(new),
                (old, new) => old.or(new),
            };
            if state.pending.iter().all(Range::is_empty) {
                break;
            }
        }
        worst.map_or(Ok(()), Err)
    }

    async fn connection(&self, number: usize) -> (usize, Result<(), FetchError>) {
        let result = if number == 0 { self.first_connection().await } else { self.joining_connection(number).await };
        let state = &mut *self.state.borrow_mut();
        state.pending[number] = 0..0;
        if let Some(error) = result.as_ref().err().filter(|error| error.is_refused_range()) {
            // A server that sends Retry-After, or has no ranges, gets no further range request.
            let is_only_busy =
                matches!(error, FetchError::Status { .. }) && error.decision() == RetryDecision::RetryAfter(None);
            state.phase = match state.phase {
                Phase::Parallel | Phase::Sequential if is_only_busy => Phase::Sequential,
                _ => Phase::SingleResponse,
            };
            if number > 0 {
                state.connections = Connections::One;
            }
        }
        (number, result)
    }

    async fn first_connection(&self) -> Result<(), FetchError> {
        let request = {
            let state = &mut *self.state.borrow_mut();
            let limit = state.limit();
            let Some(gap) = state.partial.gaps(limit).into_iter().next() else { return Ok(()) };
            state.pending[0] = gap.clone();
            let to = Some(gap.end).filter(|end| *end < limit);
            let is_whole = gap.start == 0 && to.is_none();
            let may_request_range = self.this.ranges != RangeSupport::Unusable;
            Request {
                range: (may_request_range && !is_whole).then_some((gap.start, to)),
                bypass: self.this.bypass,
                ..Request::default()
            }
        };
        let mut response = self.http.get(&self.url, &request).await?;
        self.take_head(&response)?;
        if response.has_body().await? {
            self.start(&response)?;
        }
        self.receive(0, &mut response).await?;
        drop(response);
        self.further_ranges(0).await
    }

    /// Checks what the first response says about the file as a whole.
    fn take_head(&self, response: &HttpResponse<'_>) -> Result<(), FetchError> {
        let state = &mut *self.state.borrow_mut();
        state.head = Some(response.info.clone());
        let wrong = |total| FetchError::wrong_content(&response.info, ActualSize::Exactly(total), None);
        // Accepted (202) is the answer of a server that has no file yet, but some say it of one that they have.
        if response.info.status == 202 && (state.size.is_none() || state.size != response.total) {
            return Err(FetchError::Status { info: Box::new(response.info.clone()), requested: Requested::Whole });
        }
        if let (Some(size), Some(total)) = (state.size, response.total)
            && size != total
        {
            return Err(wrong(total));
        }
        if response.body == Body::Whole {
            // The bytes present are passed over: they are not given up for a head alone.
            state.pending[0].end = state.limit();
        }
        if let (None, Some(total)) = (state.size, response.total) {
            if total > state.partial.limit() {
                return Err(wrong(total));
            }
            // The size in the head of a coded response is that of the coded bytes; there, only the digest decides.
            if !response.is_coded() {
                state.size = Some(total);
                state.meter.expect(total);
                state.pending[0].end = state.pending[0].end.min(total).max(state.pending[0].start);
            }
        }
        Ok(())
    }

    /// The first body starts to arrive: decides how the rest is requested.
    fn start(&self, response: &HttpResponse<'_>) -> Result<(), FetchError> {
        let state = &mut *self.state.borrow_mut();
        state.version = response.version();
        // Written first, the journal has its place on the disk even if that fills up.
        let url = Digest::of(self.this.url.as_str().as_bytes());
        state.partial.set_origin(Origin { url, validator: state.version.clone() })?;
        let has_ranges = !response.is_coded()
            && state.size.is_some()
            && response.supports_ranges()
            && self.this.ranges != RangeSupport::Unusable;
        state.phase = match (has_ranges, self.this.connections) {
            (true, Connections::Several) => Phase::Parallel,
            (true, Connections::One) => Phase::Sequential,
            (false, _) => Phase::SingleResponse,
        };
        if matches!(response.body, Body::Range(_)) {
            state.ranges = RangeSupport::Proved;
        }
        Ok(())
    }

    async fn joining_connection(&self, number: usize) -> Result<(), FetchError> {
        loop {
            let before = self.state.borrow().wire;
            tokio::time::sleep(self.options.spread_after).await;
            let state = self.state.borrow();
            match state.phase {
                Phase::Parallel if state.is_slow(state.wire - before) => break,
                Phase::Parallel | Phase::AwaitingHead => {}
                Phase::Sequential | Phase::SingleResponse => return Ok(()),
            }
        }
        let _permit = self.http.extra_connection().await;
        self.further_ranges(number).await
    }

    /// Requests gaps, or halves of other connections' ranges, until there are no more.
    async fn further_ranges(&self, number: usize) -> Result<(), FetchError> {
        loop {
            let request = {
                let state = &mut *self.state.borrow_mut();
                match state.phase {
                    Phase::Parallel => {}
                    Phase::Sequential if number == 0 => {}
                    _ => return Ok(()),
                }
                let Some(range) = state.claim(self.options.range_bytes) else { return Ok(()) };
                state.pending[number] = range.clone();
                Request {
                    range: Some((range.start, Some(range.end))),
                    bypass: self.this.bypass,
                    link: Link::Separate,
                    ..Request::default()
                }
            };
            let mut response = self.http.get(&self.url, &request).await?;
            {
                let state = &mut *self.state.borrow_mut();
                let is_of_another = response.total.is_some_and(|total| Some(total) != state.size);
                if response.body.start() != state.pending[number].start || is_of_another {
                    // The file changed, or one server of several has no ranges: the first connection goes on alone.
                    return Err(FetchError::WrongRange(Box::new(response.info)));
                }
                let is_other_version = state.version != response.version();
                if is_other_version && number > 0 && state.version.is_some() && response.version().is_some() {
                    // Nothing is lost by leaving the rest to the first connection.
                    return Err(FetchError::WrongRange(Box::new(response.info)));
                }
                if is_other_version {
                    state.assembly = Assembly::Mixed;
                }
                state.ranges = RangeSupport::Proved;
            }
            self.receive(number, &mut response).await?;
        }
    }

    /// Writes the body to the partial until the connection's range is full.
    async fn receive(&self, number: usize, response: &mut HttpResponse<'_>) -> Result<(), FetchError> {
        let mut offset = response.body.start();
        let until = response.body.end().unwrap_or(u64::MAX);
        loop {
            let chunk = match response.chunk().await {
                // All bytes are there: how the connection ends does not matter.
                Err(_) if self.state.borrow().is_complete() => return Ok(()),
                other => other?,
            };
            let Some(chunk) = chunk else { break };
            let state = &mut *self.state.borrow_mut();
            state.wire += chunk.len() as u64;
            // What lies before the connection's range is present.
            let present = state.pending[number].start.saturating_sub(offset).min(chunk.len() as u64);
            let bytes = &chunk[present as usize..];
            offset += chunk.len() as u64;
            if state.receive(number, bytes, until)? {
                continue;
            }
            let end = state.pending[number].start;
            let is_at_end = end >= state.limit();
            if is_at_end && offset > end {
                return Err(FetchError::wrong_content(&response.info, ActualSize::MoreThan(end), None));
            }
            if !is_at_end || response.total.is_some() {
                return Ok(());
            }
        }
        self.state.borrow_mut().end_of_body(number, response, offset)
    }
}
