//! How a bundle carries an artifact.

use serde::{Deserialize, Serialize};

/// How an artifact is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As a file of the payload.
    #[default]
    File,
    /// As blobs and a recipe; it comes back bit for bit.
    Rebuilt,
    /// As the blobs of its images; it comes back as a plain docker archive with the same images.
    Exported,
}

impl Form {
    pub(super) fn is_file(&self) -> bool {
        *self == Form::File
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::File => "file",
            Form::Rebuilt => "rebuilt",
            Form::Exported => "exported",
        }
    }
}
