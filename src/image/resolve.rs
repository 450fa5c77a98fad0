//! From an archive's members to its images: Docker's `manifest.json`, or an OCI image layout's `index.json`.
//!
//! Docker writes `manifest.json` in every form of `docker save` since 1.10, also beside an `index.json`;
//! podman and skopeo write it in a `docker-archive`. An `oci-archive` has `index.json` alone.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::archive::{Content, Fault, Members};
use super::limits::Limits;
use super::tag::{self, check_tags};
use super::{Image, Layer, Stored};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    os: String,
    architecture: String,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<DescribedPlatform>,
}

impl Descriptor {
    fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
    }
}

#[derive(Deserialize)]
struct DescribedPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

impl From<&DescribedPlatform> for String {
    fn from(platform: &DescribedPlatform) -> Self {
        format!("{}/{}", platform.os, platform.architecture)
    }
}

/// Where an error about an archive is told.
pub(super) struct Resolver<'a> {
    pub(super) artifact: &'a str,
    pub(super) members: &'a Members,
    pub(super) platform: Option<Platform>,
    pub(super) limits: Limits,
}

/// An image as an archive lists it, before it is checked.
struct Listed {
    tags: Vec<String>,
    config: String,
    layers: Vec<String>,
}

/// What was found in the indexes of an OCI layout.
#[derive(Default)]
struct Walk {
    listed: Vec<Listed>,
    /// How many descriptors were looked at.
    visited: usize,
}

impl Resolver<'_> {
    /// Every image of the archive, checked.
    pub(super) fn images(&self) -> Result<Vec<Image>> {
        let listed = if self.members.has("manifest.json") {
            self.docker()?
        } else if self.members.has("index.json") {
            self.oci()?
        } else if self.members.has("repositories") {
            return Err(self.bad(Fault::new(
                "repositories",
                "the archive is of Docker before 1.10, which gave its images no digest",
            )));
        } else {
            return Err(self.bad(Fault::new(
                "manifest.json",
                "the archive has neither Docker's manifest.json nor an OCI index.json",
            )));
        };
        if listed.is_empty() || listed.len() > self.limits.images {
            let why = format!("it lists {} images; 1 to {} are read", listed.len(), self.limits.images);
            return Err(self.bad(Fault::new(self.listing(), why)));
        }
        let mut images: Vec<Image> = Vec::new();
        for listed in listed {
            let image = self.image(listed)?;
            match images.iter_mut().find(|known| known.id == image.id) {
                Some(known) => {
                    let new = image.tags.into_iter().filter(|tag| !known.tags.contains(tag)).collect::<Vec<_>>();
                    known.tags.extend(new);
                }
                None => images.push(image),
            }
        }
        check_tags(images.iter().map(|image| (self.artifact, image)))
            .map_err(|error| error.fact("member", self.listing()))?;
        Ok(images)
    }

    /// The member that lists the images.
    fn listing(&self) -> &'static str {
        if self.members.has("manifest.json") { "manifest.json" } else { "index.json" }
    }

    fn bad(&self, fault: Fault) -> Error {
        bad(self.artifact, fault)
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let bytes = self.members.json(path, &self.limits).map_err(|fault| self.bad(fault))?;
        serde_json::from_slice(bytes)
            .map_err(|error| self.bad(Fault::new(path, format!("its JSON is not as it must be: {error}"))))
    }

    fn docker(&self) -> Result<Vec<Listed>> {
        let images: Vec<DockerImage> = self.read("manifest.json")?;
        Ok(images
            .into_iter()
            .map(|image| Listed {
                tags: image.repo_tags.unwrap_or_default(),
                config: image.config,
                layers: image.layers,
            })
            .collect())
    }

    fn oci(&self) -> Result<Vec<Listed>> {
        let mut walk = Walk::default();
        let index: Index = self.read("index.json")?;
        self.index("index.json", index, &[], 0, &mut walk)?;
        Ok(walk.listed)
    }

    fn index(&self, member: &str, index: Index, tags: &[String], depth: usize, walk: &mut Walk) -> Result<()> {
        // What lists in one another come to in all is bounded too: each may name the same one many times.
        walk.visited += index.manifests.len();
        if depth > self.limits.nested_indexes || walk.visited > self.limits.images {
            return Err(self.bad(Fault::new(member, "it lists too many images, or lists lie too deep in one another")));
        }
        let several = index.manifests.len() > 1 && depth > 0;
        // Beside the images an index may list what was signed or attested of them; those are no images.
        let mut manifests = index.manifests;
        manifests.retain(|descriptor| !descriptor.is_attestation());
        if several && !manifests.is_empty() {
            let offered: Vec<String> =
                manifests.iter().filter_map(|one| one.platform.as_ref()).map(Into::into).collect();
            manifests.retain(|descriptor| self.wants(descriptor.platform.as_ref()));
            if let Some(wanted) = self.platform
                && manifests.is_empty()
            {
                return Err(Error::failed("an image is for other platforms")
                    .fact("artifact", self.artifact)
                    .fact("member", member)
                    .fact("expected", wanted)
                    .fact("actual", offered.join(", "))
                    .hint("save the image for the right platform: docker pull --platform …, or mend the manifest's 'platform'"));
            }
        }
        for descriptor in manifests {
            let own: Vec<String> = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
                .iter()
                .find_map(|name| descriptor.annotations.get(*name))
                .and_then(|name| tag::of_annotation(name).transpose())
                .transpose()
                .map_err(|why| self.bad(Fault::new(member, why)))?
                .into_iter()
                .collect();
            let tags = if own.is_empty() { tags } else { &own };
            let path = self.blob(member, &descriptor)?;
            if descriptor.media_type.ends_with("index.v1+json")
                || descriptor.media_type.ends_with("manifest.list.v2+json")
            {
                let inner: Index = self.read(&path)?;
                self.index(&path, inner, tags, depth + 1, walk)?;
            } else {
                let manifest: Manifest = self.read(&path)?;
                let config = self.blob(&path, &manifest.config)?;
                let layers = manifest.layers.iter().map(|layer| self.blob(&path, layer)).collect::<Result<_>>()?;
                walk.listed.push(Listed { tags: tags.to_vec(), config, layers });
            }
        }
        Ok(())
    }

    fn wants(&self, found: Option<&DescribedPlatform>) -> bool {
        match (self.platform, found) {
            (Some(wanted), Some(found)) => wanted.as_str() == String::from(found),
            _ => true,
        }
    }

    /// The path of a blob, whose size and digest are as its descriptor says.
    fn blob(&self, member: &str, descriptor: &Descriptor) -> Result<String> {
        let digest: Digest = descriptor
            .digest
            .parse()
            .map_err(|why| self.bad(Fault::new(member, format!("it names a blob, but {why}"))))?;
        let path = format!("blobs/sha256/{}", digest.hex());
        let content = self.file(&path)?;
        if content.digest == digest && content.size == descriptor.size {
            return Ok(path);
        }
        Err(Error::integrity("a blob of the image archive is not what its name says")
            .fact("artifact", self.artifact)
            .fact("member", &path)
            .fact("expected", format_args!("{} bytes, {digest}", descriptor.size))
            .fact("actual", format_args!("{} bytes, {}", content.size, content.digest))
            .hint("the archive was damaged before it was pinned: save the image again"))
    }

    fn file(&self, path: &str) -> Result<&Content> {
        self.members.file(path).map_err(|fault| self.bad(fault))
    }

    fn image(&self, listed: Listed) -> Result<Image> {
        let config: Config = self.read(&listed.config)?;
        let content = self.file(&listed.config)?;
        let bytes = content.bytes.clone().unwrap_or_default();
        let id = content.digest;
        let name = listed.tags.first().cloned().unwrap_or_else(|| id.to_string());
        let stem = listed.config.rsplit('/').next().unwrap_or_default();
        let stem = stem.strip_suffix(".json").unwrap_or(stem);
        if stem.len() == 64 && stem != id.hex() {
            return Err(Error::integrity("an image's config is not what its name says")
                .fact("artifact", self.artifact)
                .fact("image", &name)
                .fact("member", &listed.config)
                .fact("actual", id)
                .hint("the archive was damaged or changed before it was pinned: save the image again"));
        }
        let os = if config.os.is_empty() { "linux" } else { &config.os };
        let platform = format!("{os}/{}", config.architecture);
        if let Some(wanted) = self.platform
            && wanted.as_str() != platform
        {
            return Err(Error::failed("an image is for another platform")
                .fact("artifact", self.artifact)
                .fact("image", &name)
                .fact("member", &listed.config)
                .fact("expected", wanted)
                .fact("actual", &platform)
                .hint("save the image for the right platform: docker pull --platform …, or mend the manifest's 'platform'"));
        }
        let diff_ids = config.rootfs.diff_ids;
        if diff_ids.len() != listed.layers.len() || diff_ids.len() > self.limits.layers {
            let why = format!("its config has {} layers, the archive lists {}", diff_ids.len(), listed.layers.len());
            return Err(self.bad(Fault::new(&listed.config, why)).fact("image", &name));
        }
        let layers = diff_ids
            .iter()
            .zip(&listed.layers)
            .map(|(diff_id, path)| self.layer(&name, diff_id, path))
            .collect::<Result<_>>()?;
        let tags = listed.tags.into_iter().map(|tag| tag::check(&tag).map(|()| tag)).collect::<Result<_, _>>();
        let tags = tags.map_err(|why: String| self.bad(Fault::new(self.listing(), why)))?;
        Ok(Image { tags, id, config: bytes, platform, layers })
    }

    fn layer(&self, image: &str, diff_id: &str, path: &str) -> Result<Layer> {
        let expected: Digest = diff_id
            .parse()
            .map_err(|why| self.bad(Fault::new(path, format!("its diff_id is wrong: {why}"))).fact("image", image))?;
        let content = self.file(path)?;
        let compression = content.inner.as_ref().map(|inner| inner.compression);
        let (actual, size) = match &content.inner {
            None => (content.digest, content.size),
            Some(inner) => inner.text.clone().map_err(|why| {
                self.bad(Fault::new(path, format!("the layer cannot be unpacked: {why}"))).fact("image", image)
            })?,
        };
        if actual == expected {
            let stored = Stored { digest: content.digest, size: content.size, compression };
            return Ok(Layer { diff_id: expected, size, stored });
        }
        Err(Error::integrity("an image's layer is not what its config says")
            .fact("artifact", self.artifact)
            .fact("image", image)
            .fact("layer", path)
            .fact("expected", expected)
            .fact("actual", actual)
            .hint("the archive was damaged or changed before it was pinned: save the image again"))
    }
}

/// The error for an image archive that cannot be used.
pub(super) fn bad(artifact: &str, fault: Fault) -> Error {
    let error = Error::failed("the image archive cannot be used").fact("artifact", artifact);
    let error = match fault.member {
        Some(member) => error.fact("member", member),
        None => error,
    };
    error.fact("reason", fault.reason).hint("save the image again: docker save IMAGE:TAG | gzip > NAME.tar.gz")
}
