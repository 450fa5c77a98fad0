//! Which servers and mirrors failed in this run: they are not asked first again.

use std::collections::HashSet;
use std::sync::Mutex;

/// Shared by all artifacts of a run.
#[derive(Debug, Default)]
pub(super) struct Health {
    failed: Mutex<HashSet<String>>,
}

impl Health {
    /// Whether `party` has failed before.
    pub(super) fn has_failed(&self, party: &str) -> bool {
        self.failed.lock().unwrap_or_else(|broken| broken.into_inner()).contains(party)
    }

    /// Remembers a failure.
    pub(super) fn failed(&self, party: &str) {
        self.failed.lock().unwrap_or_else(|broken| broken.into_inner()).insert(party.to_owned());
    }

    /// Forgets a failure: it works again.
    pub(super) fn works(&self, party: &str) {
        self.failed.lock().unwrap_or_else(|broken| broken.into_inner()).remove(party);
    }
}
