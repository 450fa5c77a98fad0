//! Which servers and mirrors failed in this run: they are not asked first again. And which asked for patience: no
//! artifact begins with them before.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shared by all artifacts of a run.
#[derive(Debug, Default)]
pub(super) struct Health {
    failed: Mutex<HashSet<String>>,
    resting: Mutex<HashMap<String, Instant>>,
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

    /// For how long yet `party` is to be left alone; `None` where that is over, or was never asked for.
    pub(super) fn rest_of(&self, party: &str) -> Option<Duration> {
        let resting = self.resting.lock().unwrap_or_else(|broken| broken.into_inner());
        resting.get(party)?.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    /// Remembers that `party` asked to be left alone for so long.
    pub(super) fn rests(&self, party: &str, wait: Duration) {
        // A clock cannot tell a time that is further away than that.
        let until = Instant::now() + wait.min(Duration::from_secs(365 * 24 * 60 * 60));
        let mut resting = self.resting.lock().unwrap_or_else(|broken| broken.into_inner());
        let known = resting.entry(party.to_owned()).or_insert(until);
        *known = until.max(*known);
    }
}
