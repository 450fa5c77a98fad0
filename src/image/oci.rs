//! The documents of an image layout (OCI image specification 1.1) and of a docker archive (`manifest.json`, as
//! `docker save` writes it since 1.10).
//!
//! They are read and written here and nowhere else. Fields stand in the alphabetical order of their keys, which is the
//! order in the file: the bytes are part of the bundle's format. What is read may have `null` where a list or a map
//! is empty, as Go programs write it; keys that are not used are passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::Image;
use crate::digest::{Descriptor, Digest, NotADigest};
use crate::image_ref::ImageRef;
use crate::in_order::InOrder;

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The member that says that a folder is an image layout.
pub(super) const MARKER: &str = "oci-layout";
/// The member that names its images.
pub(super) const INDEX: &str = "index.json";

/// Where a blob lies in an image layout.
pub(super) fn blob_member(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The bytes of a document.
pub(super) fn to_json(document: &impl Serialize) -> Vec<u8> {
    // Only a map with keys that are not strings, or a type that fails by itself, cannot be written.
    serde_json::to_vec(document).unwrap_or_default()
}

/// `oci-layout`: what says that a folder is an image layout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LayoutMarker {
    image_layout_version: &'static str,
}

impl LayoutMarker {
    pub(super) const CURRENT: LayoutMarker = LayoutMarker { image_layout_version: "1.0.0" };
}

/// `index.json`, or an index it names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageIndex {
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) manifests: Vec<Described>,
    #[serde(default, skip_deserializing)]
    media_type: String,
    #[serde(default, skip_deserializing)]
    schema_version: u32,
}

impl ImageIndex {
    /// The index of these manifests.
    pub(super) fn new(manifests: Vec<Described>) -> Self {
        ImageIndex { manifests, media_type: INDEX_TYPE.to_owned(), schema_version: 2 }
    }
}

/// The manifest of an image.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageManifest {
    pub(super) config: Described,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) layers: Vec<Described>,
    #[serde(default, skip_deserializing)]
    media_type: String,
    #[serde(default, skip_deserializing)]
    schema_version: u32,
}

impl ImageManifest {
    /// The manifest of `image`, whose config has `config_size` bytes.
    pub(super) fn of(image: &Image, config_size: u64) -> Self {
        let layers = image.layers.iter().map(|layer| {
            let media_type = match layer.codec() {
                None => LAYER.to_owned(),
                Some(codec) => format!("{LAYER}+{}", codec.name()),
            };
            Described::new(media_type, layer.blob())
        });
        ImageManifest {
            config: Described::new(CONFIG.to_owned(), Descriptor { digest: image.id, size: config_size }),
            layers: layers.collect(),
            media_type: MANIFEST.to_owned(),
            schema_version: 2,
        }
    }
}

impl ImageManifest {
    /// What the manifest describes where that is not an image, as cosign's signatures and Helm's charts are not: the media
    /// type of its config or of a layer.
    pub(super) fn is_of_other(&self) -> Option<&str> {
        let is_config = matches!(
            &self.config.media_type[..],
            "" | CONFIG | "application/vnd.docker.container.image.v1+json" | "application/octet-stream"
        );
        if !is_config {
            return Some(&self.config.media_type);
        }
        let is_layer = |media_type: &str| {
            media_type.is_empty()
                || media_type.starts_with("application/vnd.oci.image.layer.")
                || media_type.starts_with("application/vnd.docker.image.rootfs.")
        };
        self.layers.iter().map(|layer| &layer.media_type[..]).find(|media_type| !is_layer(media_type))
    }
}

/// What a document says of a blob that it names: OCI's descriptor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Written by nobody here.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing)]
    artifact_type: String,
    digest: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<DescribedPlatform>,
    size: u64,
}

impl Described {
    fn new(media_type: String, blob: Descriptor) -> Self {
        let (digest, size) = (blob.digest.to_string(), blob.size);
        let (annotations, artifact_type) = (BTreeMap::new(), String::new());
        Described { annotations, artifact_type, digest, media_type, platform: None, size }
    }

    /// What an index says of the image manifest `manifest`, under this tag.
    pub(super) fn manifest(manifest: Descriptor, platform: &str, tag: Option<&ImageRef>) -> Self {
        let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
        let platform =
            DescribedPlatform { architecture: architecture.to_owned(), os: os.to_owned(), variant: String::new() };
        let annotations = tag.map(|tag| (REF_NAME.to_owned(), tag.to_string())).into_iter().in_order();
        Described { annotations, platform: Some(platform), ..Self::new(MANIFEST.to_owned(), manifest) }
    }

    /// What an index says of the manifest of `image`: once under each of its tags, in their order, or once without.
    pub(super) fn of_image(image: &Image, manifest: Descriptor) -> Vec<Self> {
        let named = |tag| Self::manifest(manifest, &image.platform, tag);
        match &image.tags[..] {
            [] => vec![named(None)],
            tags => tags.iter().map(|tag| named(Some(tag))).collect(),
        }
    }

    /// Adds the name by which containerd knows `tag`.
    pub(super) fn set_containerd_name(&mut self, tag: &ImageRef) {
        self.annotations.insert(CONTAINERD_NAME.to_owned(), tag.canonical());
    }

    /// Whether an index can say this of an image's manifest, and of nothing else.
    fn may_be_manifest(&self) -> bool {
        matches!(&self.media_type[..], "" | MANIFEST | "application/vnd.docker.distribution.manifest.v2+json")
    }

    /// The digest and size of the blob.
    ///
    /// # Errors
    /// The digest is not SHA-256.
    pub(super) fn blob(&self) -> Result<Descriptor, NotADigest> {
        Ok(Descriptor { digest: self.digest.parse()?, size: self.size })
    }

    /// Whether the blob is another index.
    pub(super) fn is_index(&self) -> bool {
        self.media_type.ends_with("index.v1+json") || self.media_type.ends_with("manifest.list.v2+json")
    }

    /// The media type, where it is neither that of an index nor of an image's manifest.
    pub(super) fn is_of_other(&self) -> Option<&str> {
        (!self.is_index() && !self.may_be_manifest()).then_some(&self.media_type)
    }

    /// What it is an artifact of, where an index says that and it is not an image.
    pub(super) fn artifact_type(&self) -> Option<&str> {
        Some(&self.artifact_type[..]).filter(|kind| !matches!(*kind, "" | CONFIG | MANIFEST))
    }

    /// Whether it is what BuildKit attests of an image (its provenance), which lies beside the image.
    pub(super) fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
    }

    /// What the annotations say of the image's name, whatever it is: containerd's word before OCI's.
    pub(super) fn name(&self) -> Option<&str> {
        [CONTAINERD_NAME, REF_NAME].iter().find_map(|key| self.annotations.get(*key)).map(String::as_str)
    }
}

const CONTAINERD_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What an index says an image runs on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DescribedPlatform {
    #[serde(default, deserialize_with = "null_is_empty")]
    architecture: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    os: String,
    /// Written by nobody here: an image of a bundle is for its platform.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing)]
    variant: String,
}

impl DescribedPlatform {
    /// Of an architecture, such as `v7`; empty without one.
    pub(super) fn variant(&self) -> &str {
        &self.variant
    }
}

impl std::fmt::Display for DescribedPlatform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// The config of an image; its digest is the image's ID.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImageConfig {
    architecture: String,
    /// How a container is started: nothing here needs it.
    #[serde(skip_deserializing)]
    config: Empty,
    #[serde(default, deserialize_with = "null_is_empty")]
    os: String,
    rootfs: RootFs,
}

#[derive(Debug, Serialize, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_is_empty")]
    diff_ids: Vec<String>,
    #[serde(rename = "type", skip_deserializing)]
    kind: &'static str,
}

#[derive(Debug, Default, Serialize)]
struct Empty {}

impl ImageConfig {
    /// The config of an image of nothing but these layers, which is never run.
    pub fn of_layers(diff_ids: &[Digest]) -> Self {
        ImageConfig {
            architecture: "amd64".to_owned(),
            config: Empty {},
            os: "linux".to_owned(),
            rootfs: RootFs { diff_ids: diff_ids.iter().map(Digest::to_string).collect(), kind: "layers" },
        }
    }

    /// The bytes of the config; their digest is the image's ID.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_json(self)
    }

    /// What the image runs on, such as `linux/amd64`.
    pub fn platform(&self) -> String {
        format!("{}/{}", if self.os.is_empty() { "linux" } else { &self.os }, self.architecture)
    }

    /// The digests of the layers' tar archives without compression, base first, as they are written.
    pub(super) fn diff_ids(&self) -> &[String] {
        &self.rootfs.diff_ids
    }
}

/// An image in Docker's `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerImage {
    pub(super) config: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) layers: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) repo_tags: Vec<String>,
}

impl DockerImage {
    /// The entry of `image`, whose config and layers lie at these paths.
    pub(super) fn of(image: &Image, config: String, layers: Vec<String>) -> Self {
        DockerImage { config, layers, repo_tags: image.tags.iter().map(ImageRef::to_string).collect() }
    }

    /// The entry of `image` in an image layout.
    fn in_layout(image: &Image) -> Self {
        let layers = image.layers.iter().map(|layer| blob_member(&layer.blob().digest)).collect();
        Self::of(image, blob_member(&image.id), layers)
    }
}

/// Docker's `manifest.json` of images whose configs and layers lie in an image layout.
pub fn docker_manifest(images: &[Image]) -> Vec<u8> {
    to_json(&images.iter().map(DockerImage::in_layout).collect::<Vec<_>>())
}

/// Reads `null` as what is empty.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Layer, Packed};
    use super::*;

    fn image() -> Image {
        let digest = Digest::of(b"");
        let packed = |codec| Some(Packed { digest: Digest::of(b"x"), size: 1, codec });
        Image {
            tags: vec![ImageRef::tagged("a:1").expect("a tag"), ImageRef::tagged("b:2").expect("a tag")],
            id: digest,
            platform: "linux/arm64".to_owned(),
            layers: vec![
                Layer { diff_id: digest, size: 0, packed: None },
                Layer { diff_id: digest, size: 0, packed: packed(Codec::Gzip) },
                Layer { diff_id: digest, size: 0, packed: packed(Codec::Zstd) },
            ],
        }
    }

    /// These bytes are in every bundle of format 1, under their digests.
    #[test]
    fn documents_are_written_as_they_always_were() {
        const E: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        const X: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let text = |json: Vec<u8>| String::from_utf8(json).expect("text");
        let image = image();
        assert_eq!(text(to_json(&LayoutMarker::CURRENT)), r#"{"imageLayoutVersion":"1.0.0"}"#);
        let layer = |hex: &str, kind: &str, size| {
            format!(
                r#"{{"digest":"sha256:{hex}","mediaType":"application/vnd.oci.image.layer.v1.tar{kind}","size":{size}}}"#
            )
        };
        let layers = [layer(E, "", 0), layer(X, "+gzip", 1), layer(X, "+zstd", 1)].join(",");
        assert_eq!(
            text(to_json(&ImageManifest::of(&image, 7))),
            format!(
                r#"{{"config":{{"digest":"sha256:{E}","mediaType":"application/vnd.oci.image.config.v1+json","size":7}},"layers":[{layers}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}}"#
            )
        );
        let manifest = Descriptor::of(b"x");
        let described = vec![
            Described::manifest(manifest, &image.platform, image.tags.first()),
            Described::manifest(manifest, &image.platform, None),
        ];
        let rest = format!(
            r#""digest":"sha256:{X}","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{{"architecture":"arm64","os":"linux"}},"size":1}}"#
        );
        assert_eq!(
            text(to_json(&ImageIndex::new(described))),
            format!(
                r#"{{"manifests":[{{"annotations":{{"org.opencontainers.image.ref.name":"a:1"}},{rest},{{{rest}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}}"#
            )
        );
        assert_eq!(
            text(docker_manifest(std::slice::from_ref(&image))),
            format!(
                r#"[{{"Config":"blobs/sha256/{E}","Layers":["blobs/sha256/{E}","blobs/sha256/{X}","blobs/sha256/{X}"],"RepoTags":["a:1","b:2"]}}]"#
            )
        );
        assert_eq!(
            text(ImageConfig::of_layers(&[Digest::of(b"")]).to_bytes()),
            format!(
                r#"{{"architecture":"amd64","config":{{}},"os":"linux","rootfs":{{"diff_ids":["sha256:{E}"],"type":"layers"}}}}"#
            )
        );
    }

    #[test]
    fn null_is_read_as_empty() {
        let image: DockerImage = serde_json::from_str(r#"{"Config":"c","Layers":null,"RepoTags":null}"#).expect("read");
        assert!(image.layers.is_empty() && image.repo_tags.is_empty());
        let config: ImageConfig = serde_json::from_str(
            r#"{"architecture":"arm64","config":null,"rootfs":{"type":"layers","diff_ids":null}}"#,
        )
        .expect("read");
        assert!(config.diff_ids().is_empty());
        assert_eq!(config.platform(), "linux/arm64");
        let index: ImageIndex = serde_json::from_str(r#"{"manifests":null,"schemaVersion":"2"}"#).expect("read");
        assert!(index.manifests.is_empty());
    }
}
