//! Images in a container engine of the publisher's machine as sources: `docker-daemon:REF`.
//!
//! `pack lock` saves such an image into a file beside the manifest, under the artifact's name. That file is what is pinned,
//! and where everybody else gets it from: the engine itself is nobody's but the publisher's.

use std::fmt;

use url::Url;

use super::registry_ref::RegistryRef;
use super::{Artifact, Kind};
use crate::image_ref::ImageRef;
use crate::path::RelPath;

/// An image in an engine, by a name with a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRef(ImageRef);

impl Artifact {
    /// The image of an engine that it is saved from.
    pub fn engine_ref(&self) -> Option<EngineRef> {
        self.urls.iter().find_map(|url| EngineRef::parse(url).ok())
    }

    /// Its URLs, absolute or relative to the manifest; for an engine's image that of the file that is saved.
    pub fn locations(&self) -> Vec<String> {
        let location = |url: &String| match EngineRef::parse(url) {
            Ok(_) => beside(&self.id.name),
            Err(_) => url.clone(),
        };
        self.urls.iter().map(location).collect()
    }
}

impl EngineRef {
    /// The scheme of its URL, as other tools call an engine that is asked for images.
    pub const SCHEME: &str = "docker-daemon";

    /// Reads the URL.
    ///
    /// # Errors
    /// It does not name an image with a tag; the text says why.
    pub fn parse(url: &str) -> Result<Self, String> {
        let text = Self::reference_in(url).ok_or("an image of an engine begins with docker-daemon:")?;
        match ImageRef::tagged(text) {
            Ok(reference) => Ok(EngineRef(reference)),
            Err(why) => Err(format!("{}: write docker-daemon:redis:6.2, for example", why.reason())),
        }
    }

    /// What stands behind the scheme, if it is this one.
    pub fn reference_in(url: &str) -> Option<&str> {
        url.strip_prefix(Self::SCHEME)?.strip_prefix(':')
    }

    /// What the engine is asked for.
    pub fn reference(&self) -> &ImageRef {
        &self.0
    }

    /// The name to load the image under, which a registry's image has too.
    pub fn name(&self) -> ImageRef {
        ImageRef::tagged(&self.0.familiar()).unwrap_or_else(|_| self.0.clone())
    }
}

impl fmt::Display for EngineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Self::SCHEME, self.0)
    }
}

/// What is saved from an engine is one image, and nothing else says what the file is.
///
/// # Errors
/// The URLs of an artifact say something else; the text says what.
pub(super) fn check(urls: &[String], kind: Kind) -> Result<(), &'static str> {
    let is_of_engine = |url: &&String| EngineRef::parse(url).is_ok();
    match urls.iter().filter(is_of_engine).count() {
        0 => Ok(()),
        _ if kind != Kind::Image => Err("a docker-daemon: URL names an image, so the artifact's kind is 'image'"),
        1 if urls.iter().any(|url| RegistryRef::parse(url).is_ok()) => {
            Err("an image comes from a registry or from an engine: give either an oci:// or a docker-daemon: URL")
        }
        1 => Ok(()),
        _ => Err("an artifact is saved from one engine: give one docker-daemon: URL"),
    }
}

/// Beside the manifest there is one file of a name, whatever platform it is for; `others` have the artifact's name.
///
/// # Errors
/// One of them is saved from an engine.
pub(super) fn check_place(artifact: &Artifact, others: &[&Artifact]) -> Result<(), String> {
    let is_saved = |one: &Artifact| one.engine_ref().is_some();
    if others.is_empty() || !is_saved(artifact) && !others.iter().any(|other| is_saved(other)) {
        return Ok(());
    }
    let name = &artifact.id.name;
    Err(format!("'{name}' is saved from an engine into one file, and is given for two platforms: rename one"))
}

/// The URL of a file beside the manifest, relative to that.
fn beside(name: &RelPath) -> String {
    let mut url = Url::parse("file:///").ok();
    if let Some(Ok(mut path)) = url.as_mut().map(Url::path_segments_mut) {
        path.pop_if_empty().extend(name.parts());
    }
    let path = url.map_or_else(|| name.to_string(), |url| url.path().trim_start_matches('/').to_owned());
    // What has a colon in its first part would be read as a scheme.
    let is_scheme = path.split('/').next().is_some_and(|first| first.contains(':'));
    if is_scheme { format!("./{path}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ArtifactId;

    #[test]
    fn an_engines_url_names_an_image_with_a_tag() {
        let read = EngineRef::parse("docker-daemon:docker.io/library/redis:6.2").expect("a reference");
        assert_eq!(read.reference().as_str(), "docker.io/library/redis:6.2");
        assert_eq!(read.name().as_str(), "redis:6.2");
        assert_eq!(read.to_string(), "docker-daemon:docker.io/library/redis:6.2");
        let digest = format!("docker-daemon:x:1@sha256:{}", "ab".repeat(32));
        for bad in ["docker-daemon:redis", "docker-daemon:", "docker-daemon://redis:6", "redis:6", &digest] {
            assert!(EngineRef::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn everybody_else_gets_the_file_beside_the_manifest() {
        let id = ArtifactId { name: "images/a b.tar".parse().expect("a path"), platform: None };
        let urls = vec!["https://h.example/a".to_owned(), "docker-daemon:a:1".to_owned()];
        let artifact = Artifact { id, kind: Kind::Image, urls, pin: None, cosign_key: None };
        assert_eq!(artifact.locations(), ["https://h.example/a", "images/a%20b.tar"]);
        assert_eq!(artifact.engine_ref().map(|it| it.to_string()).as_deref(), Some("docker-daemon:a:1"));
    }
}
