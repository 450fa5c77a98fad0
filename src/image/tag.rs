//! Names that images have: a repository and a tag, such as `registry.example.com:5000/shop/web:1.2`.
//!
//! The grammar is that of <https://github.com/distribution/reference>. An engine refuses to load an image under
//! any other name, so it is refused while a bundle is made and not on site.

use std::collections::HashMap;

use super::Image;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::stack::familiar;

/// The longest repository with its registry, and the longest tag, in characters.
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// Checks that `name` is one that an image can be loaded under.
///
/// # Errors
/// A reason.
pub(super) fn check(name: &str) -> Result<(), String> {
    let shown = || name.chars().take(80).collect::<String>();
    let colon = name.rfind(':').filter(|colon| !name[*colon..].contains('/'));
    let Some((repository, tag)) = colon.map(|colon| (&name[..colon], &name[colon + 1..])) else {
        return Err(format!("'{}' is no name with a tag", shown()));
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_tag =
        tag.len() <= LONGEST_TAG && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'));
    let (domain, path) = match repository.split_once('/') {
        Some((first, rest)) if is_domain_like(first) => (Some(first), rest),
        _ => (None, repository),
    };
    let fits = repository.len() <= LONGEST_NAME && domain.is_none_or(is_domain) && path.split('/').all(is_component);
    if is_tag && fits { Ok(()) } else { Err(format!("'{}' is no name that an engine takes for an image", shown())) }
}

/// What an OCI index says of a name: a name with a tag; or nothing, where it is only a tag or a digest, as skopeo and
/// containerd write it.
///
/// # Errors
/// It is meant to be a name, and is none.
pub(super) fn of_annotation(text: &str) -> Result<Option<String>, String> {
    if text.contains('@') || !text.contains(['/', ':']) {
        return Ok(None);
    }
    check(text).map(|()| Some(text.to_owned()))
}

/// Whether the first part of a name is its registry's host.
fn is_domain_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(|c| c.is_ascii_uppercase())
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
    let label = |label: &str| {
        let ends = label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric());
        ends && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    (is_address || host.split('.').all(label)) && port.is_none_or(is_port)
}

/// Lower-case words, joined by a point, one or two underscores, or any number of dashes.
fn is_component(component: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let between: Vec<&str> = component.split(word).filter(|between| !between.is_empty()).collect();
    let joined = |between: &&str| matches!(*between, "." | "_" | "__") || between.chars().all(|c| c == '-');
    component.starts_with(word) && component.ends_with(word) && between.iter().all(joined)
}

/// Checks that every name, however it is spelled, names one image.
///
/// # Errors
/// A name stands for two images.
pub fn check_tags<'a>(images: impl Iterator<Item = (&'a str, &'a Image)>) -> Result<()> {
    let mut seen: HashMap<String, (&str, &str, Digest)> = HashMap::new();
    for (artifact, image) in images {
        for tag in &image.tags {
            let (other, spelled, id) = *seen.entry(familiar(tag)).or_insert((artifact, tag, image.id));
            if id != image.id {
                return Err(Error::failed("a tag names two images")
                    .fact("tag", tag)
                    .fact("artifact", artifact)
                    .fact("image", image.id)
                    .fact("other artifact", other)
                    .fact("other tag", spelled)
                    .fact("other image", id)
                    .hint("save one of them again under another tag"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("{}:1", "x".repeat(256));
        let long_tag = format!("x:{}", "1".repeat(129));
        for bad in [
            "",
            "redis",
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
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_annotation_may_be_only_a_tag() {
        for (text, name) in [("latest", None), ("x@sha256:00", None), ("x:1", Some("x:1"))] {
            assert_eq!(of_annotation(text), Ok(name.map(str::to_owned)), "{text}");
        }
        assert!(of_annotation("Probe/One").is_err());
    }
}
