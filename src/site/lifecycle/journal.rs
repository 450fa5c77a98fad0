//! A change of what runs that has not come to its end: written and synced before each step, removed at the end.
//!
//! ```text
//!             nothing but ports closed                the new version may have changed the data
//!          ┌──────────┐   ┌──────────┐   ┌───────────┐ gate ┌─────────┐
//! begin ──▶│ Closing  │──▶│ Dumping  │──▶│ Deploying │─────▶│ Opening │──▶ committed: State is written
//!          └────┬─────┘   └────┬─────┘   └─────┬─────┘      └────┬────┘
//!               │ failed       │               │ failed          │ failed; after a power cut it goes on first
//!               ▼              ▼               ▼                 ▼
//!             the old version opens        ┌───────────────────────┐
//!             its ports again              │ Returning: dump back, │──▶ the old version, as it was
//!                                          │ old version up        │
//!                                          └───────────────────────┘
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::exchange::Exchange;
use super::instance::Instance;
use super::place::Place;
use super::reserve;
use super::state::{State, read_document, write_document};
use crate::error::Result;
use crate::language::tr;
use crate::own_file;
use crate::staged_file::sync_folder_of;

/// A step of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    /// Ports close, and all but the services that keep data end.
    Closing,
    /// The database is written to a file.
    Dumping,
    /// The new version starts behind closed ports.
    Deploying,
    /// It has passed its gate; ports open.
    Opening,
    /// The old version comes back, and its database.
    Returning,
}

/// What is being changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Journal {
    /// How far it has come.
    pub(super) phase: Phase,
    /// What ran before; nothing at a first installation.
    pub(super) from: Option<State>,
    /// What is to run.
    pub(super) to: State,
    /// The database of `from`, once it is written.
    pub(super) dump: Option<PathBuf>,
    /// A dump that is to be put back before `to` starts.
    pub(super) restore: Option<PathBuf>,
    /// Files and folders that take the place of others before `to` starts.
    #[serde(default)]
    pub(super) exchange: Option<Exchange>,
    /// What the receipt is to say of its publisher.
    pub(super) signed: String,
    /// Why it goes back.
    pub(super) reason: Option<String>,
}

impl Journal {
    /// That of a change which begins, from what runs to `to`.
    pub(super) fn of(from: Option<&Instance>, to: &Instance) -> Self {
        Journal {
            phase: Phase::Closing,
            from: from.map(|from| from.state.clone()),
            to: to.state.clone(),
            dump: None,
            restore: None,
            exchange: None,
            signed: String::new(),
            reason: None,
        }
    }

    /// The change of the product at `place` that has not come to its end, if there is one.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub(super) fn read(place: &Place) -> Result<Option<Self>> {
        let way_out =
            tr!("move it away, and install again from the bundle: what runs and its data stay as they are until then");
        read_document(&place.journal(), &way_out)
    }

    /// The change begins: room for its way back is kept, and its first phase is on the disk.
    ///
    /// # Errors
    /// There is no room, or it cannot be written: there is no change.
    pub(super) fn begin(&self, place: &Place) -> Result<()> {
        reserve::keep(place, self.install_dir())
            .and_then(|()| self.write(place))
            .inspect_err(|_| reserve::give_up(place, self.install_dir()))
    }

    /// Goes on to a phase, on the disk.
    ///
    /// # Errors
    /// It cannot be written: the change stays in the phase before.
    pub(super) fn enter(&mut self, phase: Phase, place: &Place) -> Result<()> {
        self.phase = phase;
        self.write(place)
    }

    /// Writes it, whole and synced; on an error the file is as it was.
    fn write(&self, place: &Place) -> Result<()> {
        // It names options, which may be secrets.
        reserve::with_room(place, self.install_dir(), || write_document(&place.journal(), self, 0o600))
    }

    /// The change has come to its end.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn close(self, place: &Place) -> Result<()> {
        reserve::give_up(place, self.install_dir());
        own_file::remove(&place.journal())?;
        sync_folder_of(&place.journal())
    }

    fn install_dir(&self) -> &Path {
        Path::new(&self.to.install_dir)
    }
}
