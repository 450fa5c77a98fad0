//! How long work reports what it does, without knowing who listens.

/// Where the core reports to. Only `cli` turns this into something people see.
pub trait Progress: Send + Sync {
    /// `items` pieces of work follow, of `bytes` bytes in all where that is known.
    fn plan(&self, items: usize, bytes: Option<u64>);

    /// Work on `name` begins; its size in bytes where that is known.
    fn start(&self, name: &str, bytes: Option<u64>) -> Box<dyn Meter>;

    /// Something worth a line to whoever watches, such as a retry.
    fn note(&self, line: &str);
}

/// The work on one item.
pub trait Meter: Send + Sync {
    /// `bytes` more are done.
    fn add(&self, bytes: u64);

    /// So many of the bytes added do not count any more: they are done again.
    fn retract(&self, bytes: u64);

    /// The size turned out to be so many bytes.
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
