//! How long work reports what it does, without knowing who listens.

/// Where the library reports to. Only `cli` turns this into something people see.
///
/// A use case calls [`phase`](Progress::phase), then [`plan`](Progress::plan), then [`start`](Progress::start) for each
/// item. Every method may be called from several threads at once, and must not block for long: work waits for it.
pub trait Progress: Send + Sync {
    /// A phase of the work begins: a word such as `packing`. What is planned and started from now on belongs to it.
    fn phase(&self, _doing: &'static str) {}

    /// `items` pieces of work follow, of `bytes` bytes in all where that is known.
    fn plan(&self, items: usize, bytes: Option<u64>);

    /// Work on `name` begins; its size in bytes where that is known.
    fn start(&self, name: &str, bytes: Option<u64>) -> Box<dyn Meter>;

    /// Something worth a line that is not a result, such as a retry, or a manifest that has expired.
    fn note(&self, line: &str);
}

/// The work on one item. One thread uses it at a time, which need not be the one that started it.
pub trait Meter: Send + Sync {
    /// `bytes` more are done.
    fn add(&self, bytes: u64);

    /// `bytes` of those added do not count any more: they are done again.
    fn retract(&self, bytes: u64);

    /// The size is now known to be `bytes`.
    fn expect(&self, bytes: u64);

    /// The item is finished; `how` is a word such as `fetched`.
    fn done(&self, how: &str);
}

/// Reports to nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn plan(&self, _items: usize, _bytes: Option<u64>) {}

    fn start(&self, _name: &str, _bytes: Option<u64>) -> Box<dyn Meter> {
        Box::new(Silent)
    }

    fn note(&self, _line: &str) {}
}

impl Meter for Silent {
    fn add(&self, _bytes: u64) {}
    fn retract(&self, _bytes: u64) {}
    fn expect(&self, _bytes: u64) {}
    fn done(&self, _how: &str) {}
}
