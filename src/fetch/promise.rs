//! The chain of digests from a reference to an image's layers.

/// What names a part of an image in a registry by digest: a link of the chain from the reference to the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// The reference names a manifest or an index.
    Reference,
    /// The answer names the digest of its own body, where nothing else names one.
    Answer,
    /// An index names an image's manifest.
    ImageManifest,
    /// A manifest names a config.
    ImageConfig,
    /// A manifest names a layer.
    ImageLayer,
    /// A manifest or an index names what signs the image.
    Signature,
}

impl Promise {
    /// What happened where the bytes are other ones.
    pub(super) fn broken(self) -> &'static str {
        match self {
            Promise::Reference => "the registry's manifest is not the one that the reference names by digest",
            Promise::Answer => "the registry's manifest is not the one that its own answer names by digest",
            Promise::ImageManifest => "the registry's manifest is not the one that its index names by digest",
            Promise::ImageConfig => "the registry's config is not the one that the image's manifest names by digest",
            Promise::ImageLayer => "the registry's layer is not the one that the image's manifest names by digest",
            Promise::Signature => "the registry's signature of the image is not what its own index names by digest",
        }
    }
}
