//! The manifest: which artifacts make up a version of a product, where they are and what their bytes are.
//!
//! [`Manifest::parse`] is the only way in. A [`Manifest`] keeps every rule of schema 1; an error names the line.
//! [`edit`] writes sizes and digests into the text, [`append`] more artifacts, [`guess`] finds their kinds, [`upgrade`] decides which manifest may replace another, [`builtin`]
//! is the manifest in this binary.

pub mod append;
pub mod builtin;
pub mod edit;
pub mod engine_ref;
pub(crate) mod fuzzing;
pub mod guess;
mod limits;
mod not_a_manifest;
mod parse;
pub mod registry_ref;
pub mod upgrade;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

pub use limits::Limits;

use crate::digest::{Descriptor, Digest, Mismatch};
use crate::error::{Error, Result};
use crate::path::RelPath;
use crate::platform::Platform;

/// The schema this program reads.
pub const SCHEMA_VERSION: u64 = 1;
/// The manifest's name in a folder and in a bundle.
pub const FILE_NAME: &str = "manifest.json";
/// The name of the manifest's signature beside it.
pub const SIGNATURE_NAME: &str = "manifest.json.minisig";

/// A version of a product, as its publisher wrote it down.
#[derive(Debug, Clone)]
pub struct Manifest {
    text: String,
    name: ProductName,
    version: Version,
    description: Option<String>,
    homepage: Option<String>,
    run: Option<RelPath>,
    expires: Option<Timestamp>,
    artifacts: Vec<Artifact>,
}

impl Manifest {
    /// Reads a manifest of schema 1. `origin` (a path or URL) is named in errors.
    ///
    /// # Errors
    /// The text breaks a rule or a limit of the schema; the error names the line.
    pub fn parse(text: String, origin: &str) -> Result<Self> {
        parse::manifest(text, origin)
    }

    /// As [`Manifest::parse`], of bytes that may be no text.
    ///
    /// # Errors
    /// They are no UTF-8, or break a rule or a limit of the schema.
    pub fn from_bytes(bytes: Vec<u8>, origin: &str) -> Result<Self> {
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::failed("the manifest is not valid")
                .fact("manifest", origin)
                .fact("reason", "it is no UTF-8 text")
                .hint("check that this is a manifest, for example with 'curl' or 'head'")
        })?;
        Self::parse(text, origin)
    }

    /// The exact text this was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The product's name, fit for a file name.
    pub fn name(&self) -> &ProductName {
        &self.name
    }

    /// The product's version (semver 2.0).
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// What the product is, in one line.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Where there is more about it: an http or https URL.
    pub fn homepage(&self) -> Option<&str> {
        self.homepage.as_deref()
    }

    /// The artifact that a bundle runs on site.
    pub fn run(&self) -> Option<&RelPath> {
        self.run.as_ref()
    }

    /// The time after which the publisher no longer supports it.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Every artifact, of every platform, in the manifest's order.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    /// The artifacts for `platform`, each of which must be pinned.
    ///
    /// # Errors
    /// An artifact is unpinned, or the artifact to run is not for this platform.
    pub fn select(&self, platform: Platform) -> Result<Vec<Pinned<'_>>> {
        let chosen: Vec<&Artifact> = self.artifacts.iter().filter(|artifact| artifact.id.is_for(platform)).collect();
        let unpinned: Vec<&str> =
            chosen.iter().filter(|artifact| artifact.pin.is_none()).map(|artifact| artifact.id.name.as_str()).collect();
        if !unpinned.is_empty() {
            return Err(Error::failed("the manifest does not pin every artifact")
                .fact("product", format_args!("{} {}", self.name, self.version))
                .fact("unpinned", unpinned.join(", "))
                .hint(
                    "an unpinned artifact has no digest to check against; the publisher runs: pack lock manifest.json",
                ));
        }
        if let Some(run) = &self.run
            && !chosen.iter().any(|artifact| artifact.id.name == *run)
        {
            return Err(Error::failed("the manifest's run script is not for this platform")
                .fact("run", run)
                .fact("platform", platform)
                .hint("choose another platform with --platform, or add the script to the manifest"));
        }
        Ok(chosen.into_iter().filter_map(|artifact| artifact.pin.map(|pin| Pinned { artifact, pin })).collect())
    }
}

/// A product's name: lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at
/// most 64 characters. It is part of file and folder names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductName(String);

impl ProductName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProductName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if begins && text.len() <= 64 && text.chars().all(fits) {
            Ok(ProductName(text.to_owned()))
        } else {
            Err("a product's name is 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit".into())
        }
    }
}

/// What an artifact is to the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container engine's archive.
    Engine,
    /// A systemd unit.
    Unit,
    /// An archive of container images.
    Image,
    /// A Docker stack (compose) file.
    Stack,
    /// An executable script.
    Script,
    /// What a product is on its host, in YAML; a manifest has at most one for a platform.
    Product,
    /// Anything else.
    File,
}

impl Kind {
    /// The word for it in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Engine => "engine",
            Kind::Unit => "unit",
            Kind::Image => "image",
            Kind::Stack => "stack",
            Kind::Script => "script",
            Kind::Product => "product",
            Kind::File => "file",
        }
    }

    /// The permission bits that such an artifact gets when it is fetched.
    pub fn mode(self) -> u32 {
        if self == Kind::Script { 0o755 } else { 0o644 }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What identifies an artifact: each platform may have its own artifact of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactId {
    /// Where it lies in the folder.
    pub name: RelPath,
    /// The platform it is for; `None` for every platform.
    pub platform: Option<Platform>,
}

impl ArtifactId {
    /// Whether a host of `platform` needs it.
    pub fn is_for(&self, platform: Platform) -> bool {
        self.platform.is_none_or(|only| only == platform)
    }

    /// Whether a folder of some platform would have both in one place.
    pub fn shares_place(&self, other: &ArtifactId) -> bool {
        let both = self.platform.is_none() || other.platform.is_none() || self.platform == other.platform;
        both && self.name == other.name
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.platform {
            None => write!(f, "{}", self.name),
            Some(platform) => write!(f, "{} ({platform})", self.name),
        }
    }
}

/// One file of the product.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What identifies it.
    pub id: ArtifactId,
    /// What it is.
    pub kind: Kind,
    /// Where to get it, best first: `http`, `https`, `file`, `oci` or `docker-daemon` URLs, or relative to the manifest.
    pub urls: Vec<String>,
    /// What its bytes are; `None` until `pack lock` has pinned it.
    pub pin: Option<Pin>,
    /// The fingerprint of the key by which the image in the registry was signed with cosign when it was pinned; `None` where
    /// nobody looked.
    pub cosign_key: Option<Digest>,
}

/// What an artifact's bytes must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The size in bytes. A digest alone pins the content too; the size then bounds nothing beforehand.
    pub size: Option<u64>,
    /// The SHA-256 digest of the whole file.
    pub digest: Digest,
}

impl Pin {
    /// The descriptor of the pinned bytes, if there are `size` of them; where the size is pinned, it is that one.
    pub fn for_size(&self, size: u64) -> Descriptor {
        Descriptor { digest: self.digest, size: self.size.unwrap_or(size) }
    }

    /// Compares what was found with the pin.
    ///
    /// # Errors
    /// The digest differs, or the size where it is pinned.
    pub fn check(&self, found: Descriptor) -> Result<(), Mismatch> {
        found.check(self.for_size(found.size))
    }
}

/// An artifact together with its pin.
#[derive(Debug, Clone, Copy)]
pub struct Pinned<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// What its bytes must be.
    pub pin: Pin,
}

impl Pinned<'_> {
    /// Where it lies in the folder.
    pub fn name(&self) -> &RelPath {
        &self.artifact.id.name
    }
}
