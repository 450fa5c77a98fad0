//! Where an artifact may be fetched from: its own URLs in order, then every mirror.

use url::Url;

use super::redact;
use crate::error::{Error, Result};
use crate::manifest::Artifact;
use crate::path::RelPath;

/// One place to fetch an artifact from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Its URL.
    pub(super) url: Url,
    /// What fails together: the URL's server, or the mirror.
    pub(super) host: String,
}

/// The sources of `artifact`, best first.
///
/// # Errors
/// A URL cannot be read, or a manifest from the network names a file of this machine.
pub(super) fn sources(artifact: &Artifact, base: &Url, mirrors: &[Url]) -> Result<Vec<Source>> {
    let mut sources = Vec::with_capacity(artifact.urls.len() + mirrors.len());
    for text in &artifact.urls {
        let url = resolve(text, base, &artifact.id.name)?;
        let host = url.origin().ascii_serialization();
        sources.push(Source { url, host });
    }
    for mirror in mirrors {
        sources.push(Source { url: below(mirror, &artifact.id.name)?, host: redact::shown(mirror) });
    }
    Ok(sources)
}

fn resolve(text: &str, base: &Url, name: &RelPath) -> Result<Url> {
    let wrong = |why: &str| {
        Error::failed("an artifact's URL cannot be used")
            .fact("artifact", name)
            .fact("manifest", redact::shown(base))
            .fact("reason", why)
    };
    let url = base.join(text).map_err(|why| {
        wrong(&why.to_string()).hint("correct the URL in the manifest: http, https, file, or relative to the manifest")
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        "file" if base.scheme() == "file" => Ok(url),
        scheme if scheme == base.scheme() => Ok(url),
        "file" => Err(wrong("a manifest from the network may not name a file of this machine")
            .hint("download the manifest and look at it; then use the local copy if you trust it")),
        _ => Err(wrong("it is neither http nor https")
            .hint("correct the URL in the manifest: http, https, file, or relative to the manifest")),
    }
}

/// `name` directly below `mirror`, whether or not that ends with a slash; its query stays.
fn below(mirror: &Url, name: &RelPath) -> Result<Url> {
    let mut url = mirror.clone();
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend(name.parts());
        }
        Err(()) => {
            return Err(Error::usage("the mirror's URL cannot have a path")
                .fact("mirror", redact::shown(mirror))
                .hint("give a URL such as https://mirror.example/product/"));
        }
    }
    match url.scheme() {
        "http" | "https" | "file" => Ok(url),
        _ => Err(Error::usage("the mirror's URL cannot be used")
            .fact("mirror", redact::shown(mirror))
            .hint("use http, https or file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::local::{self, Local};
    use crate::manifest::{ArtifactId, Kind, builtin};

    fn artifact(urls: &[&str]) -> Artifact {
        let name = "d e/a.tar".parse().expect("a name");
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        Artifact { id: ArtifactId { name, platform: None }, kind: Kind::File, urls, pin: None }
    }

    fn planned(urls: &[&str], base: &str, mirrors: &[&str]) -> Result<Vec<String>> {
        let mirrors: Vec<Url> = mirrors.iter().map(|url| url.parse().expect("a URL")).collect();
        let sources = sources(&artifact(urls), &base.parse().expect("a URL"), &mirrors)?;
        Ok(sources.into_iter().map(|source| source.url.to_string()).collect())
    }

    #[test]
    fn own_urls_come_first_and_mirrors_hold_the_name() {
        let planned = planned(
            &["b/a.tar", "/a", "http://other/a?k=1"],
            "https://host/dir/manifest.json?x",
            &["http://m", "http://n/sub/?s"],
        );
        let expected = [
            "https://host/dir/b/a.tar",
            "https://host/a",
            "http://other/a?k=1",
            "http://m/d%20e/a.tar",
            "http://n/sub/d%20e/a.tar?s",
        ];
        assert_eq!(planned.expect("usable"), expected);
    }

    #[test]
    fn only_a_local_manifest_may_name_local_files() {
        assert_eq!(planned(&["a"], "file:///x/manifest.json", &[]).expect("usable"), ["file:///x/a"]);
        for base in ["http://host/manifest.json", builtin::BASE] {
            assert!(planned(&["file:///etc/passwd"], base, &[]).is_err(), "{base}");
        }
        assert!(planned(&["builtin:///portable/docker.service"], "http://host/m", &[]).is_err());
        let url = planned(&["portable/docker.service"], builtin::BASE, &[]).expect("usable").remove(0);
        assert!(matches!(local::at(&url.parse().expect("a URL")), Some(Local::BuiltIn(Some(_)))));
    }
}
