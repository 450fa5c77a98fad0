//! An artifact as a bundle carries it.

use serde::{Deserialize, Serialize};

use crate::digest::{Descriptor, Digest};
use crate::image_ref::ImageRef;
use crate::manifest::Kind;
use crate::path::RelPath;

/// What is larger is not unpacked unasked, in bytes.
pub const LARGEST_SMALL: u64 = 16 << 20;

/// An artifact as the bundle carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ArtifactRecord", try_from = "ArtifactRecord")]
pub struct CarriedArtifact {
    /// Its name in the folder. With the index's platform it is the artifact's identity.
    pub name: RelPath,
    /// What it is.
    pub kind: Kind,
    /// Its size in the folder, in bytes.
    pub size: u64,
    /// Its permission bits in the folder.
    pub mode: u32,
    /// Its digest in the folder.
    pub digest: Digest,
    /// How it is carried.
    pub carried: Carried,
    /// The IDs of the container images in it.
    pub images: Vec<Digest>,
    /// The names it gives them, a list for each of `images`; empty where these are all the names that the
    /// images have.
    pub tags: Vec<Vec<ImageRef>>,
}

/// How an artifact is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// As a file of the payload.
    File {
        /// Why a compressed artifact is carried with its compression.
        reason: Option<String>,
    },
    /// As blobs and a recipe; it comes back bit for bit.
    Rebuilt {
        /// The blobs it is rebuilt from besides the layers of its images.
        blobs: Vec<Digest>,
    },
    /// As the blobs of its images; it comes back as a plain docker archive with the same images.
    Exported,
    /// Not in the bundle: it is taken from the folder where the bundle lies, if its size and digest are right.
    Detached {
        /// Where its publisher has it, to be shown.
        url: Option<String>,
    },
}

impl Carried {
    /// Whether the artifact is a file of the payload.
    pub fn is_file(&self) -> bool {
        matches!(self, Carried::File { .. })
    }

    /// Whether the artifact comes back as a plain docker archive and not as the original.
    pub fn is_exported(&self) -> bool {
        *self == Carried::Exported
    }

    /// Whether the artifact is made of blobs of the payload.
    pub fn is_made(&self) -> bool {
        matches!(self, Carried::Rebuilt { .. } | Carried::Exported)
    }

    /// Whether the artifact is not in the bundle but beside it.
    pub fn is_detached(&self) -> bool {
        matches!(self, Carried::Detached { .. })
    }

    /// The word for it in an index.
    pub fn as_str(&self) -> &'static str {
        match self {
            Carried::File { .. } => "file",
            Carried::Rebuilt { .. } => "rebuilt",
            Carried::Exported => "exported",
            Carried::Detached { .. } => "detached",
        }
    }
}

impl CarriedArtifact {
    /// Size and digest in the folder.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest, size: self.size }
    }

    /// The blobs it is rebuilt from besides the layers of its images.
    pub fn blobs(&self) -> &[Digest] {
        match &self.carried {
            Carried::Rebuilt { blobs } => blobs,
            Carried::File { .. } | Carried::Exported | Carried::Detached { .. } => &[],
        }
    }

    /// Whether a site needs it as a file before it does anything else: what is neither an image nor an engine nor larger
    /// than [`LARGEST_SMALL`], and the script that is `run`.
    pub fn is_small(&self, run: Option<&RelPath>) -> bool {
        is_small(self.kind, self.size) || run == Some(&self.name)
    }
}

/// Whether a site needs an artifact of that kind and size as a file before it does anything else.
pub fn is_small(kind: Kind, size: u64) -> bool {
    !matches!(kind, Kind::Image | Kind::Engine) && size <= LARGEST_SMALL
}

/// The word in `form`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    File,
    Rebuilt,
    Exported,
    Detached,
}

impl Form {
    fn is_file(&self) -> bool {
        *self == Form::File
    }
}

/// The artifact as format 1 writes it: docs/format.md, "Index".
#[derive(Serialize, Deserialize)]
struct ArtifactRecord {
    name: RelPath,
    kind: Kind,
    size: u64,
    mode: u32,
    digest: Digest,
    #[serde(default, skip_serializing_if = "Form::is_file")]
    form: Form,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    images: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Vec<ImageRef>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blobs: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl From<CarriedArtifact> for ArtifactRecord {
    fn from(artifact: CarriedArtifact) -> Self {
        let CarriedArtifact { name, kind, size, mode, digest, carried, images, tags } = artifact;
        let mut record = ArtifactRecord {
            name,
            kind,
            size,
            mode,
            digest,
            form: Form::File,
            kept: None,
            images,
            tags,
            blobs: Vec::new(),
            url: None,
        };
        match carried {
            Carried::File { reason } => record.kept = reason,
            Carried::Rebuilt { blobs } => (record.form, record.blobs) = (Form::Rebuilt, blobs),
            Carried::Exported => record.form = Form::Exported,
            Carried::Detached { url } => (record.form, record.url) = (Form::Detached, url),
        }
        record
    }
}

impl TryFrom<ArtifactRecord> for CarriedArtifact {
    type Error = String;

    fn try_from(record: ArtifactRecord) -> Result<Self, String> {
        let ArtifactRecord { name, kind, size, mode, digest, form, kept, images, tags, blobs, url } = record;
        let carried = match (form, kept, url) {
            (Form::File, reason, None) if blobs.is_empty() => Carried::File { reason },
            (Form::Rebuilt, None, None) => Carried::Rebuilt { blobs },
            (Form::Exported, None, None) if blobs.is_empty() => Carried::Exported,
            // Which images it has, only its own bytes say.
            (Form::Detached, None, url) if blobs.is_empty() && images.is_empty() && tags.is_empty() => {
                Carried::Detached { url }
            }
            _ => return Err(format!("'{name}' has what its form does not have: 'kept', 'blobs', 'images' or 'url'")),
        };
        Ok(CarriedArtifact { name, kind, size, mode, digest, carried, images, tags })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(more: &[(&str, Value)]) -> Value {
        let mut record = json!({ "name": "a", "kind": "image", "size": 1, "mode": 420, "digest": Digest::of(b"") });
        more.iter().for_each(|(key, value)| record[*key] = value.clone());
        record
    }

    #[test]
    fn each_form_reads_back_as_the_same_text() {
        let blobs = json!([Digest::of(b"x")]);
        for more in [
            &[][..],
            &[("kept", json!("it is not compressed"))],
            &[("form", json!("rebuilt"))],
            &[("form", json!("rebuilt")), ("blobs", blobs)],
            &[("form", json!("exported")), ("images", json!([Digest::of(b"i")])), ("tags", json!([["a:1"]]))],
            &[("form", json!("detached"))],
            &[("form", json!("detached")), ("url", json!("https://example.org/a"))],
        ] {
            let record = record(more);
            let read: CarriedArtifact = serde_json::from_value(record.clone()).expect("valid");
            assert_eq!(serde_json::to_value(&read).expect("JSON"), record);
        }
    }

    #[test]
    fn what_a_form_does_not_have_is_refused() {
        let blobs = json!([Digest::of(b"x")]);
        for more in [
            &[("blobs", blobs.clone())][..],
            &[("form", json!("exported")), ("blobs", blobs)],
            &[("form", json!("rebuilt")), ("kept", json!("why"))],
            &[("form", json!("exported")), ("kept", json!("why"))],
            &[("form", json!("detached")), ("images", json!([Digest::of(b"i")]))],
            &[("url", json!("https://example.org/a"))],
        ] {
            assert!(serde_json::from_value::<CarriedArtifact>(record(more)).is_err(), "{more:?}");
        }
    }
}
