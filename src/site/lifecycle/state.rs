//! What is installed on this host of a product.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use semver::Version;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place::Place;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::path::shell_word;
use crate::small_file;
use crate::staged_file::StagedFile;

/// The version of the files that this code writes.
const SCHEMA_VERSION: u64 = 1;
/// The largest of these files that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// What is installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The product's name.
    pub name: String,
    /// Where its data lies.
    pub install_dir: String,
    /// What runs, or ran until it was stopped.
    pub current: Deployed,
    /// What ran before, and can be gone back to.
    pub previous: Option<Previous>,
    /// Somebody stopped it, and nobody started it again.
    #[serde(default)]
    pub stopped: bool,
    /// Only its data is left.
    #[serde(default)]
    pub removed: bool,
}

/// A version as it is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The product's version.
    pub version: Version,
    /// What was chosen, by the option's name.
    pub options: BTreeMap<String, Value>,
    /// The engine's image IDs by the references of the stack template.
    pub images: BTreeMap<String, String>,
}

/// A version that ran before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// How it was deployed.
    pub deployed: Deployed,
    /// The database as it was when that version was last running.
    pub dump: Option<PathBuf>,
}

impl Deployed {
    /// Whether it runs the same programs as `other`, whatever was chosen for either.
    pub(super) fn is_the_version_of(&self, other: &Self) -> bool {
        self.version == other.version && self.images == other.images
    }
}

impl State {
    /// Reads the state of the product at `place`; `None` where it was never installed.
    ///
    /// # Errors
    /// The file cannot be read, is not what `pack` wrote, or was written by a newer one.
    pub fn read(place: &Place) -> Result<Option<Self>> {
        let way_out = tr!("put it back from a backup, or name what is installed by installing again from its bundle");
        read_document(&place.state(), &way_out)
    }

    /// Writes it, whole and synced.
    ///
    /// # Errors
    /// An I/O error; the file is then as it was.
    pub(super) fn write(&self, place: &Place) -> Result<()> {
        write_document(&place.state(), self, 0o644)
    }
}

/// A document with its schema's version around it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned<T> {
    schema_version: u64,
    #[serde(flatten)]
    document: T,
}

/// Reads a document that [`write_document`] wrote; `None` where there is none.
pub(super) fn read_document<T: DeserializeOwned>(path: &Path, way_out: &str) -> Result<Option<T>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Schema {
        schema_version: u64,
    }
    let Some(bytes) = small_file::read_if_there(path, LARGEST)? else { return Ok(None) };
    let wrong = |why: String| {
        Error::failed(tr!("a file of this host's installation cannot be understood"))
            .fact("path", path.display())
            .fact("reason", why)
            .hint(tr!("nothing was changed; see it with: cat {}; then {way_out}", shell_word(path), way_out))
    };
    let schema: Schema = serde_json::from_slice(&bytes).map_err(|cause| wrong(cause.to_string()))?;
    if schema.schema_version > SCHEMA_VERSION {
        let why =
            tr!("a newer pack wrote it: schemaVersion {}, this pack knows {}", schema.schema_version, SCHEMA_VERSION);
        return Err(wrong(why).hint(tr!("use the newer pack: it is in the bundle that was installed last")));
    }
    let versioned: Versioned<T> = serde_json::from_slice(&bytes).map_err(|cause| wrong(cause.to_string()))?;
    Ok(Some(versioned.document))
}

/// Writes a document, whole and synced.
pub(super) fn write_document<T: Serialize>(path: &Path, document: &T, mode: u32) -> Result<()> {
    let versioned = Versioned { schema_version: SCHEMA_VERSION, document };
    let mut text = serde_json::to_vec_pretty(&versioned).map_err(|cause| {
        Error::failed(tr!("a document cannot be written")).fact("path", path.display()).fact("cause", cause)
    })?;
    text.push(b'\n');
    StagedFile::write(path, &text, mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_cut_anywhere_too_large_or_of_a_newer_pack_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.json");
        let deployed = Deployed { version: Version::new(1, 0, 0), options: BTreeMap::new(), images: BTreeMap::new() };
        let state = State {
            name: "x".to_owned(),
            install_dir: "/srv/x".to_owned(),
            current: deployed.clone(),
            previous: Some(Previous { deployed, dump: None }),
            stopped: false,
            removed: false,
        };
        assert_eq!(read_document::<State>(&path, "").expect("read"), None);
        write_document(&path, &state, 0o644).expect("written");
        assert_eq!(read_document::<State>(&path, "").expect("read"), Some(state));
        let whole = std::fs::read(&path).expect("read");
        // The last byte is a line feed.
        for end in 0..whole.len() - 1 {
            std::fs::write(&path, &whole[..end]).expect("written");
            assert!(read_document::<State>(&path, "").is_err(), "cut at {end}");
        }
        let mut padded = whole.clone();
        for (size, is_read) in [(LARGEST, true), (LARGEST + 1, false)] {
            padded.resize(size as usize, b' ');
            std::fs::write(&path, &padded).expect("written");
            assert_eq!(read_document::<State>(&path, "").is_ok(), is_read, "{size} bytes");
        }
        let newer = String::from_utf8(whole).expect("text").replace("\"schemaVersion\": 1", "\"schemaVersion\": 2");
        std::fs::write(&path, newer).expect("written");
        assert!(read_document::<State>(&path, "").expect_err("newer").to_string().contains("newer pack"));
    }
}
