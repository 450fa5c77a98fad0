//! `--limit-rate`: a limit on the bytes a second over all connections together.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Spaces out bytes in time; shared by all connections.
#[derive(Debug)]
pub(super) struct Throttle {
    bytes_per_second: Option<u64>,
    /// When the bytes passed so far are within the rate.
    paid: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        Throttle { bytes_per_second: bytes_per_second.map(|rate| rate.max(1)), paid: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` that arrived are within the rate. Nothing is read meanwhile, which slows the sender down.
    pub(super) async fn pass(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let now = Instant::now();
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(|broken| broken.into_inner());
            *paid = (*paid).max(now) + Duration::from_secs_f64(bytes as f64 / rate as f64);
            *paid
        };
        tokio::time::sleep_until(until.into()).await;
    }
}
