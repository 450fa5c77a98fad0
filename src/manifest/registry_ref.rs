//! Images in registries as sources: `oci://HOST/REPO:TAG`, `oci://HOST/REPO:TAG@sha256:…`, `oci://HOST/REPO@sha256:…`.

use std::fmt;

use super::Artifact;
use crate::digest::Digest;
use crate::image_ref::{ImageRef, NotAnImageRef};

/// An image in a registry. Host and repository are always there, and a tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryRef(ImageRef);

impl Artifact {
    /// The images in registries among its URLs, in their order.
    pub fn registry_refs(&self) -> impl Iterator<Item = RegistryRef> {
        self.urls.iter().filter_map(|url| RegistryRef::parse(url).ok())
    }
}

impl RegistryRef {
    /// The scheme of its URL.
    pub const SCHEME: &str = "oci";

    /// Reads the URL.
    ///
    /// # Errors
    /// It does not name a host, a repository, and a tag or a digest; the text says which.
    pub fn parse(url: &str) -> Result<Self, String> {
        let text = url.strip_prefix("oci://").ok_or("a registry's URL begins with oci://")?;
        // No word of the URL is repeated: somebody may have put a password into it.
        let reference: ImageRef = text.parse().map_err(|why: NotAnImageRef| why.reason().to_owned())?;
        let host = reference.name().split_once('/').map(|(host, _)| host);
        if !host.is_some_and(|host| host == "localhost" || host.contains(['.', ':'])) {
            return Err("it names no registry: write oci://docker.io/library/redis:6, for example".to_owned());
        }
        if reference.tag().is_none() && reference.digest().is_none() {
            return Err("it has neither a tag nor a digest".to_owned());
        }
        Ok(RegistryRef(reference))
    }

    /// The registry, with a port where it has one.
    pub fn host(&self) -> &str {
        match self.0.name().split_once('/').map_or("", |(host, _)| host) {
            "index.docker.io" => "docker.io",
            host => host,
        }
    }

    /// The repository. Docker Hub's official images lie below `library/`.
    pub fn repository(&self) -> String {
        let path = self.0.name().split_once('/').map_or("", |(_, path)| path);
        if self.host() == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path.to_owned() }
    }

    /// The digest that is pinned, of the image's manifest or of an index.
    pub fn digest(&self) -> Option<Digest> {
        self.0.digest()
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The name to load the image under: as `docker pull` would name it. `None` without a tag.
    pub fn name(&self) -> Option<ImageRef> {
        let named = format!("{}:{}", self.0.name(), self.0.tag()?);
        ImageRef::tagged(&named.parse::<ImageRef>().ok()?.familiar()).ok()
    }

    /// The same image at a mirror of its registry, `HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// The mirror's name cannot be part of a reference.
    pub fn at_mirror(&self, mirror: &str) -> Result<Self, String> {
        let tag = self.0.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.0.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
        Self::parse(&format!("oci://{mirror}/{}{tag}{digest}", self.repository()))
    }

    /// The same tag, pinned to this manifest.
    pub fn pinned(&self, manifest: Digest) -> Self {
        let tag = self.0.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let text = format!("{}{tag}@{manifest}", self.0.name());
        text.parse().map_or_else(|_| self.clone(), RegistryRef)
    }

    /// Whether it has a tag that nothing has pinned.
    pub fn is_open(&self) -> bool {
        self.0.tag().is_some() && self.0.digest().is_none()
    }

    /// The tag as if nothing had pinned it; without a tag, this.
    pub fn unpinned(&self) -> Self {
        let Some(tag) = self.tag() else { return self.clone() };
        format!("{}:{tag}", self.0.name()).parse().map_or_else(|_| self.clone(), RegistryRef)
    }
}

impl fmt::Display for RegistryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", Self::SCHEME, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_url_names_host_repository_and_tag_or_digest() {
        let digest = Digest::of(b"");
        let read = |text: &str| RegistryRef::parse(text).expect(text);
        let hub = read("oci://docker.io/redis:6");
        assert_eq!((hub.host(), &hub.repository()[..], hub.tag()), ("docker.io", "library/redis", Some("6")));
        assert_eq!(hub.name().map(|name| name.to_string()).as_deref(), Some("redis:6"));
        let pinned = hub.pinned(digest);
        assert_eq!(pinned.to_string(), format!("oci://docker.io/redis:6@{digest}"));
        assert_eq!((pinned.digest(), pinned.unpinned()), (Some(digest), hub));
        let bare = read(&format!("oci://localhost:5000/a/b@{digest}"));
        assert_eq!((bare.host(), bare.name(), bare.unpinned()), ("localhost:5000", None, bare.clone()));
        for bad in
            ["oci://redis:6", "oci://r.example/x", "oci://r.example/X:1", "oci://u:p@r.example/x:1", "oci:///x:1"]
        {
            assert!(RegistryRef::parse(bad).is_err(), "{bad}");
        }
    }
}
