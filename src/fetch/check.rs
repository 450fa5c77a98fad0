//! What the sources of a pinned artifact have now: each is asked by itself.
//!
//! Of a reference in a registry its manifest's digest is asked for, on which everything else depends. Of a file the head of a
//! response tells enough where it says another size; else the file is read to its end, past caches.

use super::lock::Read;
use super::redact;
use super::run::Run;
use super::sources::{self, Source};
use super::tags::ResolvedTag;
use crate::digest::Descriptor;
use crate::error::Result;
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, Pin};

/// A source of an artifact, and what it has now.
#[derive(Debug)]
pub struct SourceNow {
    /// Its URL, without secrets.
    pub url: String,
    /// What it has; or why it could not be asked.
    pub has: Result<Has>,
}

/// What a source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Has {
    /// What the reference in a registry stands for.
    Image(ResolvedTag),
    /// A file, which was read to its end.
    File(Descriptor),
    /// A file of another size; no more of it was read.
    OtherSize(u64),
}

/// A source that is to be asked.
pub(super) enum ToAsk {
    Registry(RegistryRef),
    File(Source),
}

impl ToAsk {
    /// Every source of the artifact, mirrors too. Of a registry its own mirrors are asked in its place.
    ///
    /// # Errors
    /// A URL cannot be used.
    pub(super) fn of(artifact: &Artifact, run: &Run<'_>) -> Result<Vec<Self>> {
        let files = sources::sources(artifact, run.base, run.http.options())?;
        let registries = artifact.registry_refs().map(|reference| ToAsk::Registry(reference.unpinned()));
        let files = files.into_iter().filter(|source| source.image.is_none());
        Ok(registries.chain(files.map(ToAsk::File)).collect())
    }

    fn shown(&self) -> String {
        match self {
            ToAsk::Registry(reference) => reference.to_string(),
            ToAsk::File(source) => redact::shown(&source.url),
        }
    }
}

impl Run<'_> {
    /// Asks one source of the artifact, whose pin this is.
    pub(super) fn ask(&self, artifact: &Artifact, pin: Option<Pin>, source: &ToAsk) -> SourceNow {
        let meter = self.progress.start(artifact.id.name.as_str(), None);
        let has = match source {
            ToAsk::Registry(reference) => {
                let resolved = self.resolve(artifact, reference, meter.as_ref());
                resolved.map(|pulled| Has::Image(pulled.into_tag())).map_err(|error| error.into_error())
            }
            ToAsk::File(source) => {
                let unpinned = Artifact { pin: None, ..artifact.clone() };
                let size = pin.and_then(|pin| pin.size);
                self.read(&unpinned, vec![source.clone()], size, meter.as_ref()).map(|(read, _)| match read {
                    Read::Whole(descriptor) => Has::File(descriptor),
                    Read::Head { size } => Has::OtherSize(size),
                })
            }
        };
        meter.done(if has.is_ok() { "asked" } else { "not asked" });
        SourceNow { url: source.shown(), has: has.map_err(|error| error.fact("artifact", &artifact.id.name)) }
    }
}
