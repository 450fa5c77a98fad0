//! The documents of a registry (distribution specification 1.1).

use serde::Deserialize;

use super::limits::ImageLimits;
use super::oci::{ImageIndex, ImageManifest};
use crate::digest::Descriptor;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// The media types to ask a registry for.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// What a registry has under a tag or a digest.
#[derive(Debug)]
pub enum RegistryDocument {
    /// The manifests of one image for several platforms.
    Index(RegistryIndex),
    /// The manifest of one image.
    Image(RegistryImage),
}

/// An index.
#[derive(Debug)]
pub struct RegistryIndex(ImageIndex);

/// An image's manifest.
#[derive(Debug)]
pub struct RegistryImage {
    /// The image's config; its digest is the image ID.
    pub config: Descriptor,
    /// The layers as the registry has them, base first.
    pub layers: Vec<Descriptor>,
}

/// What tells the documents apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u64,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

impl RegistryDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// It is of schema 1, is not an image's, or has layers that a registry may not pass on.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let unreadable = |why: &dyn std::fmt::Display| {
            Error::failed("the registry's manifest cannot be read")
                .fact("reason", why)
                .hint("check the reference in the manifest; 'skopeo inspect --raw' shows what is there")
        };
        let shape: Shape = serde_json::from_slice(bytes).map_err(|why| unreadable(&why))?;
        if shape.schema_version == 1 {
            return Err(Error::failed("the image has a manifest of schema 1, which names no config")
                .hint("push the image again with a Docker Engine of 1.10 or later: its manifest is then of schema 2"));
        }
        if shape.schema_version != 2 {
            return Err(unreadable(&format_args!("it is of schema {}", shape.schema_version)));
        }
        if shape.manifests.is_some() {
            // No reader may take for an index what another takes for an image.
            if shape.config.is_some() || shape.layers.is_some() {
                return Err(unreadable(&"it is an image and an index at once"));
            }
            return serde_json::from_slice(bytes)
                .map(|index| Self::Index(RegistryIndex(index)))
                .map_err(|e| unreadable(&e));
        }
        let manifest: ImageManifest = serde_json::from_slice(bytes).map_err(|why| unreadable(&why))?;
        let is_foreign = |kind: &str| kind.contains(".foreign.") || kind.contains(".nondistributable.");
        if let Some(layer) = manifest.layers.iter().find(|layer| is_foreign(&layer.media_type)) {
            return Err(Error::failed("the image has a foreign layer, which its registry does not have")
                .fact("found", &layer.media_type)
                .hint("use an image whose layers are all in the registry"));
        }
        if let Some(other) = manifest.is_of_other() {
            return Err(Error::failed("what the registry has is not an image")
                .fact("found", other)
                .hint("check the reference in the manifest"));
        }
        if manifest.layers.len() > ImageLimits::DEFAULT.layers {
            return Err(unreadable(&format_args!("it has more than {} layers", ImageLimits::DEFAULT.layers)));
        }
        let layers = manifest.layers.iter().map(|layer| layer.blob()).collect::<std::result::Result<_, _>>();
        Ok(Self::Image(RegistryImage {
            config: manifest.config.blob().map_err(|why| unreadable(&why))?,
            layers: layers.map_err(|why| unreadable(&why))?,
        }))
    }
}

impl RegistryIndex {
    /// The manifest for `platform`, of the variant that every machine of the platform runs best.
    ///
    /// # Errors
    /// There is none, or no platform to choose by.
    pub fn choose(&self, platform: Option<Platform>) -> Result<Descriptor> {
        let images = || self.0.manifests.iter().filter(|image| !image.is_attestation());
        let offered = || {
            let names = images().filter_map(|image| image.platform.as_ref()).map(|platform| platform.to_string());
            names.collect::<Vec<_>>().join(", ")
        };
        let Some(platform) = platform else {
            return Err(Error::failed("the image is for several platforms, and the artifact names none")
                .fact("found", offered())
                .hint(r#"add "platform": "linux/amd64" to the artifact in the manifest"#));
        };
        let ranked = images().filter_map(|image| {
            let has = image.platform.as_ref().filter(|has| has.to_string() == platform.as_str())?;
            Some((rank(platform, has.variant())?, image))
        });
        let Some((_, chosen)) = ranked.min_by_key(|(rank, _)| *rank) else {
            return Err(Error::failed("the registry does not have the image for this platform")
                .fact("platform", platform)
                .fact("found", offered())
                .hint("choose a reference that has it, or correct the artifact's platform in the manifest"));
        };
        chosen.blob().map_err(|why| {
            Error::failed("the registry's index cannot be read").fact("reason", why).hint("check the reference")
        })
    }
}

/// How well a variant fits every machine of `platform`, the best first; `None` where some cannot run it.
fn rank(platform: Platform, variant: &str) -> Option<usize> {
    let fitting: &[&str] = match platform.as_str() {
        "linux/amd64" => &["", "v1"],
        "linux/arm64" => &["v8", ""],
        // What `uname -m` calls armv7l runs the older ones too.
        "linux/arm" => &["v7", "", "v6", "v5"],
        _ => &[""],
    };
    fitting.iter().position(|known| *known == variant)
}
