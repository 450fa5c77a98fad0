//! Fetching what nobody pinned yet: the one step that trusts a first answer, so it takes care whose.
//!
//! Caches are told to keep out; an answer whose end is uncertain is not accepted; neither is one in a coding
//! nobody asked for, nor a web page in place of the file (a login page, an error dressed as a success):
//! then the next source is asked. What came is kept in the cache.

use std::io::Write;

use tokio::runtime::Handle;
use url::Url;

use super::answer::Answer;
use super::fault::Fault;
use super::health::Health;
use super::http::{Ask, Http};
use super::local::{self, Local};
use super::plan;
use super::redact;
use super::retry::{Sources, Turn};
use crate::cache::{Cache, Incoming};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::manifest::pin::PinOf;
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

/// The bytes so far: hashed, and written down where there is a cache to keep them.
struct Taken {
    hasher: Hasher,
    file: Option<Incoming>,
    /// Which state of which file these bytes are a part of.
    of: Option<(Url, String)>,
}

impl Pinning<'_> {
    /// Fetches `artifact` and says what its bytes are.
    ///
    /// # Errors
    /// It cannot be had, or it has a digest already and the bytes have another.
    pub(super) fn pin(&self, artifact: &Artifact) -> Result<PinOf> {
        let meter = self.progress.start(artifact.name.as_str(), artifact.pin.and_then(|pin| pin.size));
        let sources = plan::sources(artifact, self.base, &self.http.options().mirrors)?;
        let mut sources = Sources::new(sources, &self.health, self.http.options(), 0);
        let named = |error: Error| error.fact("artifact", &artifact.name);
        let mut taken = Taken { hasher: Hasher::new(), file: None, of: None };
        let note = |line| self.progress.note(&format!("{}: {line}", artifact.name));
        while let Some(turn) = self.runtime.block_on(sources.next(&note)) {
            let result = match local::at(&turn.url) {
                Some(local) => hash_local(local, &turn, meter.as_ref()),
                None => self.runtime.block_on(self.fetch(artifact, &turn, &mut taken, meter.as_ref())),
            };
            match result {
                Ok(pin) => {
                    self.judge(artifact, &turn, pin).map_err(named)?;
                    if let (Some(cache), Some(file)) = (self.cache, taken.file)
                        && let Err(error) = cache.keep(&pin.digest, file.path())
                    {
                        note(format!("not kept in the cache: {error}"));
                    }
                    meter.done("pinned");
                    return Ok(pin);
                }
                Err(Fault::Ours(error)) => return Err(named(error)),
                Err(fault) => sources.failed(&turn, fault, taken.hasher.length(), &note),
            }
        }
        Err(named(sources.into_error()))
    }

    /// A digest that is known already binds: only a missing size may be filled in.
    fn judge(&self, artifact: &Artifact, turn: &Turn, pin: PinOf) -> Result<()> {
        let Some(known) = artifact.pin else { return Ok(()) };
        if known.digest == pin.digest && known.size.is_none_or(|size| size == pin.size) {
            return Ok(());
        }
        Err(Error::integrity("the server has other bytes than the manifest pins")
            .fact("url", redact::shown(&turn.url))
            .fact("expected digest", known.digest)
            .fact("actual digest", pin.digest)
            .fact("actual size", format_args!("{} bytes", pin.size))
            .hint("if the new bytes are meant, pin them with: pack lock --update"))
    }

    async fn fetch(
        &self,
        artifact: &Artifact,
        turn: &Turn,
        taken: &mut Taken,
        meter: &dyn Meter,
    ) -> Result<PinOf, Fault> {
        let url = turn.rung.url(&turn.url);
        let known =
            taken.of.as_ref().filter(|(of, _)| *of == url && !turn.whole_only).map(|(_, validator)| validator.clone());
        let ask = Ask {
            range: known.is_some().then(|| (taken.hasher.length(), None)),
            if_range: known,
            past_caches: true,
            apart: false,
        };
        let mut answer = self.http.get(&url, &ask).await?;
        if let Some(error) = unfit(artifact, &answer) {
            return Err(Fault::Unfit(error));
        }
        if answer.start != taken.hasher.length() || answer.seen.status == 200 {
            meter.retract(taken.hasher.length());
            *taken = Taken { hasher: Hasher::new(), file: self.begin(artifact)?, of: None };
        }
        taken.of = answer.validator().map(|validator| (url, validator));
        if let Some(total) = answer.total {
            meter.expect(total);
        }
        while let Some(piece) = answer.piece().await? {
            if taken.hasher.length() + piece.len() as u64 > Limits::DEFAULT.artifact_bytes {
                let error = Error::failed("the file is larger than an artifact may be");
                return Err(Fault::Ours(answer.seen.add_to(error).fact("limit", Limits::DEFAULT.artifact_bytes)));
            }
            if let Some(file) = &mut taken.file {
                file.file().write_all(&piece).doing("write", file.path())?;
            }
            taken.hasher.update(&piece);
            meter.add(piece.len() as u64);
        }
        let came = taken.hasher.length();
        if answer.end_is_certain() && answer.total.is_none_or(|total| total == came) {
            return Ok(PinOf { size: came, digest: taken.hasher.clone().finish() });
        }
        let cause = "the server does not say how long the file is: nobody can tell whether all of it came";
        Err(Fault::Cut { seen: Box::new(answer.seen.clone()), came: answer.came(), cause: cause.into() })
    }

    fn begin(&self, artifact: &Artifact) -> Result<Option<Incoming>> {
        let Some(cache) = self.cache else { return Ok(None) };
        match cache.begin() {
            Ok(file) => Ok(Some(file)),
            Err(error) => {
                self.progress.note(&format!("{}: not kept in the cache: {error}", artifact.name));
                Ok(None)
            }
        }
    }
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

fn hash_local(local: Local, turn: &Turn, meter: &dyn Meter) -> Result<PinOf, Fault> {
    let absent = || Fault::NotThere { url: redact::shown(&turn.url) };
    let (size, digest) = match local {
        Local::BuiltIn(bytes) => bytes.map(|bytes| (bytes.len() as u64, Digest::of(bytes))).ok_or_else(absent)?,
        Local::File(path) => match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(absent()),
            other => other.and_then(Digest::of_reader).doing("read", &path).map_err(Fault::Local)?,
        },
    };
    meter.expect(size);
    meter.add(size);
    Ok(PinOf { size, digest })
}
