//! Where an artifact may be fetched from: its own URLs in order, then every mirror.

use url::Url;

use super::options::Options;
use super::redact;
use crate::error::{Error, Result};
use crate::manifest::Artifact;
use crate::manifest::registry_ref::RegistryRef;
use crate::path::RelPath;

/// One place to fetch an artifact from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Its URL.
    pub(super) url: Url,
    /// What fails together: the URL's server, or the mirror.
    pub(super) host: String,
    /// Where it is an image in a registry: which one.
    pub(super) image: Option<RegistryImageSource>,
    /// Whether it is the file that `pack lock` saves from an engine.
    pub(super) is_saved: bool,
}

/// An image in a registry, and where to ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RegistryImageSource {
    /// As the manifest has it.
    pub(super) named: RegistryRef,
    /// The same, or what a mirror of its registry calls it.
    pub(super) at: RegistryRef,
}

impl RegistryImageSource {
    /// Where to ask for `named`: the mirrors of its registry in the order they were given, then the registry itself.
    pub(super) fn all(named: &RegistryRef, options: &Options) -> Vec<Self> {
        let mirrors = options.registry_mirrors.iter().filter(|mirror| mirror.registry == named.host());
        let mirrored = mirrors.filter_map(|mirror| named.at_mirror(&mirror.mirror).ok());
        mirrored.chain([named.clone()]).map(|at| RegistryImageSource { named: named.clone(), at }).collect()
    }

    fn into_source(self, url: Url) -> Source {
        Source {
            url,
            host: format!("{}://{}", RegistryRef::SCHEME, self.at.host()),
            image: Some(self),
            is_saved: false,
        }
    }
}

/// The sources of `artifact`, best first.
///
/// # Errors
/// A URL cannot be read, or a manifest from the network names a file of this machine.
pub(super) fn sources(artifact: &Artifact, base: &Url, options: &Options) -> Result<Vec<Source>> {
    let mut sources = Vec::with_capacity(artifact.urls.len() + options.mirrors.len());
    for (text, location) in artifact.urls.iter().zip(artifact.locations()) {
        let url = resolve(&location, base, &artifact.id.name)?;
        let is_saved = location != *text;
        let Ok(named) = RegistryRef::parse(url.as_str()) else {
            sources.push(Source { host: url.origin().ascii_serialization(), url, image: None, is_saved });
            continue;
        };
        for image in RegistryImageSource::all(&named, options) {
            let url = image.at.to_string().parse().unwrap_or_else(|_| url.clone());
            sources.push(image.into_source(url));
        }
    }
    for mirror in &options.mirrors {
        sources.push(Source {
            url: below(mirror, &artifact.id.name)?,
            host: redact::shown(mirror),
            image: None,
            is_saved: false,
        });
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
        "http" | "https" | "oci" => Ok(url),
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
        Artifact { id: ArtifactId { name, platform: None }, kind: Kind::File, urls, pin: None, cosign_key: None }
    }

    fn planned(urls: &[&str], base: &str, mirrors: &[&str]) -> Result<Vec<String>> {
        let mirrors: Vec<Url> = mirrors.iter().map(|url| url.parse().expect("a URL")).collect();
        let registry_mirrors = vec!["docker.io=m.example/hub".parse().expect("a mirror")];
        let options = Options { mirrors, registry_mirrors, ..Options::default() };
        let sources = sources(&artifact(urls), &base.parse().expect("a URL"), &options)?;
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
    fn an_engines_image_is_the_file_beside_the_manifest() {
        let planned = planned(&["docker-daemon:web:1"], "https://host/dir/manifest.json?x", &["http://m"]);
        assert_eq!(planned.expect("usable"), ["https://host/dir/d%20e/a.tar", "http://m/d%20e/a.tar"]);
    }

    #[test]
    fn a_registrys_mirror_is_asked_before_it_for_its_own_images_only() {
        let planned = planned(&["oci://docker.io/redis:6", "oci://r.example/a:1"], "https://host/m", &[]);
        let expected = ["oci://m.example/hub/library/redis:6", "oci://docker.io/redis:6", "oci://r.example/a:1"];
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
