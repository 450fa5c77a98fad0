//! What was delivered: written at the end of each change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::observe::observe;
use super::place::Place;
use super::state::{State, read_document, write_document};
use super::version_files::VersionFiles;
use crate::digest::Digest;
use crate::error::Result;
use crate::in_order::InOrder;
use crate::language::tr;

/// A receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The product.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of the manifest that pins all of it.
    pub manifest: Digest,
    /// Who signed that.
    pub signed: String,
    /// When the change was committed (RFC 3339).
    pub committed: String,
    /// How long that took, in seconds.
    pub seconds: u64,
    /// Where the data lies.
    pub install_dir: String,
    /// What was chosen.
    pub options: BTreeMap<String, Value>,
    /// The engine's image IDs by reference.
    pub images: BTreeMap<String, String>,
    /// The image of each running container, by service, as the engine says.
    pub containers: BTreeMap<String, String>,
    /// The version before, where there is a way back to it.
    pub previous: Option<String>,
}

impl Receipt {
    /// That of what runs now.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(super) fn of(state: &State, files: &VersionFiles, signed: &str, seconds: u64) -> Result<Self> {
        let observed = observe(&state.name)?;
        let containers =
            observed.running().into_iter().map(|(service, container)| (service.to_owned(), container.image.clone()));
        Ok(Receipt {
            name: state.name.clone(),
            version: state.current.version.to_string(),
            manifest: Digest::of(files.manifest().text().as_bytes()),
            signed: signed.to_owned(),
            committed: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            seconds,
            install_dir: state.install_dir.clone(),
            options: state.current.options.clone(),
            images: state.current.images.clone(),
            containers: containers.in_order(),
            previous: state.previous.as_ref().map(|previous| previous.deployed.version.to_string()),
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// An I/O error.
    pub(super) fn write(&self, place: &Place) -> Result<()> {
        write_document(&place.receipt(), self, 0o644)
    }

    /// The last one; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(place: &Place) -> Result<Option<Self>> {
        read_document(&place.receipt(), &tr!("install again from the bundle: that writes a new one"))
    }
}
