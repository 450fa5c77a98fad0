//! Artifacts put together: each has a name of its own, and each image is there once.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::Files;
use super::source;
use super::stack_file::StackFile;
use super::{Found, Place};
use crate::error::{Error, Result};
use crate::manifest::engine_ref::EngineRef;
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, ArtifactId, Kind};
use crate::path::{RelPath, shell_word};

/// Where archives of images from registries lie in the folder.
const FOLDER: &str = "images";
/// How many digits of a digest stand in a name.
const DIGITS: usize = 12;

/// Artifacts of a manifest, as they come together.
pub(super) struct Assembly<'a> {
    place: &'a Place<'a>,
    files: Files<'a>,
    found: Vec<Found>,
    /// Whether the archives of the manifest were looked into.
    is_asked: bool,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(place: &'a Place<'a>, files: Files<'a>) -> Self {
        Assembly { place, files, found: Vec::new(), is_asked: false }
    }

    /// What came together, and what is worth a line.
    pub(super) fn done(self) -> (Vec<Found>, Vec<String>) {
        (self.found, self.files.notes)
    }

    /// Adds an artifact. The same file twice is one.
    pub(super) fn add(&mut self, new: Found) -> Result<()> {
        let id = &new.artifact.id;
        if let Some(other) = self.place.there.iter().find(|other| clashes(&other.id, id)) {
            return Err(self.is_there(other, &new.source));
        }
        if let Some(other) = self.found.iter().find(|other| clashes(&other.artifact.id, id)) {
            if other.artifact.urls == new.artifact.urls {
                return Ok(());
            }
            return Err(Error::usage("two sources would have one name")
                .fact("name", &id.name)
                .fact("source", &other.source)
                .fact("source", &new.source)
                .hint("leave one of them out, or rename its file"));
        }
        self.found.push(new);
        Ok(())
    }

    /// Adds an image that was named by itself.
    pub(super) fn image(&mut self, reference: &RegistryRef, source: String) -> Result<()> {
        if let Some(other) = self.place.there.iter().find(|other| self.is_image(other, reference)) {
            return Err(self.is_there(other, &source));
        }
        self.wanted(reference, source)
    }

    /// Adds an image of an engine of this machine.
    pub(super) fn saved(&mut self, reference: &EngineRef) -> Result<()> {
        let named = source::image(reference.reference()).map_err(|why| {
            Error::usage("an image of an engine has no name")
                .fact("source", reference)
                .fact("reason", why)
                .hint(format_args!("give it a plain one: docker tag {} web:1, for example", reference.reference()))
        })?;
        if let Some(other) = self.place.there.iter().find(|other| self.is_image(other, &named)) {
            return Err(self.is_there(other, &reference.to_string()));
        }
        if self.found.iter().any(|other| self.is_image(&other.artifact, &named)) {
            return Ok(());
        }
        // Of all platforms: each is saved into a file of its own, beside the manifest.
        let id = self.id_for(&named, &|_| true)?;
        let artifact =
            Artifact { id, kind: Kind::Image, urls: vec![reference.to_string()], pin: None, cosign_key: None };
        self.add(Found { artifact, source: reference.to_string() })
    }

    /// Adds a stack file and those of its images that are not there yet.
    pub(super) fn stack(&mut self, stack: &StackFile) -> Result<()> {
        let packed: Vec<String> = stack.images.iter().map(|one| one.image.familiar()).collect();
        let packed: BTreeSet<String> = packed.into_iter().filter(|familiar| self.is_packed(familiar)).collect();
        self.files.notes.extend(stack.notes(&packed));
        let new = stack.found(self.place)?;
        self.add(new)?;
        for one in &stack.images {
            let reference = source::image(&one.image).map_err(|why| {
                Error::failed("an image of a stack file is in no registry")
                    .fact("path", stack.shown().display())
                    .fact("service", &one.service)
                    .fact("image", &one.image)
                    .fact("reason", why)
                    .hint("write the registry's whole name in front of it, with a dot or a port")
            })?;
            let is_there = self.place.there.iter().any(|other| self.is_image(other, &reference));
            if !is_there && !packed.contains(&one.image.familiar()) {
                self.wanted(&reference, format!("{}, {}", stack.shown().display(), one.service))?;
            }
        }
        Ok(())
    }

    /// Whether an archive has an image of this familiar name.
    fn is_packed(&mut self, familiar: &str) -> bool {
        if !self.is_asked && !self.files.packed.contains(familiar) {
            self.is_asked = true;
            let archives = self.place.there.iter().filter(|artifact| artifact.kind == Kind::Image);
            for artifact in archives.filter(|artifact| artifact.registry_refs().next().is_none()) {
                self.files.packed_already(artifact);
            }
        }
        self.files.packed.contains(familiar)
    }

    /// Adds an image unless it was found already.
    fn wanted(&mut self, reference: &RegistryRef, source: String) -> Result<()> {
        if self.found.iter().any(|other| self.is_image(&other.artifact, reference)) {
            return Ok(());
        }
        // What is saved from an engine has its name for itself.
        let id = self.id_for(reference, &|artifact| {
            artifact.id.is_for(self.place.platform) || artifact.engine_ref().is_some()
        })?;
        let artifact =
            Artifact { id, kind: Kind::Image, urls: vec![reference.to_string()], pin: None, cosign_key: None };
        self.add(Found { artifact, source })
    }

    /// What the archive of an image is called, beside those artifacts that count.
    fn id_for(&self, reference: &RegistryRef, counts: &dyn Fn(&Artifact) -> bool) -> Result<ArtifactId> {
        let taken: BTreeSet<String> = self
            .place
            .there
            .iter()
            .chain(self.found.iter().map(|found| &found.artifact))
            .filter(|artifact| counts(artifact))
            .map(|artifact| artifact.id.name.as_str().to_lowercase())
            .collect();
        let names = names_of(reference);
        let name = names.iter().find(|name| !taken.contains(&name.to_lowercase())).or(names.last());
        let name: RelPath =
            name.map_or(Ok(FOLDER), |name| Ok(name.as_str())).and_then(|name: &str| name.parse()).map_err(|why| {
                Error::failed("the archive of an image has no name")
                    .fact("image", reference)
                    .fact("reason", why)
                    .hint("save it into a file with a shorter name, with 'docker save -o', and name that")
            })?;
        Ok(ArtifactId { name, platform: Some(self.place.platform) })
    }

    /// Whether an artifact is this image for the platform, whatever its tag is pinned to, and wherever it comes from.
    fn is_image(&self, artifact: &Artifact, reference: &RegistryRef) -> bool {
        let is_in_registry = artifact.registry_refs().any(|known| {
            known.host() == reference.host()
                && known.repository() == reference.repository()
                && known.tag() == reference.tag()
                && (known.tag().is_some() || known.digest() == reference.digest())
        });
        let is_in_engine = artifact.engine_ref().is_some_and(|known| Some(known.name()) == reference.name());
        artifact.id.is_for(self.place.platform) && (is_in_registry || is_in_engine)
    }

    fn is_there(&self, other: &Artifact, source: &str) -> Error {
        let manifest = shell_word(self.place.shown);
        let name = shell_word(Path::new(other.id.name.as_str()));
        Error::failed("the manifest has that artifact already")
            .fact("manifest", self.place.shown.display())
            .fact("name", &other.id)
            .fact("source", source)
            .hint(format_args!(
                "nothing was written; to pin what its servers have now: pack lock --update={name} {manifest}"
            ))
    }
}

/// Whether two artifacts claim one place, also where the file system folds case.
fn clashes(one: &ArtifactId, other: &ArtifactId) -> bool {
    let both = one.platform.is_none() || other.platform.is_none() || one.platform == other.platform;
    both && one.name.as_str().to_lowercase() == other.name.as_str().to_lowercase()
}

/// The names that the archive of an image may get, the shortest first: `images/mysql-8.0.tar`.
fn names_of(reference: &RegistryRef) -> Vec<String> {
    let repository = reference.repository();
    let digest = reference.digest().map(|digest| digest.hex().chars().take(DIGITS).collect::<String>());
    let tag = reference.tag().map(str::to_owned).or(digest).unwrap_or_default();
    let last = repository.rsplit('/').next().unwrap_or_default();
    let joined = repository.replace('/', "-");
    let host = reference.host().replace([':', '[', ']'], "-");
    [last.to_owned(), joined.clone(), format!("{host}-{joined}")]
        .map(|stem| format!("{FOLDER}/{stem}-{tag}.tar"))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_after_its_repository_and_tag() {
        let names = |url: &str| names_of(&RegistryRef::parse(url).expect("a reference"));
        assert_eq!(
            names("oci://docker.io/library/mysql:8.0"),
            ["images/mysql-8.0.tar", "images/library-mysql-8.0.tar", "images/docker.io-library-mysql-8.0.tar"]
        );
        assert_eq!(names("oci://[::1]:5000/a/b/c:1")[2], "images/---1--5000-a-b-c-1.tar");
        let digest = format!("oci://r.example/x@sha256:{}", "ab".repeat(32));
        assert_eq!(names(&digest)[0], "images/x-abababababab.tar");
    }
}
