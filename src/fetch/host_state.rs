//! Which hosts failed in this run, so that others are tried first, and which sent `Retry-After`, so that no
//! artifact asks them before that time.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shared by all artifacts of a run.
#[derive(Debug, Default)]
pub(super) struct HostStates {
    failed: Mutex<HashSet<String>>,
    backing_off: Mutex<HashMap<String, Instant>>,
}

impl HostStates {
    /// Whether `host` failed and has not succeeded since.
    pub(super) fn has_failed(&self, host: &str) -> bool {
        self.failed.lock().unwrap_or_else(|broken| broken.into_inner()).contains(host)
    }

    /// Records a failure.
    pub(super) fn failed(&self, host: &str) {
        self.failed.lock().unwrap_or_else(|broken| broken.into_inner()).insert(host.to_owned());
    }

    /// Records a success.
    pub(super) fn succeeded(&self, host: &str) {
        self.failed.lock().unwrap_or_else(|broken| broken.into_inner()).remove(host);
    }

    /// The time before `host` may be asked again; `None` if it may be asked now.
    pub(super) fn time_left(&self, host: &str) -> Option<Duration> {
        let backing_off = self.backing_off.lock().unwrap_or_else(|broken| broken.into_inner());
        backing_off.get(host)?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Records that `host` asks to wait this long.
    pub(super) fn back_off(&self, host: &str, wait: Duration) {
        // An Instant cannot hold every time that a server can send.
        let until = Instant::now() + wait.min(Duration::from_secs(365 * 24 * 60 * 60));
        let mut backing_off = self.backing_off.lock().unwrap_or_else(|broken| broken.into_inner());
        let known = backing_off.entry(host.to_owned()).or_insert(until);
        *known = until.max(*known);
    }
}
