//! One attempt at one source: over one connection, or over several when it goes on for long.
//!
//! Every connection is a *lane*: a range of the file that it fills from the left. The first lane takes
//! the first gap. Others join after [`Options::spread_after`], where the server takes ranges and does not send all
//! of it in about that time anyway, for what comes out of order is read again to be hashed: each takes a
//! gap of its own, else the second half of the lane with the most before it. A lane that fails leaves
//! its rest to the others; the attempt fails when none is left. Where the server refuses a lane, no further
//! one joins, and the first goes on past what it had left to that one. All lanes of an artifact run on one
//! thread, so its bytes are hashed as one stream whatever order they come in.

use std::cell::RefCell;
use std::ops::Range;

use futures_util::stream::{FuturesUnordered, StreamExt};
use url::Url;

use super::answer::Answer;
use super::fault::{Came, Fault, Verdict, Wrong};
use super::http::{Ask, Http};
use super::options::Options;
use super::retry::{Tally, Turn};
use super::seen::Seen;
use crate::digest::Digest;
use crate::progress::Meter;
use crate::release::{Extents, Origin, Partial};

/// An attempt under way.
pub(super) struct Attempt<'a> {
    http: &'a Http,
    options: &'a Options,
    turn: &'a Turn,
    /// The URL with what the rung adds to it.
    url: Url,
    state: RefCell<State<'a>>,
}

struct State<'a> {
    partial: &'a mut Partial,
    meter: &'a dyn Meter,
    /// The file's size, once known.
    size: Option<u64>,
    /// What each lane has before it; empty for one that is idle.
    lanes: Vec<Range<u64>>,
    /// Whether more lanes may join; `None` until the first answer.
    joinable: Option<bool>,
    /// Whether a lane that is done may ask for another range.
    further: bool,
    validator: Option<String>,
    /// Who answered, for the error if the digest is wrong.
    seen: Option<Seen>,
    tally: Tally,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        http: &'a Http,
        turn: &'a Turn,
        partial: &'a mut Partial,
        size: Option<u64>,
        meter: &'a dyn Meter,
    ) -> Self {
        let options = http.options();
        let lanes = vec![0..0; options.connections.max(1)];
        let alone = partial.length() == 0;
        let tally = Tally { alone, ..Tally::default() };
        let (joinable, further) = (None, false);
        let state = State { partial, meter, size, lanes, joinable, further, validator: None, seen: None, tally };
        Attempt { http, options, turn, url: turn.rung.url(&turn.url), state: RefCell::new(state) }
    }

    /// Runs it. `Ok` says that the server sent all it has, not that the digest is right.
    pub(super) async fn run(self) -> (Tally, Option<Seen>, Result<(), Fault>) {
        let result = self.run_lanes().await;
        let state = self.state.into_inner();
        let paused = state.partial.flush().map_err(Fault::from);
        (state.tally, state.seen, result.and(paused))
    }

    async fn run_lanes(&self) -> Result<(), Fault> {
        let count = self.state.borrow().lanes.len();
        let mut lanes: FuturesUnordered<_> = (0..count).map(|lane| self.lane(lane)).collect();
        let mut worst: Option<Fault> = None;
        while let Some((lane, end)) = lanes.next().await {
            let fault = end.err();
            if fault.as_ref().is_some_and(|fault| matches!(fault.verdict(), Verdict::Over | Verdict::Stale)) {
                return fault.map_or(Ok(()), Err);
            }
            let state = self.state.borrow();
            if state.is_complete() {
                return Ok(());
            }
            // A wait that is asked for counts most, then how the first lane ended: it asked for what any other
            // attempt will ask for.
            let waits = |fault: &Fault| matches!(fault.verdict(), Verdict::Transient(Some(_)));
            worst = match (worst, fault) {
                (Some(old), Some(new)) if !waits(&old) && (lane == 0 || waits(&new)) => Some(new),
                (old, new) => old.or(new),
            };
            if state.lanes.iter().all(Range::is_empty) {
                break;
            }
        }
        worst.map_or(Ok(()), Err)
    }

    async fn lane(&self, lane: usize) -> (usize, Result<(), Fault>) {
        let result = if lane == 0 { self.first_lane().await } else { self.joining_lane(lane).await };
        let state = &mut *self.state.borrow_mut();
        state.lanes[lane] = 0..0;
        let refusal = result.as_ref().err().filter(|fault| fault.is_refused_range());
        if let Some(fault) = refusal {
            state.joinable = Some(false);
            // Who asks for patience, or has no ranges at all, is not asked for one by the first lane either.
            state.further &= matches!(fault, Fault::Status { .. }) && fault.verdict() == Verdict::Transient(None);
            state.tally.crowded |= lane > 0;
        }
        (lane, result)
    }

    async fn first_lane(&self) -> Result<(), Fault> {
        let ask = {
            let state = &mut *self.state.borrow_mut();
            let limit = state.size.unwrap_or(state.partial.limit());
            let gaps = state.partial.gaps(limit);
            // What is there is not given up for the asking.
            let first = if self.turn.whole_only { Some(0..limit) } else { gaps.into_iter().next() };
            let Some(gap) = first else { return Ok(()) };
            state.lanes[0] = gap.clone();
            let to = Some(gap.end).filter(|end| *end < limit);
            let whole = gap.start == 0 && to.is_none();
            let known = state.partial.origin().filter(|origin| origin.url == self.origin(None).url);
            Ask {
                range: (!whole).then_some((gap.start, to)),
                if_range: known.and_then(|origin| origin.validator.clone()),
                past_caches: self.turn.rung.is_past_caches(),
                apart: false,
            }
        };
        let mut answer = self.http.get(&self.url, &ask).await?;
        self.take_head(&mut answer)?;
        if answer.begins().await? {
            self.begin(&answer)?;
        }
        let until = match ask.range {
            Some((_, to)) if answer.seen.status == 206 => to.unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        self.pour(0, &mut answer, until).await?;
        drop(answer);
        self.further_ranges(0).await
    }

    /// What the first answer's head says about the file as a whole.
    fn take_head(&self, answer: &mut Answer<'_>) -> Result<(), Fault> {
        let state = &mut *self.state.borrow_mut();
        state.seen = Some(answer.seen.clone());
        if let (Some(size), Some(total)) = (state.size, answer.total)
            && size != total
        {
            return Err(wrong(answer, Came::All(total)));
        }
        if answer.seen.status == 200 {
            state.lanes[0] = 0..state.size.unwrap_or(state.partial.limit());
        }
        if let (None, Some(total)) = (state.size, answer.total) {
            if total > state.partial.limit() {
                return Err(wrong(answer, Came::All(total)));
            }
            // What a coded answer says is the size of the coded bytes; only the digest decides there.
            if answer.coding().is_none() {
                state.size = Some(total);
                state.meter.expect(total);
                state.lanes[0].end = state.lanes[0].end.min(total);
            }
        }
        Ok(())
    }

    /// The first answer's body has begun to come. Only now is what is there given up for a whole file, asked for
    /// or not: a head alone, however good, may be all that a server sends.
    fn begin(&self, answer: &Answer<'_>) -> Result<(), Fault> {
        let state = &mut *self.state.borrow_mut();
        if answer.seen.status == 200 {
            state.restart()?;
        }
        state.validator = answer.validator();
        state.partial.set_origin(self.origin(state.validator.clone()))?;
        let plain = answer.coding().is_none() && state.size.is_some();
        state.further = plain && answer.takes_ranges() && !self.turn.whole_only;
        state.joinable = Some(state.further && !self.turn.one_lane);
        state.tally.has_ranges = answer.seen.status == 206;
        Ok(())
    }

    async fn joining_lane(&self, lane: usize) -> Result<(), Fault> {
        loop {
            let before = self.state.borrow().tally.wire;
            tokio::time::sleep(self.options.spread_after).await;
            let state = self.state.borrow();
            match state.joinable {
                Some(true) if state.is_slow(state.tally.wire - before) => break,
                Some(false) => return Ok(()),
                _ => {}
            }
        }
        let _one_more = self.http.extra_connection().await;
        self.further_ranges(lane).await
    }

    /// Takes what nobody works on, or half of what somebody has before it, until there is no more.
    async fn further_ranges(&self, lane: usize) -> Result<(), Fault> {
        loop {
            let ask = {
                let state = &mut *self.state.borrow_mut();
                if !state.further || (lane > 0 && state.joinable != Some(true)) {
                    return Ok(());
                }
                let Some(range) = state.claim(self.options.range_bytes) else { return Ok(()) };
                state.lanes[lane] = range.clone();
                Ask {
                    range: Some((range.start, Some(range.end))),
                    if_range: state.validator.clone(),
                    past_caches: self.turn.rung.is_past_caches(),
                    apart: true,
                }
            };
            let mut answer = self.http.get(&self.url, &ask).await?;
            let is_of_another = {
                let state = self.state.borrow();
                // Only tags tell: of one state several servers may have several dates.
                let differs =
                    |known: &String| known.starts_with('"') && answer.strong_tag().is_some_and(|other| other != known);
                answer.total.is_some_and(|total| Some(total) != state.size)
                    || state.validator.as_ref().is_some_and(differs)
            };
            if answer.seen.status != 206 || is_of_another {
                // The file changed, or this server of several takes no ranges: the first lane goes on alone.
                return Err(Fault::WrongRange(Box::new(answer.seen)));
            }
            let until = {
                let state = &mut *self.state.borrow_mut();
                state.tally.has_ranges = true;
                state.lanes[lane].end
            };
            self.pour(lane, &mut answer, until).await?;
        }
    }

    /// Moves the body, which goes on until there, into the partial until the lane is full.
    async fn pour(&self, lane: usize, answer: &mut Answer<'_>, until: u64) -> Result<(), Fault> {
        loop {
            let Some(piece) = answer.piece().await? else { break };
            let state = &mut *self.state.borrow_mut();
            if piece.len() as u64 >= state.lanes[lane].end - state.lanes[lane].start {
                state.lengthen(lane, until);
            }
            let wanted = &mut state.lanes[lane];
            let fits = piece.len().min((wanted.end - wanted.start) as usize);
            state.tally.wire += piece.len() as u64;
            state.partial.write_at(wanted.start, &piece[..fits])?;
            state.meter.add(fits as u64);
            wanted.start += fits as u64;
            let at_end = wanted.start >= state.size.unwrap_or(state.partial.limit());
            if fits < piece.len() && at_end {
                return Err(wrong(answer, Came::MoreThan(state.lanes[lane].start)));
            }
            if wanted.is_empty() && (!at_end || answer.total.is_some()) {
                return Ok(());
            }
        }
        let state = &mut *self.state.borrow_mut();
        let rest = &mut state.lanes[lane];
        let at = rest.start;
        if rest.is_empty() {
            return Ok(());
        }
        match state.size {
            None => {
                // The end of the body is the end of the file: the digest says whether that is so.
                *rest = 0..0;
                state.size = Some(at);
                Ok(())
            }
            Some(_) if answer.end_is_certain() && answer.seen.status == 200 => Err(wrong(answer, Came::All(at))),
            Some(size) => Err(Fault::Cut {
                seen: Box::new(answer.seen.clone()),
                came: answer.came(),
                cause: format!("it ended at byte {at} of {size}"),
            }),
        }
    }

    fn origin(&self, validator: Option<String>) -> Origin {
        Origin { url: Digest::of(self.turn.url.as_str().as_bytes()), validator }
    }
}

impl State<'_> {
    /// Whether the rest takes much longer than what came lately did.
    fn is_slow(&self, lately: u64) -> bool {
        const MUCH: u64 = 2;
        self.size.is_none_or(|size| size.saturating_sub(self.partial.length()) > MUCH * lately)
    }

    fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| self.partial.gaps(size).is_empty())
    }

    fn restart(&mut self) -> Result<(), Fault> {
        self.meter.retract(self.partial.length());
        self.partial.restart()?;
        self.tally.alone = true;
        Ok(())
    }

    /// Gives the lane, where no other joins any more, what follows it and nobody works on: its answer brings that
    /// anyway, up to `until`.
    fn lengthen(&mut self, lane: usize, until: u64) {
        let (Some(size), Some(false)) = (self.size, self.joinable) else { return };
        let end = self.lanes[lane].end;
        let free = self.taken().gaps(size.min(until)).into_iter().find(|gap| gap.start == end);
        self.lanes[lane].end = free.map_or(end, |gap| gap.end);
    }

    /// What is there, or somebody works on.
    fn taken(&self) -> Extents {
        let mut taken = self.partial.held().clone();
        self.lanes.iter().for_each(|lane| taken.insert(lane.clone()));
        taken
    }

    /// A gap nobody works on; else the second half of the longest that somebody works on, taken from
    /// them, if both halves are at least `shortest` long.
    fn claim(&mut self, shortest: u64) -> Option<Range<u64>> {
        if let Some(free) = self.taken().gaps(self.size?).into_iter().next() {
            return Some(free);
        }
        let longest = self.lanes.iter_mut().max_by_key(|lane| lane.end - lane.start)?;
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

fn wrong(answer: &Answer<'_>, size: Came) -> Fault {
    Fault::Wrong(Box::new(Wrong { seen: answer.seen.clone(), size, digest: None }))
}
