//! What every change on a host begins with.

use std::fs::File;

use crate::error::{Error, Result};
use crate::language::tr;
use crate::progress::Progress;
use crate::site::Interruption;
use crate::site::lifecycle::{Place, Recovered, Watch, expect_own_engine, recover, recover_configuration};

/// How a change is made.
pub struct AtWork<'a> {
    /// What is told to whoever looks on.
    pub progress: &'a dyn Progress,
    /// Whether somebody wants it to end.
    pub interruption: &'a Interruption,
    /// How long a gate may take, in seconds, instead of what the product says.
    pub timeout: Option<u64>,
}

impl AtWork<'_> {
    /// How a change is watched.
    pub fn watch(&self) -> Watch<'_> {
        Watch { progress: self.progress, interruption: Some(self.interruption), timeout: self.timeout }
    }

    /// Keeps other runs away, and brings to its end what one of them left unfinished.
    ///
    /// # Errors
    /// This user is not root, another run is at work, or what was left does not come to its end.
    pub fn begin(&self, place: &Place) -> Result<File> {
        let lock = Self::keep_others_away(place)?;
        self.take_up(place)?;
        Ok(lock)
    }

    /// Keeps other runs away.
    ///
    /// # Errors
    /// This user is not root, the commands lead to another host's Docker, or another run is at work.
    pub(super) fn keep_others_away(place: &Place) -> Result<File> {
        need_root()?;
        expect_own_engine()?;
        place.make()?;
        place.lock()
    }

    /// Brings to its end what another run left unfinished, and says so; the caller keeps the others away.
    ///
    /// # Errors
    /// It does not come to its end.
    pub(super) fn take_up(&self, place: &Place) -> Result<()> {
        match self.recover(place)? {
            Recovered::Nothing => {}
            Recovered::Finished(version) => {
                self.progress.note(&tr!("{version} runs: that change has come to its end", version))
            }
            Recovered::TakenBack(Some(version)) => self.progress.note(&tr!("{version} runs again", version)),
            Recovered::TakenBack(None) => self.progress.note(&tr!("the installation that was broken off is undone")),
        }
        Ok(())
    }

    /// Brings to its end what another run left unfinished; the caller keeps the others away.
    ///
    /// # Errors
    /// It does not come to its end.
    pub(super) fn recover(&self, place: &Place) -> Result<Recovered> {
        let recovered = recover(place, self.watch())?;
        if recover_configuration(place, self.watch())? {
            self.progress.note(&tr!("a change of the configuration that was broken off is undone"));
        }
        Ok(recovered)
    }
}

/// Checks that this user is root.
///
/// # Errors
/// It is not.
pub fn need_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::failed(tr!("this needs root rights")).hint(tr!("the same command with sudo")))
}
