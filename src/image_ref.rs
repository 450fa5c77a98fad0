//! References to images, such as `registry.example.com:5000/shop/web:1.2`.
//!
//! The grammar, its limits and the familiar form are those of <https://github.com/distribution/reference>, which
//! Docker, containerd and podman use. An engine refuses to load an image under any other name.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::Digest;

/// The longest name (domain and path), in bytes.
const LONGEST_NAME: usize = 255;
/// The longest tag, in bytes.
const LONGEST_TAG: usize = 128;
/// The domain and the first path component that the familiar form leaves out.
const DOCKER_HUB: &str = "docker.io";
const OFFICIAL: &str = "library/";

/// A reference to an image: `[DOMAIN[:PORT]/]PATH[:TAG][@sha256:…]`.
///
/// It keeps the form in which it was written, and two are equal when they are written alike. Whether two *mean* the
/// same image is a question to [`ImageRef::familiar`].
///
/// ```
/// # use pack::image_ref::ImageRef;
/// let reference: ImageRef = "docker.io/library/redis".parse()?;
/// assert_eq!((reference.name(), reference.tag()), ("docker.io/library/redis", None));
/// assert_eq!(reference.familiar(), "redis:latest");
/// # Ok::<(), pack::image_ref::NotAnImageRef>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    written: String,
    /// The length of domain and path.
    name: usize,
    /// The length of the tag; 0 without one.
    tag: usize,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Parses a name that an image can be loaded under: one with a tag and without a digest.
    ///
    /// # Errors
    /// It is not a reference, has no tag, or has a digest.
    pub fn tagged(text: &str) -> Result<Self, NotAnImageRef> {
        let reference: Self = text.parse()?;
        match (reference.tag(), reference.digest) {
            (None, _) => Err(NotAnImageRef::new(text, "it has no tag")),
            (_, Some(_)) => Err(NotAnImageRef::new(text, "an image is loaded under a tag, not under a digest")),
            _ => Ok(reference),
        }
    }

    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Domain and path as they were written, without tag and digest.
    pub fn name(&self) -> &str {
        &self.written[..self.name]
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        (self.tag > 0).then(|| &self.written[self.name + 1..][..self.tag])
    }

    /// The digest of the image's manifest, if there is one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The form that is equal for two references to the same image: without Docker Hub's domain and `library/`, and
    /// with `:latest` where there is neither a tag nor a digest.
    pub fn familiar(&self) -> String {
        let (domain, path) = split_domain(self.name());
        let is_hub = matches!(domain, None | Some(DOCKER_HUB | "index.docker.io"));
        let name = match path.strip_prefix(OFFICIAL).filter(|short| is_hub && !short.contains('/')) {
            Some(short) => short,
            None if is_hub => path,
            None => self.name(),
        };
        match &self.written[self.name..] {
            "" => format!("{name}:latest"),
            rest => format!("{name}{rest}"),
        }
    }

    /// The full form, with Docker Hub's domain and `library/` where the reference is short.
    ///
    /// ```
    /// # use pack::image_ref::ImageRef;
    /// let full = |text: &str| text.parse().map(|reference: ImageRef| reference.canonical());
    /// assert_eq!(full("redis:5")?, "docker.io/library/redis:5");
    /// assert_eq!(full("shop/web:1")?, "docker.io/shop/web:1");
    /// assert_eq!(full("localhost:5000/web:1")?, "localhost:5000/web:1");
    /// # Ok::<(), pack::image_ref::NotAnImageRef>(())
    /// ```
    pub fn canonical(&self) -> String {
        let familiar = self.familiar();
        // A tag has no slash, and the domain of a familiar form is not Docker Hub's.
        let name = familiar.split_once('@').map_or(&familiar[..], |(name, _)| name);
        match split_domain(name) {
            (Some(_), _) => familiar,
            (None, path) if path.contains('/') => format!("{DOCKER_HUB}/{familiar}"),
            (None, _) => format!("{DOCKER_HUB}/{OFFICIAL}{familiar}"),
        }
    }
}

impl FromStr for ImageRef {
    type Err = NotAnImageRef;

    fn from_str(text: &str) -> Result<Self, NotAnImageRef> {
        let not = |why: &str| NotAnImageRef::new(text, why);
        let (tagged, digest) = match text.split_once('@') {
            Some((tagged, digest)) => (tagged, Some(digest.parse().map_err(|_| not("its digest is not SHA-256"))?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to a port.
        let colon = tagged.rfind(':').filter(|colon| !tagged[*colon..].contains('/'));
        let name = colon.map_or(tagged, |colon| &tagged[..colon]);
        let tag = colon.map(|colon| &tagged[colon + 1..]);
        if name.len() > LONGEST_NAME {
            return Err(not("its name is longer than 255 characters"));
        }
        let (domain, path) = split_domain(name);
        if domain.is_some_and(|domain| !is_domain(domain)) {
            return Err(not("its registry is not a host"));
        }
        if !path.split('/').all(is_component) {
            return Err(not("a name is lower-case letters and digits, joined by '.', '_', '__', '-' or '/'"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(not("a tag is up to 128 letters, digits, '_', '.' and '-'"));
        }
        let (name, tag) = (name.len(), tag.map_or(0, str::len));
        Ok(ImageRef { written: text.to_owned(), name, tag, digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for ImageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is not a reference to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnImageRef {
    text: String,
    reason: String,
}

impl NotAnImageRef {
    fn new(text: &str, reason: &str) -> Self {
        NotAnImageRef { text: text.chars().take(80).collect(), reason: reason.to_owned() }
    }

    /// The reason, without the text.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for NotAnImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a name that an engine takes for an image: {}", self.text, self.reason)
    }
}

impl std::error::Error for NotAnImageRef {}

/// Domain and path. The first component is a domain only where it cannot be part of a path.
fn split_domain(name: &str) -> (Option<&str>, &str) {
    let is_domain_like = |first: &str| {
        first == "localhost" || first.contains(['.', ':']) || first.chars().any(|c| c.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some((first, rest)) if is_domain_like(first) => (Some(first), rest),
        _ => (None, name),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| !host.is_empty() && host.chars().all(|c| c.is_ascii_hexdigit() || c == ':'));
    let is_label = |label: &str| {
        let ends = label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric());
        ends && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    (is_address || host.split('.').all(is_label)) && port.is_none_or(is_port)
}

/// Lower-case words, joined by a point, one or two underscores, or any number of dashes.
fn is_component(component: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |between: &str| matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-');
    component.starts_with(is_word) && component.ends_with(is_word) && component.split(is_word).all(is_joint)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= LONGEST_TAG && tag.starts_with(is_word) && tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(text: &str) -> ImageRef {
        text.parse().expect("a reference")
    }

    #[test]
    fn names_are_those_an_engine_takes() {
        for good in [
            "redis:5",
            "library/redis:5.0.7-alpine_1",
            "docker.io/library/redis:LATEST",
            "localhost/x:1",
            "registry.example.com:5000/a.b/c__d/e--f:v1",
            "[2001:db8::1]:5000/x:1",
            "Host/x:1",
        ] {
            let reference = ImageRef::tagged(good).expect(good);
            assert_eq!(format!("{}:{}", reference.name(), reference.tag().expect("a tag")), good);
            assert_eq!((reference.as_str(), reference.digest()), (good, None));
        }
        let long = format!("{}:1", "x".repeat(256));
        let long_tag = format!("x:{}", "1".repeat(129));
        for bad in [
            "",
            ":5",
            "redis:",
            "Redis:5",
            "probe/One:1",
            "-x:1",
            "x-:1",
            "a..b:1",
            "a___b:1",
            "x:-1",
            "x: 1",
            "x@sha256:00",
            "a//b:1",
            "/a:1",
            "a/:1",
            "http://x/y:1",
            "x.y:z/a:1",
            "é:1",
            &long,
            &long_tag,
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
        assert!(format!("{}:{}", &long[1..256], &long_tag[3..]).parse::<ImageRef>().is_ok(), "the longest");
    }

    #[test]
    fn an_image_is_loaded_under_a_tag() {
        for bad in ["redis", &format!("redis@{DIGEST}"), &format!("redis:5@{DIGEST}")] {
            assert!(bad.parse::<ImageRef>().is_ok(), "{bad}");
            assert!(ImageRef::tagged(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn references_to_the_same_image_have_one_familiar_form() {
        let pinned = format!("r/x@{DIGEST}");
        for (written, familiar) in [
            ("redis", "redis:latest"),
            ("docker.io/library/redis:6", "redis:6"),
            ("index.docker.io/library/redis:6", "redis:6"),
            ("library/redis:6", "redis:6"),
            ("docker.io/shop/web:1", "shop/web:1"),
            ("library/shop/web:1", "library/shop/web:1"),
            ("r.example/library/redis:6", "r.example/library/redis:6"),
            ("localhost:5000/x/redis", "localhost:5000/x/redis:latest"),
            (&pinned, &pinned),
        ] {
            assert_eq!(parse(written).familiar(), familiar);
            assert_eq!(parse(written).as_str(), written);
        }
    }

    #[test]
    fn json_has_the_written_form() {
        let reference = parse("docker.io/library/redis:6");
        let json = serde_json::to_string(&reference).expect("written");
        assert_eq!(json, "\"docker.io/library/redis:6\"");
        assert_eq!(serde_json::from_str::<ImageRef>(&json).ok(), Some(reference));
        assert!(serde_json::from_str::<ImageRef>("\"a b\"").is_err());
    }
}
