//! What tags in registries stand for.

use super::cache_bypass::CacheBypass;
use super::error::FetchError;
use super::registry::{Pull, Pulled, Received};
use super::run::Run;
use super::sources::RegistryImageSource;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::Artifact;
use crate::manifest::registry_ref::RegistryRef;
use crate::progress::Meter;

/// What a tag in a registry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedTag {
    /// The tag, as the artifact's URL has it.
    pub reference: RegistryRef,
    /// The digest of the image's manifest.
    pub manifest: Digest,
    /// The digest of what has the tag: the same, or that of an index.
    pub tagged: Digest,
}

impl Run<'_> {
    /// What the open tags among the artifact's URLs stand for, of which `image` is the one that was fetched.
    ///
    /// # Errors
    /// One of them stands for another image. What nobody can be asked about is noted, and stays open.
    pub(super) fn tags(
        &self,
        artifact: &Artifact,
        image: Option<&Pulled>,
        meter: &dyn Meter,
    ) -> Result<Vec<ResolvedTag>> {
        let note = |line: String| self.progress.note(&format!("{}: {line}", artifact.id.name));
        let mut tags: Vec<ResolvedTag> = Vec::new();
        for reference in artifact.registry_refs().filter(RegistryRef::is_open) {
            let found = match image {
                Some(image) if image.named == reference => Ok(image.clone()),
                Some(_) => self.resolve(artifact, &reference, meter).map_err(|error| error.line()),
                None => Err("its image was not fetched from there".to_owned()),
            };
            match (found, image) {
                (Ok(found), Some(image)) if found.id != image.id => {
                    return Err(Error::failed("two URLs of an artifact name different images")
                        .fact("artifact", &artifact.id.name)
                        .fact("url", &image.named)
                        .fact("image", image.id)
                        .fact("url", &reference)
                        .fact("other image", found.id)
                        .hint("give only URLs of one image: push it to the other registry, or remove that URL"));
                }
                (Ok(found), _) => tags.push(found.into_tag()),
                (Err(why), _) => note(format!("{reference} is not pinned: {why}")),
            }
        }
        Ok(tags)
    }

    /// Asks what `named` stands for: the mirrors of its registry, then that itself.
    ///
    /// # Errors
    /// None of them can be asked.
    pub(super) fn resolve(
        &self,
        artifact: &Artifact,
        named: &RegistryRef,
        meter: &dyn Meter,
    ) -> Result<Pulled, FetchError> {
        let received = Received::default();
        let mut last = None;
        for image in RegistryImageSource::all(named, self.http.options()) {
            let bypass = CacheBypass::NoCache;
            let pull =
                Pull { access: self.registry_access(), artifact, image: &image, bypass, meter, received: &received };
            match self.runtime.block_on(pull.resolve()) {
                Ok(pulled) => return Ok(pulled),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| FetchError::Own(Error::failed("there is no registry to ask"))))
    }
}

impl Pulled {
    pub(super) fn into_tag(self) -> ResolvedTag {
        ResolvedTag { reference: self.named, manifest: self.manifest, tagged: self.tagged }
    }
}
