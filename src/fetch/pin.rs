//! Fetching what nobody pinned yet: the one step that trusts a first answer, so it takes care whose.
//!
//! Caches are told to keep out; an answer whose end is uncertain is not accepted; neither is one in a coding
//! nobody asked for, nor a web page in place of the file (a login page, an error dressed as a success):
//! then the next source is asked. What came is kept in the cache, and so is what came so far: a later run goes
//! on from there, but only from the same place, with a word of the server's that this is the same state of the
//! same file. There is no digest to find two halves that do not belong together.

use tokio::runtime::Handle;
use url::Url;

use super::answer::Answer;
use super::fault::{Came, Fault, Wrong};
use super::health::Health;
use super::http::{Ask, Http};
use super::local::{self, Local};
use super::plan;
use super::redact;
use super::retry::{Sources, Turn};
use super::seen::Seen;
use super::stale::Rung;
use crate::cache::{Cache, Edition, Incoming};
use crate::digest::{Descriptor, Digest};
use crate::error::{Class, Error, Result};
use crate::manifest::{Artifact, Limits};
use crate::progress::{Meter, Progress};

/// What all artifacts of a run share.
pub(super) struct Pinning<'a> {
    pub(super) http: &'a Http,
    pub(super) runtime: Handle,
    pub(super) health: Health,
    pub(super) cache: Option<&'a Cache>,
    pub(super) base: &'a Url,
    pub(super) progress: &'a dyn Progress,
}

/// What came so far, and the URL of its source.
struct Taken {
    url: Url,
    incoming: Incoming,
}

/// All of a file.
struct Got {
    pin: Descriptor,
    /// Who answered.
    seen: Option<Seen>,
    /// Whether all bytes are of one answer.
    alone: bool,
}

impl Pinning<'_> {
    /// Fetches `artifact` and says what its bytes are.
    ///
    /// # Errors
    /// It cannot be had, or it has a digest already and the bytes have another.
    pub(super) fn pin(&self, artifact: &Artifact) -> Result<Descriptor> {
        let meter = self.progress.start(artifact.name.as_str(), artifact.pin.and_then(|pin| pin.size));
        let sources = plan::sources(artifact, self.base, &self.http.options().mirrors)?;
        let urls: Vec<Url> = sources.iter().map(|source| source.url.clone()).collect();
        let mut sources = Sources::new(sources, &self.health, self.http.options(), 0).past_caches();
        let named = |error: Error| {
            let error = error.fact("artifact", &artifact.name);
            match artifact.pin {
                Some(known) if error.class() == Class::Integrity => error.fact("expected digest", known.digest).hint(
                    "what is there is stale or another version: ask the server's operator to purge it; if these bytes \
                     are meant, pin them with: pack lock --update",
                ),
                _ => error,
            }
        };
        let mut taken: Option<Taken> = None;
        let note = |line| self.progress.note(&format!("{}: {line}", artifact.name));
        while let Some(turn) = self.runtime.block_on(sources.next(&note)) {
            let result = match local::at(&turn.url) {
                Some(local) => hash_local(&local, artifact, &turn, meter.as_ref()),
                None => {
                    let taken = self.taken(artifact, &mut taken, &turn.url, meter.as_ref());
                    self.runtime.block_on(self.fetch(artifact, &turn, taken, meter.as_ref()))
                }
            };
            let alone = result.as_ref().map_or(true, |got| got.alone);
            match result.and_then(|got| judge(artifact, &turn, got)) {
                Ok(pin) => {
                    self.keep(artifact, taken, pin, &urls);
                    meter.done("pinned");
                    return Ok(pin);
                }
                Err(Fault::Ours(error)) => return Err(named(error)),
                Err(fault) => {
                    if matches!(fault, Fault::Wrong(_)) {
                        if let Some(mut taken) = taken.take() {
                            // Whole, and not the file: nothing can go on from there.
                            meter.retract(taken.incoming.length());
                            taken.incoming.discard();
                        }
                        if !alone && sources.mixed(&turn, &note) {
                            continue;
                        }
                    }
                    let kept = taken.as_ref().map_or(0, |taken| taken.incoming.length());
                    sources.failed(&turn, fault, kept, &note);
                }
            }
        }
        Err(named(sources.into_error()))
    }

    /// What came so far from `url`: in this run, else in an earlier one, else nothing.
    fn taken<'a>(
        &self,
        artifact: &Artifact,
        held: &'a mut Option<Taken>,
        url: &Url,
        meter: &dyn Meter,
    ) -> &'a mut Incoming {
        let before = held.take();
        let taken = match before {
            Some(taken) if taken.url == *url => taken,
            before => {
                meter.retract(before.map_or(0, |other| other.incoming.length()));
                let incoming = self.incoming(artifact, url);
                meter.add(incoming.length());
                Taken { url: url.clone(), incoming }
            }
        };
        &mut held.insert(taken).incoming
    }

    fn incoming(&self, artifact: &Artifact, url: &Url) -> Incoming {
        let opened = self.cache.map(|cache| cache.incoming(&digest_of(url))).transpose();
        let incoming = opened.unwrap_or_else(|error| {
            self.progress.note(&format!("{}: not kept in the cache: {error}", artifact.name));
            None
        });
        incoming.unwrap_or_else(Incoming::nowhere)
    }

    /// Puts what came into the cache if it is what was pinned, and removes what else the artifact's URLs had sent
    /// of it: a file of this machine may have been pinned after a server sent a part.
    fn keep(&self, artifact: &Artifact, taken: Option<Taken>, pin: Descriptor, urls: &[Url]) {
        let Some(cache) = self.cache else { return };
        if let Some(Taken { mut incoming, .. }) = taken {
            if (incoming.length(), incoming.digest()) != (pin.size, pin.digest) {
                incoming.discard();
            } else if let Err(error) = cache.take(incoming) {
                self.progress.note(&format!("{}: not kept in the cache: {error}", artifact.name));
            }
        }
        for url in urls {
            // Where another run is at work on it, it is that one's.
            cache.forget_incoming(&digest_of(url));
        }
    }

    async fn fetch(
        &self,
        artifact: &Artifact,
        turn: &Turn,
        taken: &mut Incoming,
        meter: &dyn Meter,
    ) -> Result<Got, Fault> {
        let url = turn.rung.url(&turn.url);
        let known = taken.edition().filter(|_| taken.length() > 0 && !turn.whole_only).cloned();
        let mut answer = self.ask(&url, known.as_ref(), taken.length()).await?;
        let goes_on = |known: &Edition| edition(&url, &answer).is_some_and(|edition| edition.is_same(known));
        if known.is_some_and(|known| answer.seen.status == 206 && !goes_on(&known)) {
            // It took no notice of If-Range, or does not say which state of the file this is a part of.
            answer = self.ask(&url, None, 0).await?;
        }
        if let Some(error) = unfit(artifact, &answer) {
            return Err(Fault::Unfit(error));
        }
        // What is there is not given up for a head alone, however good: it may be all that a server sends.
        if answer.seen.status == 200 && (answer.begins().await? || answer.end_is_certain()) {
            meter.retract(taken.length());
            taken.restart(edition(&url, &answer))?;
        }
        if let Some(total) = answer.total {
            meter.expect(total);
        }
        while let Some(piece) = answer.piece().await? {
            if taken.length() + piece.len() as u64 > Limits::DEFAULT.artifact_bytes {
                taken.discard();
                let error = Error::failed("the file is larger than an artifact may be");
                let error =
                    answer.seen.add_to(error).fact("limit", format_args!("{} bytes", Limits::DEFAULT.artifact_bytes));
                return Err(Fault::Ours(error.hint("check the URL in the manifest, for example with 'curl -I'")));
            }
            taken.append(&piece)?;
            meter.add(piece.len() as u64);
        }
        let came = taken.length();
        if answer.end_is_certain() && answer.total.is_none_or(|total| total == came) {
            let pin = Descriptor { size: came, digest: taken.digest() };
            let alone = answer.came() == came;
            return Ok(Got { pin, seen: Some(answer.seen), alone });
        }
        let cause = "the server does not say how long the file is: nobody can tell whether all of it came";
        Err(Fault::Cut { seen: Box::new(answer.seen.clone()), came: answer.came(), cause: cause.into() })
    }

    /// Asks for all of the file, or, where an edition is known, for what follows the first `held` bytes of it.
    async fn ask(&self, url: &Url, known: Option<&Edition>, held: u64) -> Result<Answer<'_>, Fault> {
        let ask = Ask {
            range: known.map(|_| (held, None)),
            if_range: known.map(|edition| edition.validator.clone()),
            past_caches: true,
            apart: false,
        };
        self.http.get(url, &ask).await
    }
}

/// A digest that is known already binds: only a missing size may be filled in.
fn judge(artifact: &Artifact, turn: &Turn, got: Got) -> Result<Descriptor, Fault> {
    let Got { pin, seen, .. } = got;
    let Some(known) = artifact.pin else { return Ok(pin) };
    if known.digest == pin.digest && known.size.is_none_or(|size| size == pin.size) {
        return Ok(pin);
    }
    let (size, digest) = (Came::All(pin.size), Some(pin.digest));
    Err(match seen {
        Some(seen) => Fault::Wrong(Box::new(Wrong { seen, size, digest })),
        None => Fault::Local(local::other_bytes(&redact::shown(&turn.url), size, digest)),
    })
}

/// Which state of which file the answer to `asked` is of, where it tells one from every other.
fn edition(asked: &Url, answer: &Answer<'_>) -> Option<Edition> {
    let mut place = redact::bare(&Rung::stripped(answer.url().clone()));
    if place != redact::bare(&Rung::stripped(asked.clone())) {
        // Where a redirect leads, the query is often a signature that is another one each time.
        place.set_query(None);
    }
    Some(Edition { place: digest_of(&place), size: answer.total, validator: answer.strong_validator()? })
}

fn digest_of(url: &Url) -> Digest {
    Digest::of(url.as_str().as_bytes())
}

/// Why this answer's body cannot be the file that the publisher means.
fn unfit(artifact: &Artifact, answer: &Answer<'_>) -> Option<Error> {
    let kind = answer.seen.fact("content-type").unwrap_or_default().to_ascii_lowercase();
    let name = artifact.name.as_str().to_ascii_lowercase();
    let is_page = kind.starts_with("text/html") || kind.starts_with("application/xhtml+xml");
    let (error, hint) = if is_page && !name.ends_with(".html") && !name.ends_with(".htm") {
        let title = "the server sent a web page in place of the file";
        (Error::failed(title), "check the URL in a browser, and any login it asks for")
    } else if answer.coding().is_some() && artifact.pin.is_none() {
        // Where the digest is known it says which bytes are meant; else these would be pinned, and a server
        // that sends the file as it is would have other ones.
        let title = "the server sent the file in a coding that was not asked for";
        (Error::failed(title), "turn that off on the server for this file, or give another URL")
    } else {
        return None;
    };
    Some(answer.seen.add_to(error).hint(hint))
}

fn hash_local(local: &Local, artifact: &Artifact, turn: &Turn, meter: &dyn Meter) -> Result<Got, Fault> {
    let most = artifact.pin.and_then(|pin| pin.size).unwrap_or(Limits::DEFAULT.artifact_bytes);
    let Descriptor { size, digest } = local.descriptor(&redact::shown(&turn.url), most)?;
    meter.expect(size);
    meter.add(size);
    Ok(Got { pin: Descriptor { size, digest }, seen: None, alone: true })
}
