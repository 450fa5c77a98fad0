//! Which source to ask next, and when: rounds over all sources, with growing pauses between rounds.
//!
//! A source that brought us further than ever before and broke is asked again at once. One that did not
//! gives way to the next; when all did, a pause follows and another round, as often as
//! [`Options::retries`] says. A file can only grow so far, so this ends, whatever the servers do.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use url::Url;

use super::fault::{Came, Fault, Verdict};
use super::health::Health;
use super::options::Options;
use super::plan::Source;
use super::redact;
use super::stale::Rung;
use crate::digest::Digest;
use crate::error::Error;

/// So many bytes more than were ever kept before are progress: the count of retries begins anew. Bytes
/// that come again, from a server without ranges, are none.
const PROGRESS: u64 = 256 << 10;

/// The sources of one artifact and how each has fared.
pub(super) struct Sources<'a> {
    list: Vec<Tried>,
    health: &'a Health,
    options: &'a Options,
    rounds: usize,
    /// Every rung is past caches.
    past_caches: bool,
    /// How many bytes were kept when progress was last counted.
    high_water: u64,
    pauses: ExponentialBackoff,
}

struct Tried {
    source: Source,
    rung: Rung,
    /// It does not answer ranges as it should: only whole files are asked for.
    whole_only: bool,
    /// It sent a part of the file as asked: where it says no to another, that is not because of the range.
    has_ranges: bool,
    /// It refused a connection besides the first: it gets no more of them.
    one_lane: bool,
    /// Pieces of several answers did not fit together before.
    mixed: bool,
    this_round: bool,
    dead: bool,
    fault: Option<Fault>,
    /// How it was asked when it last had wrong bytes.
    wrong_at: Rung,
}

/// What to ask of which source.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    place: usize,
    /// The source's own URL.
    pub(super) url: Url,
    /// How hard to ask.
    pub(super) rung: Rung,
    /// Whether no range may be asked for.
    pub(super) whole_only: bool,
    /// Whether no connection may join the first.
    pub(super) one_lane: bool,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Bytes of bodies that came over the network.
    pub(super) wire: u64,
    /// Whether every byte of the partial comes from this attempt.
    pub(super) alone: bool,
    /// Whether the server sent a part of the file as asked.
    pub(super) has_ranges: bool,
    /// Whether it refused a lane besides the first.
    pub(super) crowded: bool,
}

impl<'a> Sources<'a> {
    /// `kept` is how many bytes are there already.
    pub(super) fn new(sources: Vec<Source>, health: &'a Health, options: &'a Options, kept: u64) -> Self {
        let tried = |source| Tried {
            source,
            rung: Rung::default(),
            whole_only: false,
            has_ranges: false,
            one_lane: false,
            mixed: false,
            this_round: false,
            dead: false,
            fault: None,
            wrong_at: Rung::default(),
        };
        let list = sources.into_iter().map(tried).collect();
        Sources { list, health, options, rounds: 0, past_caches: false, high_water: kept, pauses: pauses(options) }
    }

    /// For whoever asks past caches from the start: to ask so once more is no harder.
    pub(super) fn past_caches(self) -> Self {
        Sources { past_caches: true, ..self }
    }

    /// The source to ask now; waits where that is due. `None` when there is no hope left.
    pub(super) async fn next(&mut self, note: &(dyn Fn(String) + Sync)) -> Option<Turn> {
        loop {
            // One look at what every server asked for, also of other artifacts: all that follows goes by it.
            let rests: Vec<_> = self.list.iter().map(|tried| self.health.rest_of(&tried.source.party)).collect();
            let longest = self.options.longest_pause;
            let is_open = |&place: &usize| !self.list[place].dead && rests[place].is_none_or(|rest| rest <= longest);
            let open: Vec<usize> = (0..self.list.len()).filter(is_open).collect();
            let now = open.iter().copied().filter(|&place| !self.list[place].this_round);
            let key = |&place: &usize| (rests[place], self.health.has_failed(&self.list[place].source.party));
            let Some(place) = now.min_by_key(key) else {
                if open.is_empty() || self.rounds >= self.options.retries {
                    self.give_up_on_those_that_rest(&rests, note);
                    return None;
                }
                self.rounds += 1;
                let pause = self.pauses.next().unwrap_or(longest);
                note(format!("trying again in {:.1} s", pause.as_secs_f32()));
                tokio::time::sleep(pause).await;
                self.list.iter_mut().for_each(|tried| tried.this_round = false);
                continue;
            };
            let tried = &self.list[place];
            let Some(wait) = rests[place] else {
                let (rung, whole_only, one_lane) = (tried.rung, tried.whole_only, tried.one_lane);
                return Some(Turn { place, url: tried.source.url.clone(), rung, whole_only, one_lane });
            };
            note(format!("{}: it asks for patience: {:.1} s", redact::shown(&tried.source.url), wait.as_secs_f32()));
            tokio::time::sleep(wait).await;
        }
    }

    /// To wait less than a server asks would be bad manners, and nobody waits that long. What is told of it is that,
    /// unless it said so itself.
    fn give_up_on_those_that_rest(&mut self, rests: &[Option<Duration>], note: &(dyn Fn(String) + Sync)) {
        let longest = self.options.longest_pause;
        let said_so = |fault: &Fault| {
            fault.is_about_bytes() || matches!(fault.verdict(), Verdict::Transient(Some(said)) if said > longest)
        };
        for (tried, rest) in self.list.iter_mut().zip(rests) {
            let Some(wait) = rest.filter(|rest| *rest > longest && !tried.dead) else { continue };
            if !tried.fault.as_ref().is_some_and(said_so) {
                let fault = Fault::Resting { url: redact::shown(&tried.source.url), wait };
                note(format!("{}: {}", redact::shown(&tried.source.url), fault.line()));
                tried.fault = Some(fault);
            }
        }
    }

    /// The source of `turn` has done its part.
    pub(super) fn worked(&self, turn: &Turn) {
        self.health.works(&self.list[turn.place].source.party);
    }

    /// Several answers together gave the wrong bytes: nobody can say whose fault it is. Once, the same
    /// source gets to send the whole alone; `false` when it had that chance.
    pub(super) fn mixed(&mut self, turn: &Turn, note: &(dyn Fn(String) + Sync)) -> bool {
        let first = !std::mem::replace(&mut self.list[turn.place].mixed, true);
        if first {
            note("the pieces of several attempts do not fit together: beginning again".to_owned());
        }
        first
    }

    /// What an attempt told about how the source of `turn` takes ranges.
    pub(super) fn learned(&mut self, turn: &Turn, tally: Tally) {
        let tried = &mut self.list[turn.place];
        tried.has_ranges |= tally.has_ranges;
        tried.one_lane |= tally.crowded;
    }

    /// The source of `turn` ended in this fault; so many bytes are `kept` now, from whatever source.
    pub(super) fn failed(&mut self, turn: &Turn, fault: Fault, kept: u64, note: &(dyn Fn(String) + Sync)) {
        let tried = &mut self.list[turn.place];
        let party = tried.source.party.clone();
        note(format!("{}: {}", redact::shown(&turn.url), fault.line()));
        // All of it is asked for once before a server that refuses a part of it counts as one that has nothing: at
        // once where it says that there is no hope for the part, else as the last try, for then it costs what is there.
        let refused = fault.is_refused_range() && !turn.whole_only;
        let is_last = self.rounds + 1 >= self.options.retries && !tried.has_ranges;
        match fault.verdict() {
            Verdict::Fatal if refused => tried.whole_only = true,
            Verdict::Transient(wait) => {
                if let Some(wait) = wait {
                    self.health.rests(&party, wait);
                }
                tried.whole_only |= refused && (matches!(fault, Fault::WrongRange(_)) || is_last);
                if kept.saturating_sub(self.high_water) >= PROGRESS {
                    self.high_water = kept;
                    self.rounds = 0;
                    self.pauses = pauses(self.options);
                } else {
                    tried.this_round = true;
                    self.health.failed(&party);
                }
            }
            Verdict::Stale => match tried.rung.next().map(|rung| if self.past_caches { Rung::Fresh } else { rung }) {
                Some(rung) => {
                    tried.rung = rung;
                    note(format!("{}: asking again {}", redact::shown(&turn.url), rung.describe()));
                }
                None => {
                    tried.dead = true;
                    self.health.failed(&party);
                }
            },
            // It is our asking past the caches that it refuses: that way or the other may be let through.
            Verdict::Fatal if turn.rung == Rung::NoCache => {
                tried.rung = Rung::Fresh;
                note(format!("{}: asking again {}", redact::shown(&turn.url), tried.rung.describe()));
            }
            Verdict::Fatal | Verdict::Over => {
                tried.dead = true;
                if turn.rung == Rung::Fresh || !fault.is_absence() {
                    self.health.failed(&party);
                }
            }
        }
        if fault.is_about_bytes() {
            tried.wrong_at = turn.rung;
        }
        // That the bytes are wrong stays said, whatever comes of asking for better ones.
        if fault.is_about_bytes() || !tried.fault.as_ref().is_some_and(Fault::is_about_bytes) {
            tried.fault = Some(fault);
        }
    }

    /// The source whose fault is told: wrong bytes count for more than a server that is away.
    fn worst(&mut self) -> Option<&mut Tried> {
        let is_about_bytes = |tried: &Tried| tried.fault.as_ref().is_some_and(Fault::is_about_bytes);
        let worst = self.list.iter().position(is_about_bytes);
        let worst = worst.or_else(|| self.list.iter().position(|tried| tried.fault.is_some()))?;
        self.list.get_mut(worst)
    }

    /// The URL whose wrong bytes will be told and that nobody has read, and how many there are.
    pub(super) fn unread(&mut self) -> Option<(Url, Came)> {
        let health = self.health;
        let tried = self.worst()?;
        let is_resting = health.rest_of(&tried.source.party).is_some();
        match &tried.fault {
            Some(Fault::Wrong(wrong)) if wrong.digest.is_none() && !is_resting => {
                Some((tried.wrong_at.url(&tried.source.url), wrong.size))
            }
            _ => None,
        }
    }

    /// What [`Sources::unread`] names has this size and digest.
    pub(super) fn was_read(&mut self, size: u64, digest: Digest) {
        if let Some(Tried { fault: Some(Fault::Wrong(wrong)), .. }) = self.worst() {
            wrong.size = Came::All(size);
            wrong.digest = Some(digest);
        }
    }

    /// Why nothing helped.
    pub(super) fn into_error(mut self) -> Error {
        let Some(worst) = self.worst().and_then(|tried| tried.fault.take()) else {
            return Error::failed("the artifact has no URL").hint("add one to the manifest");
        };
        let others =
            self.list.iter().filter_map(|tried| Some((redact::shown(&tried.source.url), tried.fault.as_ref()?)));
        others.fold(worst.into_error(), |error, (url, other)| {
            error.fact("also tried", format_args!("{url}: {}", other.line()))
        })
    }
}

fn pauses(options: &Options) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(options.pause)
        .with_max_delay(options.longest_pause)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_do_not_end() {
        let options = Options::default();
        let mut least = options.pause;
        let taken: Vec<Duration> = pauses(&options).take(20).collect();
        assert_eq!(taken.len(), 20);
        for pause in taken {
            // Jitter only makes a pause longer, and no more than twice as long.
            assert!((least..=2 * least).contains(&pause), "{pause:?} where {least:?} was due");
            least = options.longest_pause.min(2 * least);
        }
    }
}
