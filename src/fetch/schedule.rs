//! Which source to try next, and when: rounds over all sources, with growing pauses between rounds.
//!
//! A source that brought more bytes than were ever kept before and then failed is retried at once. Another one waits
//! for the next round; a pause comes before that. There are [`Options::retries`] further rounds, counted from the
//! last progress. A file has an end, so this ends, whatever the servers do. [`SourceState`] has the drawing.

use std::time::Duration;

use url::Url;

use super::cache_bypass::CacheBypass;
use super::error::{ActualSize, FetchError, RetryDecision};
use super::host_state::HostStates;
use super::options::Options;
use super::pauses::Pauses;
use super::redact;
use super::sources::{RegistryImageSource, Source};
use crate::digest::Descriptor;
use crate::error::{Error, Result};

/// This many bytes more than were ever kept before are progress: the count of rounds starts again. Bytes that are
/// received a second time, from a server without ranges, are not progress.
const PROGRESS: u64 = 256 << 10;

/// Where lines about failed tries go.
pub(super) type Notes<'a> = &'a (dyn Fn(String) + Sync);

/// Whether a source can be tried.
///
/// ```text
///          failed, no progress              next round
///  Ready ──────────────────────▶ Waiting ──────────────▶ Ready
///    │ ▲                                                   │
///    │ └── failed after progress, or with a stronger cache bypass or whole files still to try
///    └──── no retry can help ──────────────▶ Exhausted
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceState {
    /// It can be tried.
    Ready,
    /// It can be tried in the next round.
    Waiting,
    /// It has nothing more to offer.
    Exhausted,
}

/// What is known about range requests to a source.
///
/// ```text
///  Unknown ──sent a range──▶ Proved
///     └─────refused a range, and no further try may be spent on one──▶ Unusable ◀──(also from Proved)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum RangeSupport {
    /// Nothing.
    #[default]
    Unknown,
    /// It sent a range as requested: a later refusal is not because of the range.
    Proved,
    /// It does not send ranges as requested: only whole files are requested.
    Unusable,
}

/// How many connections a source takes for one artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Connections {
    /// Several, as far as is known.
    #[default]
    Several,
    /// One: it refused a second, or responses of several did not fit together.
    One,
}

/// Whether responses that do not fit together may be dropped and fetched again from the same source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StartOver {
    Available,
    Used,
}

/// Which cache bypass the requests of a queue start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstRequest {
    /// Caches may answer.
    Cached,
    /// Every request bypasses caches: [`CacheBypass::NoCache`] adds nothing.
    PastCaches,
}

/// The sources of one artifact or document, and how each has fared.
pub(super) struct SourceQueue<'a> {
    list: Vec<Candidate>,
    hosts: &'a HostStates,
    options: &'a Options,
    first_request: FirstRequest,
    rounds: usize,
    /// How many bytes were kept when progress was last counted.
    high_water: u64,
    pauses: Pauses,
}

/// A source and what is known about it.
struct Candidate {
    source: Source,
    state: SourceState,
    bypass: CacheBypass,
    ranges: RangeSupport,
    connections: Connections,
    start_over: StartOver,
    /// The failure to report.
    error: Option<FetchError>,
    /// The bypass of the last response with wrong content.
    wrong_at: CacheBypass,
}

/// One try of one source.
#[derive(Debug, Clone)]
pub(super) struct Try {
    place: usize,
    /// The source's own URL.
    pub(super) url: Url,
    /// Which image it is, where its source is a registry.
    pub(super) image: Option<RegistryImageSource>,
    /// How to get past caches.
    pub(super) bypass: CacheBypass,
    /// Whether ranges may be requested.
    pub(super) ranges: RangeSupport,
    /// Whether further connections may join the first.
    pub(super) connections: Connections,
}

/// The responses behind the bytes of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Assembly {
    /// All bytes are of one version of the file, as far as its server says.
    #[default]
    OneVersion,
    /// Some are of an earlier try, or of a response that may be of another version.
    Mixed,
}

/// What a try came to.
pub(super) struct TryReport<T> {
    /// What is now known about ranges.
    pub(super) ranges: RangeSupport,
    /// What is now known about connections.
    pub(super) connections: Connections,
    /// Whether wrong content may be due to responses that do not fit together.
    pub(super) assembly: Assembly,
    /// The result.
    pub(super) result: Result<T, FetchError>,
}

impl<T> TryReport<T> {
    /// A result that tells nothing about ranges.
    pub(super) fn of(result: Result<T, FetchError>) -> Self {
        let (ranges, connections) = (RangeSupport::Unknown, Connections::Several);
        TryReport { ranges, connections, assembly: Assembly::OneVersion, result }
    }
}

/// Something that is fetched from one of several sources.
pub(super) trait Target {
    /// The result.
    type Output;

    /// Tries one source.
    async fn attempt(&mut self, this: &Try) -> TryReport<Self::Output>;

    /// The number of bytes that the next try can build on.
    fn kept(&self) -> u64;
}

impl<'a> SourceQueue<'a> {
    /// A queue of `sources` for a target that has `kept` bytes already.
    pub(super) fn new(sources: Vec<Source>, hosts: &'a HostStates, options: &'a Options, kept: u64) -> Self {
        let candidate = |source| Candidate {
            source,
            state: SourceState::Ready,
            bypass: CacheBypass::default(),
            ranges: RangeSupport::default(),
            connections: Connections::default(),
            start_over: StartOver::Available,
            error: None,
            wrong_at: CacheBypass::default(),
        };
        let list = sources.into_iter().map(candidate).collect();
        let (first_request, pauses) = (FirstRequest::Cached, Pauses::new(options));
        SourceQueue { list, hosts, options, first_request, rounds: 0, high_water: kept, pauses }
    }

    /// The same queue for a target that bypasses caches from the first request on.
    pub(super) fn past_caches(self) -> Self {
        SourceQueue { first_request: FirstRequest::PastCaches, ..self }
    }

    /// Tries sources until one has `target`; `None` if no retry can help: see [`SourceQueue::into_error`].
    ///
    /// # Errors
    /// A failure that no source can help, such as a full disk.
    pub(super) async fn drive<T: Target>(&mut self, target: &mut T, notes: Notes<'_>) -> Result<Option<T::Output>> {
        while let Some(this) = self.next(notes).await {
            let report = target.attempt(&this).await;
            let candidate = &mut self.list[this.place];
            candidate.ranges = candidate.ranges.max(report.ranges);
            candidate.connections = candidate.connections.max(report.connections);
            match report.result {
                Ok(output) => {
                    self.hosts.succeeded(&candidate.source.host);
                    return Ok(Some(output));
                }
                Err(FetchError::Own(error)) => return Err(error),
                Err(FetchError::WrongContent(_))
                    if report.assembly == Assembly::Mixed && candidate.start_over == StartOver::Available =>
                {
                    // Nobody can say which response is wrong: the source gets one chance to send all of it in one.
                    candidate.start_over = StartOver::Used;
                    candidate.connections = Connections::One;
                    notes("the parts of several responses do not fit together: starting over".to_owned());
                }
                Err(error) => self.failed(&this, error, target.kept(), notes),
            }
        }
        Ok(None)
    }

    /// The source to try now; waits where that is due. `None` if no retry can help.
    async fn next(&mut self, notes: Notes<'_>) -> Option<Try> {
        loop {
            // One look at every host, for other artifacts change them meanwhile.
            let left: Vec<_> = self.list.iter().map(|candidate| self.hosts.time_left(&candidate.source.host)).collect();
            let longest = self.options.longest_pause;
            let is_open = |&place: &usize| {
                self.list[place].state != SourceState::Exhausted && left[place].is_none_or(|left| left <= longest)
            };
            let open: Vec<usize> = (0..self.list.len()).filter(is_open).collect();
            let ready = open.iter().copied().filter(|&place| self.list[place].state == SourceState::Ready);
            let key = |&place: &usize| (left[place], self.hosts.has_failed(&self.list[place].source.host));
            let Some(place) = ready.min_by_key(key) else {
                if open.is_empty() || self.rounds >= self.options.retries {
                    self.report_back_offs(&left, notes);
                    return None;
                }
                self.rounds += 1;
                let pause = self.pauses.next();
                notes(format!("retrying in {:.1} s", pause.as_secs_f32()));
                tokio::time::sleep(pause).await;
                for candidate in &mut self.list {
                    if candidate.state == SourceState::Waiting {
                        candidate.state = SourceState::Ready;
                    }
                }
                continue;
            };
            let candidate = &self.list[place];
            let Source { url, image, .. } = candidate.source.clone();
            let Some(wait) = left[place] else {
                let Candidate { bypass, ranges, connections, .. } = *candidate;
                return Some(Try { place, url, image, bypass, ranges, connections });
            };
            notes(format!("{}: the server asks to wait: {:.1} s", redact::shown(&url), wait.as_secs_f32()));
            tokio::time::sleep(wait).await;
        }
    }

    /// `Retry-After` beyond the limit: fail now instead of waiting, and report the value.
    fn report_back_offs(&mut self, left: &[Option<Duration>], notes: Notes<'_>) {
        let longest = self.options.longest_pause;
        let says_so = |error: &FetchError| {
            error.is_wrong_content()
                || matches!(error.decision(), RetryDecision::RetryAfter(Some(wait)) if wait > longest)
        };
        for (candidate, left) in self.list.iter_mut().zip(left) {
            let is_open = candidate.state != SourceState::Exhausted;
            let Some(wait) = left.filter(|left| *left > longest && is_open) else { continue };
            if !candidate.error.as_ref().is_some_and(says_so) {
                let error = FetchError::BackOff { url: redact::shown(&candidate.source.url), wait };
                notes(format!("{}: {}", redact::shown(&candidate.source.url), error.line()));
                candidate.error = Some(error);
            }
        }
    }

    /// Decides what follows from a failed try; `kept` bytes are there now, from whatever source.
    fn failed(&mut self, this: &Try, error: FetchError, kept: u64, notes: Notes<'_>) {
        let url = redact::shown(&this.url);
        notes(format!("{url}: {}", error.line()));
        let candidate = &mut self.list[this.place];
        // A source that refuses a range is asked for the whole file once before it counts as one that has nothing: at
        // once if it never will send the range, else in the last round. One of several servers behind a name may send
        // other ranges than the rest.
        let refused_range = error.is_refused_range() && this.ranges != RangeSupport::Unusable;
        let is_last = self.rounds + 1 >= self.options.retries;
        let is_other_range = matches!(error, FetchError::WrongRange(_));
        let wants_whole = match candidate.ranges {
            RangeSupport::Unknown => is_last || is_other_range,
            RangeSupport::Proved => is_last && is_other_range,
            RangeSupport::Unusable => false,
        };
        match error.decision() {
            RetryDecision::TryOther if refused_range => candidate.ranges = RangeSupport::Unusable,
            RetryDecision::RetryAfter(wait) => {
                if let Some(wait) = wait {
                    self.hosts.back_off(&candidate.source.host, wait);
                }
                if refused_range && wants_whole {
                    candidate.ranges = RangeSupport::Unusable;
                }
                if kept.saturating_sub(self.high_water) >= PROGRESS {
                    self.high_water = kept;
                    self.rounds = 0;
                    self.pauses = Pauses::new(self.options);
                } else {
                    candidate.state = SourceState::Waiting;
                    self.hosts.failed(&candidate.source.host);
                }
            }
            RetryDecision::BypassCaches => match (candidate.bypass.next(), self.first_request) {
                (Some(_), FirstRequest::PastCaches) => candidate.escalate(CacheBypass::UniqueUrl, &url, notes),
                (Some(bypass), FirstRequest::Cached) => candidate.escalate(bypass, &url, notes),
                (None, _) => {
                    candidate.state = SourceState::Exhausted;
                    self.hosts.failed(&candidate.source.host);
                }
            },
            // It may refuse the bypass: the other one may pass.
            RetryDecision::TryOther if this.bypass == CacheBypass::NoCache => {
                candidate.escalate(CacheBypass::UniqueUrl, &url, notes);
            }
            RetryDecision::TryOther | RetryDecision::Abort => {
                candidate.state = SourceState::Exhausted;
                if this.bypass == CacheBypass::UniqueUrl || !error.is_absence() {
                    self.hosts.failed(&candidate.source.host);
                }
            }
        }
        candidate.remember(error, this.bypass);
    }

    /// The candidate whose failure is reported: wrong content counts more than a server out of reach.
    fn worst(&mut self) -> Option<&mut Candidate> {
        let is_wrong = |candidate: &Candidate| candidate.error.as_ref().is_some_and(FetchError::is_wrong_content);
        let worst = self.list.iter().position(is_wrong);
        let worst = worst.or_else(|| self.list.iter().position(|candidate| candidate.error.is_some()))?;
        self.list.get_mut(worst)
    }

    /// The URL whose wrong content will be reported without having been read, and its size.
    pub(super) fn unread(&mut self) -> Option<(Url, ActualSize)> {
        let hosts = self.hosts;
        let candidate = self.worst()?;
        let is_backing_off = hosts.time_left(&candidate.source.host).is_some();
        match &candidate.error {
            Some(FetchError::WrongContent(wrong)) if wrong.digest.is_none() && !is_backing_off => {
                Some((candidate.wrong_at.url(&candidate.source.url), wrong.size))
            }
            _ => None,
        }
    }

    /// Notes what [`SourceQueue::unread`] names.
    pub(super) fn was_read(&mut self, actual: Descriptor) {
        if let Some(Candidate { error: Some(FetchError::WrongContent(wrong)), .. }) = self.worst() {
            wrong.was_read(actual);
        }
    }

    /// Why no source helped.
    pub(super) fn into_error(mut self) -> Error {
        let Some(worst) = self.worst().and_then(|candidate| candidate.error.take()) else {
            return Error::failed("the artifact has no URL").hint("add one to the manifest");
        };
        let others = self
            .list
            .iter()
            .filter_map(|candidate| Some((redact::shown(&candidate.source.url), candidate.error.as_ref()?)));
        others.fold(worst.into_error(), |error, (url, other)| {
            error.fact("also tried", format_args!("{url}: {}", other.line()))
        })
    }
}

impl Candidate {
    /// Retries with a stronger bypass.
    fn escalate(&mut self, bypass: CacheBypass, url: &str, notes: Notes<'_>) {
        self.bypass = bypass;
        notes(format!("{url}: asking again {}", bypass.describe()));
    }

    /// Keeps the failure for the report. Wrong content stays reported, whatever comes of further tries.
    fn remember(&mut self, error: FetchError, bypass: CacheBypass) {
        if error.is_wrong_content() {
            self.wrong_at = bypass;
        }
        if error.is_wrong_content() || !self.error.as_ref().is_some_and(FetchError::is_wrong_content) {
            self.error = Some(error);
        }
    }
}
