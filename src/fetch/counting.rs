//! A meter that can take back what was added.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::progress::Meter;

/// Passes on what it is given and counts it.
pub(super) struct Counting<'a> {
    meter: &'a dyn Meter,
    added: AtomicU64,
}

impl<'a> Counting<'a> {
    /// Passes everything on to `meter`.
    pub(super) fn new(meter: &'a dyn Meter) -> Self {
        Counting { meter, added: AtomicU64::new(0) }
    }

    /// Takes back everything added so far.
    pub(super) fn retract_all(&self) {
        self.retract(self.added.load(Ordering::Relaxed));
    }
}

impl Meter for Counting<'_> {
    fn add(&self, bytes: u64) {
        self.added.fetch_add(bytes, Ordering::Relaxed);
        self.meter.add(bytes);
    }
    fn retract(&self, bytes: u64) {
        self.added.fetch_sub(bytes, Ordering::Relaxed);
        self.meter.retract(bytes);
    }
    fn expect(&self, bytes: u64) {
        self.meter.expect(bytes);
    }
    fn done(&self, how: &str) {
        self.meter.done(how);
    }
}
