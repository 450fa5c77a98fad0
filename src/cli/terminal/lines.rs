//! Progress for a log: a plain line for each file that is done, and one every ten seconds of what is in work.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::{bytes, note, rate, stderr};
use crate::progress::{Meter, Progress};

/// How often a log hears of work that takes long.
const EVERY: Duration = Duration::from_secs(10);

/// Reports to a standard error that is not a terminal.
pub(super) struct Lines {
    log: Arc<Log>,
    /// Whether a file that is done gets a line; not where the result lists them all.
    each: bool,
}

/// Where the lines go.
type Sink = Box<dyn Fn(&str) + Send + Sync>;

struct Log {
    sink: Sink,
    work: Mutex<Work>,
    ended: Condvar,
}

#[derive(Default)]
struct Work {
    doing: &'static str,
    /// All that was planned, where that is known, in bytes.
    planned: Option<u64>,
    done: u64,
    since: Option<Instant>,
    next: u64,
    /// The names in work, by the order in which they were started.
    open: BTreeMap<u64, String>,
    ended: bool,
}

struct Line {
    log: Arc<Log>,
    number: u64,
    name: String,
    bytes: Mutex<Option<u64>>,
    unplanned: bool,
    each: bool,
}

impl Lines {
    pub(super) fn new(each: bool) -> Self {
        Self::every(EVERY, each, Box::new(|line| stderr(line)))
    }

    fn every(pause: Duration, each: bool, sink: Sink) -> Self {
        let log = Arc::new(Log { sink, work: Mutex::default(), ended: Condvar::new() });
        let watched = Arc::clone(&log);
        // Without a thread a log hears of files when they are done, and that is all.
        let _ = thread::Builder::new().name("log".to_owned()).spawn(move || watched.watch(pause));
        Lines { log, each }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.log.work().ended = true;
        self.log.ended.notify_all();
    }
}

impl Log {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Says every `pause` what is in work, until the end.
    fn watch(&self, pause: Duration) {
        let mut work = self.work();
        loop {
            let until = Instant::now() + pause;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                if work.ended {
                    return;
                }
                work = self.ended.wait_timeout(work, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
            }
            if let Some(line) = work.line() {
                (self.sink)(&line);
            }
        }
    }
}

impl Work {
    /// What is in work, in a line; `None` where nothing was started.
    fn line(&self) -> Option<String> {
        let since = self.since?;
        let done = match self.planned.filter(|&planned| planned > 0) {
            Some(planned) => format!(
                "{} % ({} of {})",
                u128::from(self.done.min(planned)) * 100 / u128::from(planned),
                bytes(self.done),
                bytes(planned)
            ),
            None if self.done > 0 => bytes(self.done),
            None => format!("{} s", since.elapsed().as_secs()),
        };
        let rate = if self.done > 0 { format!(", {}", rate(self.done, since.elapsed())) } else { String::new() };
        let names: Vec<&str> = self.open.values().map(String::as_str).collect();
        let names = match names.as_slice() {
            [] => String::new(),
            [one] => format!(": {one}"),
            [first, rest @ ..] => format!(": {first} and {} more", rest.len()),
        };
        Some(format!("{} {done}{rate}{names}", self.doing))
    }
}

impl Progress for Lines {
    fn phase(&self, doing: &'static str) {
        let mut work = self.log.work();
        (work.doing, work.planned, work.done) = (doing, None, 0);
        work.since = Some(Instant::now());
    }

    fn plan(&self, _items: usize, bytes: Option<u64>) {
        let mut work = self.log.work();
        (work.planned, work.done) = (bytes, 0);
        work.since = Some(Instant::now());
    }

    fn start(&self, name: &str, bytes: Option<u64>) -> Box<dyn Meter> {
        let mut work = self.log.work();
        let number = work.next;
        work.next += 1;
        work.since.get_or_insert_with(Instant::now);
        work.open.insert(number, name.to_owned());
        let unplanned = work.planned.is_none();
        Box::new(Line {
            log: Arc::clone(&self.log),
            number,
            name: name.to_owned(),
            bytes: Mutex::new(bytes),
            unplanned,
            each: self.each,
        })
    }

    fn note(&self, line: &str) {
        (self.log.sink)(&note(line));
    }
}

impl Meter for Line {
    fn add(&self, bytes: u64) {
        self.log.work().done += bytes;
    }

    fn retract(&self, bytes: u64) {
        let mut work = self.log.work();
        work.done = work.done.saturating_sub(bytes);
    }

    fn expect(&self, bytes: u64) {
        let mut known = self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.unplanned && known.is_none() {
            let mut work = self.log.work();
            work.planned = Some(work.planned.unwrap_or(0) + bytes);
        }
        *known = Some(bytes);
    }

    fn done(&self, how: &str) {
        if !self.each {
            return;
        }
        match *self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(size) => (self.log.sink)(&format!("{how} {} ({})", self.name, bytes(size))),
            None => (self.log.sink)(&format!("{how} {}", self.name)),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.log.work().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_log_hears_of_a_large_file_before_it_is_done() {
        let (sink, lines) = mpsc::channel();
        let sink = Mutex::new(sink);
        let sink: Sink = Box::new(move |line| drop(sink.lock().expect("no panic").send(line.to_owned())));
        let log = Lines::every(Duration::from_millis(10), true, sink);
        log.phase("fetching");
        log.plan(2, Some(4_000_000));
        let meter = log.start("mysql.tar.gz", Some(3_000_000));
        let other = log.start("redis.tar.gz", Some(1_000_000));
        meter.add(1_000_000);
        let of_now = |line: &String| line.starts_with("fetching 25 % (1.00 MB of 4.00 MB), ");
        let line = lines.iter().find(of_now).expect("a line");
        assert!(line.ends_with("/s: mysql.tar.gz and 1 more"), "{line}");
        other.done("fetched");
        drop(other);
        assert_eq!(
            lines.iter().find(|line| line.starts_with("fetched")).as_deref(),
            Some("fetched redis.tar.gz (1.00 MB)")
        );
        assert!(lines.iter().any(|line| line.ends_with("/s: mysql.tar.gz")));
        log.phase("syncing");
        assert!(lines.iter().any(|line| line.starts_with("syncing 0 s")));
    }
}
