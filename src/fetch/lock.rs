//! Fetching artifacts that are not pinned yet: the one step that trusts a first response, so it is strict.
//!
//! Requests say `no-cache`. A response is refused if its end is uncertain, if it is in a coding that was not
//! requested, if a proxy changed it, or if it is a web page in place of the file (a login page, an error with a status of
//! success): then the next source is tried. The file is kept in the cache, and so is a part of it: a later run continues
//! from there, but only from the same place, and only if the server says that it is the same version. No digest would find
//! two halves that do not belong together.

use std::io::{self, Write};

use url::Url;

use super::cache_bypass::CacheBypass;
use super::cosign_key::CosignKey;
use super::error::{ActualSize, FetchError};
use super::http::{Link, Request};
use super::local::{self, Local};
use super::redact;
use super::registry::{Pull, Pulled, Received};
use super::response::{Body, HttpResponse};
use super::response_head::ResponseInfo;
use super::run::Run;
use super::schedule::{Assembly, RangeSupport, SourceQueue, Target, Try, TryReport};
use super::sources::{self, RegistryImageSource, Source};
use super::tags::ResolvedTag;
use super::unusable::unusable;
use crate::cache::{Edition, Incoming};
use crate::digest::{Descriptor, Digest};
use crate::error::{Class, Error, Result};
use crate::image::ArchiveSink;
use crate::manifest::{Artifact, ArtifactId, Limits};
use crate::progress::Meter;
use crate::release::pin_again;

/// The bytes so far, and the URL of their source.
struct PartOf {
    url: Url,
    incoming: Incoming,
}

/// What a response brought.
enum Fetched {
    Whole(Box<Whole>),
    /// Not the size that is asked for; the body was not read.
    OtherSize(u64),
}

/// A whole file.
struct Whole {
    pin: Descriptor,
    /// The head of the response; `None` for a local file.
    info: Option<ResponseInfo>,
    /// Whether all bytes are of one response.
    assembly: Assembly,
}

/// How much of a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// All of it.
    Whole(Descriptor),
    /// The head of a response, which says that it has this size, and not the one that was asked for.
    Head {
        /// In bytes.
        size: u64,
    },
}

/// What an artifact's bytes are.
#[derive(Debug, Clone)]
pub struct FetchedPin {
    /// The artifact.
    pub id: ArtifactId,
    /// Its size and digest.
    pub descriptor: Descriptor,
    /// What its tags in registries stand for.
    pub tags: Vec<ResolvedTag>,
    /// The fingerprint of the key by which the image in a registry was signed, where there was one to check that with.
    pub cosign_key: Option<Digest>,
}

impl Run<'_> {
    /// Fetches `artifact` and returns the size and digest of its bytes.
    ///
    /// # Errors
    /// It cannot be fetched, or it has a digest already and the bytes have another.
    pub(super) fn pin(&self, artifact: &Artifact) -> Result<FetchedPin> {
        let meter = self.progress.start(artifact.id.name.as_str(), artifact.pin.and_then(|pin| pin.size));
        let mut list = sources::sources(artifact, self.base, self.http.options())?;
        // An archive that lies elsewhere was made from what a registry has, or from what was saved: that comes first.
        list.sort_by_key(|source| source.image.is_none() && !source.is_saved);
        let key = self.http.options().cosign_key.as_ref().filter(|_| artifact.registry_refs().next().is_some());
        if key.is_some() {
            // Nobody has signed what lies elsewhere.
            list.retain(|source| source.image.is_some());
        }
        let read = self.read(artifact, list, None, meter.as_ref());
        let (read, image) = read.map_err(|error| named(artifact, self.base, error))?;
        let descriptor = match read {
            Read::Whole(descriptor) => descriptor,
            Read::Head { size } => {
                return Err(local::other_bytes(artifact.id.name.as_str(), ActualSize::Exactly(size), None));
            }
        };
        let tags = self.tags(artifact, image.as_ref(), meter.as_ref())?;
        meter.done("pinned");
        Ok(FetchedPin { id: artifact.id.clone(), descriptor, tags, cosign_key: key.map(CosignKey::fingerprint) })
    }

    /// Reads the artifact from one of the sources to its end; of a file that has not the `size` that is asked for, the head
    /// alone. Returns what was read, and the image where a registry was the source.
    ///
    /// # Errors
    /// No source has it, or it has a digest already and the bytes have another.
    pub(super) fn read(
        &self,
        artifact: &Artifact,
        list: Vec<Source>,
        size: Option<u64>,
        meter: &dyn Meter,
    ) -> Result<(Read, Option<Pulled>)> {
        let urls: Vec<Url> = list.iter().map(|source| source.url.clone()).collect();
        let mut queue = SourceQueue::new(list, &self.hosts, self.http.options(), 0).past_caches();
        let note = |line| self.progress.note(&format!("{}: {line}", artifact.id.name));
        let pulled = Received::default();
        let mut target = UnpinnedTarget { run: self, artifact, size, meter, received: None, image: None, pulled };
        let read = match self.runtime.block_on(queue.drive(&mut target, &note))? {
            Some(read) => read,
            None => return Err(queue.into_error()),
        };
        let (received, image) = (target.received.take(), target.image.take());
        if let Read::Whole(descriptor) = read {
            self.keep(artifact, received, descriptor, &urls);
        }
        Ok((read, image))
    }

    fn incoming(&self, artifact: &Artifact, url: &Url) -> Incoming {
        let opened = self.cache.map(|cache| cache.incoming(&digest_of(url))).transpose();
        let incoming = opened.unwrap_or_else(|error| {
            self.progress.note(&format!("{}: not kept in the cache: {error}", artifact.id.name));
            None
        });
        incoming.unwrap_or_else(Incoming::nowhere)
    }

    /// Puts the bytes into the cache if they are those that were pinned, and removes what other sources had sent: a
    /// local file may have been pinned after a server sent a part.
    fn keep(&self, artifact: &Artifact, received: Option<PartOf>, pin: Descriptor, urls: &[Url]) {
        let Some(cache) = self.cache else { return };
        if let Some(PartOf { mut incoming, .. }) = received {
            if incoming.descriptor().check(pin).is_err() {
                incoming.discard();
            } else if let Err(error) = cache.take(incoming) {
                self.progress.note(&format!("{}: not kept in the cache: {error}", artifact.id.name));
            }
        }
        for url in urls {
            // What another run works on stays.
            cache.forget_incoming(&digest_of(url));
        }
    }
}

fn named(artifact: &Artifact, manifest: &Url, error: Error) -> Error {
    let error = error.fact("artifact", &artifact.id.name);
    match artifact.pin {
        Some(known) if error.class() == Class::Integrity => error.fact("expected digest", known.digest).hint(format_args!(
            "the server's copy is stale or another version: ask its operator to purge it; if these bytes are meant, pin \
             them with: {}",
            pin_again(manifest)
        )),
        _ => error,
    }
}

/// An artifact whose digest is not known yet.
struct UnpinnedTarget<'a> {
    run: &'a Run<'a>,
    artifact: &'a Artifact,
    /// Of what has another size only the head is read.
    size: Option<u64>,
    meter: &'a dyn Meter,
    received: Option<PartOf>,
    /// What was pulled, where a registry was the source.
    image: Option<Pulled>,
    /// What came of its blobs.
    pulled: Received,
}

impl Target for UnpinnedTarget<'_> {
    type Output = Read;

    async fn attempt(&mut self, this: &Try) -> TryReport<Read> {
        let whole = match (&this.image, local::at(&this.url)) {
            (Some(image), _) => self.pull(this, image).await,
            (None, Some(local)) => hash_local(&local, self.artifact, this, self.meter),
            (None, None) => match self.fetch(this).await {
                Ok(Fetched::Whole(whole)) => Ok(*whole),
                Ok(Fetched::OtherSize(size)) => return TryReport::of(Ok(Read::Head { size })),
                Err(error) => Err(error),
            },
        };
        let assembly = whole.as_ref().map_or(Assembly::OneVersion, |whole| whole.assembly);
        let result = whole.and_then(|whole| judge(self.artifact, this, whole));
        if let Err(FetchError::WrongContent(_)) = result
            && let Some(mut received) = self.received.take()
        {
            // Whole, and not the file: nothing can continue from there.
            self.meter.retract(received.incoming.length());
            received.incoming.discard();
        }
        TryReport { assembly, ..TryReport::of(result.map(Read::Whole)) }
    }

    fn kept(&self) -> u64 {
        self.received.as_ref().map_or(0, |received| received.incoming.length()) + self.pulled.kept()
    }
}

impl UnpinnedTarget<'_> {
    /// The bytes so far from `url`: of this run, else of an earlier one, else none.
    fn received(&mut self, url: &Url) -> &mut Incoming {
        let before = self.received.take();
        let received = match before {
            Some(received) if received.url == *url => received,
            before => {
                self.meter.retract(before.map_or(0, |other| other.incoming.length()));
                let incoming = self.run.incoming(self.artifact, url);
                self.meter.add(incoming.length());
                PartOf { url: url.clone(), incoming }
            }
        };
        &mut self.received.insert(received).incoming
    }

    /// Writes the archive of an image in a registry.
    async fn pull(&mut self, this: &Try, image: &RegistryImageSource) -> Result<Whole, FetchError> {
        self.image = None;
        let (run, artifact, meter) = (self.run, self.artifact, self.meter);
        meter.retract(self.received.take().map_or(0, |before| before.incoming.length()));
        let mut incoming = run.incoming(artifact, &this.url);
        // The archive is made anew each time; what costs time are its blobs, and those are kept.
        incoming.restart(None)?;
        let pull =
            Pull { access: run.registry_access(), artifact, image, bypass: this.bypass, meter, received: &self.pulled };
        let pulled = pull.write(&mut ArchiveWriter { incoming: &mut incoming, meter }).await;
        let pin = incoming.descriptor();
        if pulled.is_err() {
            meter.retract(pin.size);
        }
        self.image = Some(pulled?);
        self.received = Some(PartOf { url: this.url.clone(), incoming });
        Ok(Whole { pin, info: None, assembly: Assembly::OneVersion })
    }

    async fn fetch(&mut self, this: &Try) -> Result<Fetched, FetchError> {
        let url = this.bypass.url(&this.url);
        let (http, artifact, meter, wanted) = (self.run.http, self.artifact, self.meter, self.size);
        let received = self.received(&this.url);
        let may_continue = received.length() > 0 && this.ranges != RangeSupport::Unusable;
        let known = received.edition().filter(|_| may_continue).cloned();
        let mut response = http.get(&url, &request(known.as_ref(), received.length())).await?;
        let continues = |known: &Edition| {
            response.body.start() == received.length()
                && edition(&url, &response).is_some_and(|edition| edition.is_same(known))
        };
        if known.is_some_and(|known| response.body != Body::Whole && !continues(&known)) {
            // The server ignored If-Range, or does not say which version this is a part of.
            response = http.get(&url, &request(None, 0)).await?;
        }
        if let Some(error) = unusable(artifact, &response) {
            return Err(FetchError::Unusable(error));
        }
        if let Some(other) = response.total.filter(|total| wanted.is_some_and(|wanted| wanted != *total)) {
            return Ok(Fetched::OtherSize(other));
        }
        // The bytes present are not given up for a head alone, however good: no body may follow.
        if response.body.start() == 0 && (response.has_body().await? || response.end_is_certain()) {
            meter.retract(received.length());
            received.restart(edition(&url, &response))?;
        }
        if let Some(total) = response.total {
            meter.expect(total);
        }
        while let Some(chunk) = response.chunk().await? {
            if received.length() + chunk.len() as u64 > Limits::DEFAULT.artifact_bytes {
                received.discard();
                let error = Error::failed("the file is larger than an artifact may be");
                let limit = Limits::DEFAULT.artifact_bytes;
                let error = response.info.add_to(error).fact("limit", format_args!("{limit} bytes"));
                return Err(FetchError::Own(error.hint("check the URL in the manifest, for example with 'curl -I'")));
            }
            received.append(&chunk)?;
            meter.add(chunk.len() as u64);
        }
        let size = received.length();
        if response.end_is_certain() && response.total.is_none_or(|total| total == size) {
            let pin = received.descriptor();
            let assembly = if response.received() == size { Assembly::OneVersion } else { Assembly::Mixed };
            let whole = Whole { pin, info: Some(response.info), assembly };
            return Ok(Fetched::Whole(Box::new(whole)));
        }
        let cause =
            "the server does not say how long the file is: nobody can tell whether this is all of it".to_owned();
        let received = response.received();
        Err(FetchError::Cut { info: Box::new(response.info), received, cause })
    }
}

/// Takes the bytes of an archive.
struct ArchiveWriter<'a> {
    incoming: &'a mut Incoming,
    meter: &'a dyn Meter,
}

impl Write for ArchiveWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.incoming.length() + bytes.len() as u64 > Limits::DEFAULT.artifact_bytes {
            return Err(io::Error::other(Error::failed("the image's archive is larger than an artifact may be")));
        }
        self.incoming.append(bytes).map_err(io::Error::other)?;
        self.meter.add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ArchiveSink for ArchiveWriter<'_> {
    fn start_over(&mut self) -> Result<()> {
        self.meter.retract(self.incoming.length());
        self.incoming.restart(None)
    }
}

/// A request for the whole file, or for the bytes from `present` on of a version that is known.
fn request(known: Option<&Edition>, present: u64) -> Request {
    Request {
        range: known.map(|_| (present, None)),
        if_range: known.map(|edition| edition.validator.clone()),
        bypass: CacheBypass::NoCache,
        link: Link::Shared,
        ..Request::default()
    }
}

/// A digest that is pinned already binds: only a missing size may be filled in.
fn judge(artifact: &Artifact, this: &Try, whole: Whole) -> Result<Descriptor, FetchError> {
    let Whole { pin, info, .. } = whole;
    let Some(known) = artifact.pin else { return Ok(pin) };
    if known.check(pin).is_ok() {
        return Ok(pin);
    }
    let (size, digest) = (ActualSize::Exactly(pin.size), Some(pin.digest));
    Err(match info {
        Some(info) => FetchError::wrong_content(&info, size, digest),
        None => FetchError::Local(local::other_bytes(&redact::shown(&this.url), size, digest)),
    })
}

/// The version of the file in the response to a request for `requested`, if the server tells it from every other.
fn edition(requested: &Url, response: &HttpResponse<'_>) -> Option<Edition> {
    let mut place = redact::bare(&CacheBypass::stripped(response.url().clone()));
    if place != redact::bare(&CacheBypass::stripped(requested.clone())) {
        // The query of a redirect's target is often a signature that differs each time.
        place.set_query(None);
    }
    Some(Edition { place: digest_of(&place), size: response.total, validator: response.strong_validator()? })
}

fn digest_of(url: &Url) -> Digest {
    Digest::of(url.as_str().as_bytes())
}

fn hash_local(local: &Local, artifact: &Artifact, this: &Try, meter: &dyn Meter) -> Result<Whole, FetchError> {
    let most = artifact.pin.and_then(|pin| pin.size).unwrap_or(Limits::DEFAULT.artifact_bytes);
    let pin = local.descriptor(&redact::shown(&this.url), most)?;
    meter.expect(pin.size);
    meter.add(pin.size);
    Ok(Whole { pin, info: None, assembly: Assembly::OneVersion })
}
