//! One artifact's way into the folder: there already, else from the cache, else from a source.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use url::Url;

use super::fault::{Came, Fault, Wrong};
use super::health::Health;
use super::http::Http;
use super::local::{self, Local, Poured, pour};
use super::plan;
use super::ranges::Attempt;
use super::retry::{Sources, Turn};
use super::seen::Seen;
use super::{How, Outcome, evidence, redact};
use crate::cache::Cache;
use crate::digest::Descriptor;
use crate::error::{Error, Result};
use crate::manifest::{Pin, Pinned};
use crate::progress::{Meter, Progress};
use crate::release::{self, LockedFolder, Partial, State, Verified};

/// What all artifacts of a run share.
pub(super) struct Run<'a> {
    pub(super) http: &'a Http,
    pub(super) runtime: Handle,
    pub(super) health: Health,
    pub(super) cache: Option<&'a Cache>,
    pub(super) base: &'a Url,
    pub(super) folder: &'a LockedFolder,
    pub(super) progress: &'a dyn Progress,
}

/// Where verified bytes came from.
struct Origin {
    from_cache: bool,
    wire: u64,
    url: Option<String>,
}

impl Run<'_> {
    /// Sees to it that the folder has `pinned`. `twin` is a file in it with the same digest.
    ///
    /// # Errors
    /// No source has the right bytes, or the disk refuses. What came so far stays as a partial.
    pub(super) fn provide(&self, pinned: &Pinned<'_>, twin: Option<&Path>) -> Result<Outcome> {
        let meter = self.progress.start(pinned.name().as_str(), pinned.pin.size);
        let meter = Counting { meter: meter.as_ref(), added: AtomicU64::new(0) };
        let row = release::check(self.folder, pinned, &meter);
        let outcome = |how, size, origin: Origin| {
            meter.done(match (how, origin.from_cache) {
                (How::Kept, _) => "kept",
                (How::Fetched, false) => "fetched",
                (How::Fetched, true) => "from the cache",
                (How::Replaced, false) => "replaced",
                (How::Replaced, true) => "replaced from the cache",
            });
            Outcome {
                name: pinned.name().to_string(),
                how,
                size,
                from_cache: origin.from_cache,
                wire_bytes: origin.wire,
                url: origin.url,
            }
        };
        if row.state == State::Ok {
            // It may have been put there by hand, after a part of it came.
            self.folder.drop_partial(&pinned.pin.digest);
            self.keep(pinned);
            let origin = Origin { from_cache: false, wire: 0, url: None };
            return Ok(outcome(How::Kept, row.actual_size.unwrap_or_default(), origin));
        }
        meter.retract(meter.added.load(Ordering::Relaxed));
        let how = if row.state == State::Missing { How::Fetched } else { How::Replaced };
        let here = Origin { from_cache: false, wire: 0, url: None };
        let (verified, origin) = if let Some(verified) = self.copy_of_twin(pinned, twin, &meter)? {
            (verified, here)
        } else if let Some(verified) = self.copy_from_cache(pinned, &meter)? {
            (verified, Origin { from_cache: true, ..here })
        } else {
            self.runtime.block_on(self.fetch(pinned, &meter)).map_err(|error| {
                let error = error.fact("artifact", pinned.name());
                match pinned.pin.size {
                    Some(size) => error.fact("expected size", format_args!("{size} bytes")),
                    None => error,
                }
                .fact("expected digest", pinned.pin.digest)
            })?
        };
        let size = verified.size();
        verified.place(self.folder, pinned.name(), pinned.artifact.kind.mode())?;
        if !origin.from_cache {
            self.keep(pinned);
        }
        Ok(outcome(how, size, origin))
    }

    /// Puts the artifact into the cache. A cache that is full or broken is worth a line, not a failure.
    fn keep(&self, pinned: &Pinned<'_>) {
        if let Some(cache) = self.cache
            && let Err(error) = cache.keep(&pinned.pin.digest, &self.folder.path_of(pinned.name()))
        {
            self.note(pinned, format!("not kept in the cache: {error}"));
        }
    }

    fn copy_of_twin(&self, pinned: &Pinned<'_>, twin: Option<&Path>, meter: &dyn Meter) -> Result<Option<Verified>> {
        match twin.and_then(|twin| File::open(twin).ok()) {
            Some(file) => self.verified_copy(pinned, file, meter),
            None => Ok(None),
        }
    }

    fn copy_from_cache(&self, pinned: &Pinned<'_>, meter: &dyn Meter) -> Result<Option<Verified>> {
        let Some(cache) = self.cache else { return Ok(None) };
        let Some(entry) = cache.open(&pinned.pin.digest) else { return Ok(None) };
        let copy = self.verified_copy(pinned, entry, meter)?;
        if copy.is_none() {
            let what = match cache.discard(&pinned.pin.digest) {
                Ok(()) => "thrown away, and fetched anew".to_owned(),
                Err(error) => format!("fetched anew, for it cannot be thrown away: {error}"),
            };
            self.note(pinned, format!("its entry in the cache is damaged: {what}"));
        }
        Ok(copy)
    }

    /// A copy of `file` with the digest of `pinned`; `None` when it has another one.
    fn verified_copy(&self, pinned: &Pinned<'_>, mut file: File, meter: &dyn Meter) -> Result<Option<Verified>> {
        let mut partial = Partial::open(self.folder, pinned.pin)?;
        if partial.length() > 0 {
            // What came of it before is given up only for something that is certainly better.
            let digest = Descriptor::of_reader(&file).ok().map(|found| found.digest);
            if digest != Some(pinned.pin.digest) || file.rewind().is_err() {
                return Ok(None);
            }
            partial.restart()?;
        }
        let fits = match pour(file, &mut partial, meter) {
            Ok(fits) => fits,
            Err(Poured::Read(_)) => false,
            Err(Poured::Write(error)) => return Err(error),
        };
        let came = partial.length();
        match partial.finish()? {
            Ok(verified) if fits => Ok(Some(verified)),
            _ => {
                meter.retract(came);
                Ok(None)
            }
        }
    }

    async fn fetch(&self, pinned: &Pinned<'_>, meter: &Counting<'_>) -> Result<(Verified, Origin)> {
        let options = self.http.options();
        let list = plan::sources(pinned.artifact, self.base, &options.mirrors)?;
        let mut partial = Partial::open(self.folder, pinned.pin)?;
        let mut sources = Sources::new(list, &self.health, options, partial.length());
        let mut wire = 0;
        meter.add(partial.length());
        let note = |line| self.note(pinned, line);
        // All of it is there: set aside from the version before, or a kill came just before the last step.
        let all = pinned.pin.size.unwrap_or(partial.length());
        if all > 0 && partial.gaps(all).is_empty() && partial.is_pinned()? {
            match partial.finish()? {
                Ok(verified) => return Ok((verified, Origin { from_cache: false, wire, url: None })),
                Err(_) => partial = Partial::open(self.folder, pinned.pin)?,
            }
        }
        while let Some(turn) = sources.next(&note).await {
            let attempt = match local::at(&turn.url) {
                Some(local) => self.copy(&turn, local, pinned.pin, &mut partial, meter),
                None => {
                    let attempt = Attempt::new(self.http, &turn, &mut partial, pinned.pin.size, meter);
                    let (tally, seen, result) = attempt.run().await;
                    wire += tally.wire;
                    sources.learned(&turn, tally);
                    Tried { alone: tally.alone, wrote: tally.wire > 0, seen, result }
                }
            };
            let fault = match attempt.result {
                Ok(()) => {
                    let came = partial.length();
                    match partial.finish()? {
                        Ok(verified) => {
                            sources.worked(&turn);
                            let url = Some(redact::shown(&turn.url));
                            return Ok((verified, Origin { from_cache: false, wire, url }));
                        }
                        Err(mismatch) => {
                            partial = Partial::open(self.folder, pinned.pin)?;
                            meter.retract(came);
                            if !attempt.alone && sources.mixed(&turn, &note) {
                                continue;
                            }
                            let size = Came::All(mismatch.size);
                            match attempt.seen {
                                Some(seen) => {
                                    Fault::Wrong(Box::new(Wrong { seen, size, digest: Some(mismatch.digest) }))
                                }
                                // Nobody was asked, and yet no byte is missing.
                                None => Fault::Unfit(no_such_file(size)),
                            }
                        }
                    }
                }
                // A head that tells of another file says nothing against the bytes that were there before it.
                Err(fault @ Fault::Wrong(_)) if attempt.wrote => {
                    meter.retract(partial.length());
                    partial.restart()?;
                    fault
                }
                Err(Fault::Ours(error)) => return Err(error),
                Err(fault) => fault,
            };
            sources.failed(&turn, fault, partial.length(), &note);
        }
        if let (Some((url, size)), Some(expected)) = (sources.unread(), pinned.pin.size)
            && evidence::is_worth(size, expected)
        {
            let most = self.http.options().stall.as_secs();
            note(format!("nothing helped: reading what the server has, for {most} s at most, to tell its digest"));
            if let Some((size, digest)) = evidence::of(self.http, &url, expected).await {
                sources.was_read(size, digest);
            }
        }
        Err(sources.into_error())
    }

    /// A source on this machine, read on this very thread.
    fn copy(&self, turn: &Turn, local: Local, pin: Pin, partial: &mut Partial, meter: &dyn Meter) -> Tried {
        let result = (|| {
            let url = redact::shown(&turn.url);
            let most = partial.limit();
            let other_bytes = |size, digest, all: bool| {
                let came = if all { Came::All(size) } else { Came::MoreThan(most) };
                Fault::Local(local::other_bytes(&url, came, all.then_some(digest)))
            };
            let begin_again = |partial: &mut Partial| {
                meter.retract(partial.length());
                partial.restart()
            };
            if partial.length() > 0 && matches!(local, Local::File(_)) {
                // What came before is given up only for something that is certainly better.
                let Descriptor { size, digest } = local.descriptor(&url, most)?;
                if digest != pin.digest {
                    return Err(other_bytes(size, digest, true));
                }
            }
            let reader = local.open(&url)?;
            begin_again(partial)?;
            match pour(reader, partial, meter) {
                Ok(true) if partial.is_pinned()? => Ok(()),
                Ok(all) => {
                    let (size, digest) = (partial.length(), partial.digest()?);
                    // No other source may go on behind bytes of another file.
                    begin_again(partial)?;
                    Err(other_bytes(size, digest, all))
                }
                Err(Poured::Write(error)) => Err(Fault::Ours(error)),
                Err(Poured::Read(error)) => Err(Fault::Local(
                    Error::failed("the file cannot be read")
                        .fact("url", &url)
                        .fact("cause", error)
                        .hint("check the file and the disk it is on, for example with 'sha256sum'"),
                )),
            }
        })();
        Tried { alone: true, wrote: true, seen: None, result }
    }

    fn note(&self, pinned: &Pinned<'_>, line: String) {
        self.progress.note(&format!("{}: {line}", pinned.name()));
    }
}

/// The error for a size that no bytes with that digest can have.
fn no_such_file(size: Came) -> Error {
    Error::integrity("the manifest pins a size and a digest that do not belong together")
        .fact("actual size", size)
        .hint("get the manifest anew; its publisher pins it with: pack lock --update manifest.json")
}

/// How one source fared in one turn.
struct Tried {
    /// Whether all bytes of the partial are from this turn.
    alone: bool,
    /// Whether any of them is.
    wrote: bool,
    /// Who answered.
    seen: Option<Seen>,
    result: Result<(), Fault>,
}

/// A meter that remembers what it was told, so that it can be taken back.
struct Counting<'a> {
    meter: &'a dyn Meter,
    added: AtomicU64,
}

impl Meter for Counting<'_> {
    fn add(&self, bytes: u64) {
        self.added.fetch_add(bytes, Ordering::Relaxed);
        self.meter.add(bytes);
    }
    fn retract(&self, bytes: u64) {
        self.added.fetch_sub(bytes, Ordering::Relaxed);
        self.meter.retract(bytes);
    }
    fn expect(&self, bytes: u64) {
        self.meter.expect(bytes);
    }
    fn done(&self, how: &str) {
        self.meter.done(how);
    }
}
