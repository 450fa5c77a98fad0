//! Progress for a log: one plain line for each file that is done.

use std::sync::Mutex;

use super::{bytes, note, stderr};
use crate::progress::{Meter, Progress};

/// Reports to a standard error that is no terminal.
pub(super) struct Lines;

struct Line {
    name: String,
    bytes: Mutex<Option<u64>>,
}

impl Lines {
    pub(super) fn new() -> Self {
        Lines
    }
}

impl Progress for Lines {
    fn plan(&self, _items: usize, _bytes: Option<u64>) {}

    fn start(&self, name: &str, bytes: Option<u64>) -> Box<dyn Meter> {
        Box::new(Line { name: name.to_owned(), bytes: Mutex::new(bytes) })
    }

    fn note(&self, line: &str) {
        stderr(&note(line));
    }
}

impl Meter for Line {
    fn add(&self, _bytes: u64) {}

    fn retract(&self, _bytes: u64) {}

    fn expect(&self, bytes: u64) {
        *self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(bytes);
    }

    fn done(&self, how: &str) {
        match *self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(size) => stderr(&format!("{how} {} ({})", self.name, bytes(size))),
            None => stderr(&format!("{how} {}", self.name)),
        }
    }
}
