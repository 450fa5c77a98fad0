//! Progress for eyes: a bar for each file in work, and one for all of them.

use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{counted, note};
use crate::error::printable;
use crate::progress::{Meter, Progress};

const ITEM: &str =
    "  {prefix:30!} {bar:24} {decimal_bytes:>10}/{decimal_total_bytes:<10} {decimal_bytes_per_sec:>12} {eta:>4}";
const TOTAL: &str =
    "{prefix:32!} {bar:24} {decimal_bytes:>10}/{decimal_total_bytes:<10} {decimal_bytes_per_sec:>12} {eta:>4}";

/// Reports to a terminal.
pub(super) struct Bars {
    doing: Mutex<&'static str>,
    all: MultiProgress,
    total: Mutex<ProgressBar>,
}

struct Bar {
    bar: ProgressBar,
    total: ProgressBar,
    /// Whether the plan did not know this item's size, so that the total learns of it here.
    unplanned: bool,
}

impl Bars {
    pub(super) fn new() -> Self {
        Bars { doing: Mutex::new("working"), all: MultiProgress::new(), total: Mutex::new(ProgressBar::hidden()) }
    }

    fn total(&self) -> ProgressBar {
        self.total.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let plain = ProgressStyle::default_bar();
    // The templates are constants of this file; a wrong one would show the plain style.
    let style = ProgressStyle::with_template(template).unwrap_or(plain).progress_chars("=> ");
    ProgressBar::new(length.unwrap_or(0)).with_style(style)
}

impl Progress for Bars {
    fn phase(&self, doing: &'static str) {
        *self.doing.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = doing;
    }

    fn plan(&self, items: usize, bytes: Option<u64>) {
        self.total().finish_and_clear();
        let total = self.all.add(bar(bytes, TOTAL));
        let doing = *self.doing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        total.set_prefix(format!("{doing} {}", counted(items as u64, "file")));
        total.tick();
        *self.total.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = total;
    }

    fn start(&self, name: &str, bytes: Option<u64>) -> Box<dyn Meter> {
        let total = self.total();
        let bar = bar(bytes, ITEM);
        let bar = if total.is_hidden() { self.all.add(bar) } else { self.all.insert_before(&total, bar) };
        bar.set_prefix(printable(name));
        Box::new(Bar { bar, total, unplanned: bytes.is_none() })
    }

    fn note(&self, line: &str) {
        // A terminal that cannot be written to shows no note.
        let _ = self.all.println(note(line));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total().finish_and_clear();
    }
}

impl Meter for Bar {
    fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.total.inc(bytes);
    }

    fn retract(&self, bytes: u64) {
        self.bar.dec(bytes);
        self.total.dec(bytes);
    }

    fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
        if self.unplanned {
            self.total.inc_length(bytes);
        }
    }

    fn done(&self, _how: &str) {
        self.bar.finish_and_clear();
    }
}
