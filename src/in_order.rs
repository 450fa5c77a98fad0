//! Maps and sets in the order of their keys, made entry by entry.

/// How to collect into a `BTreeMap` or `BTreeSet`.
///
/// `collect` sorts first, by a sort that is compiled anew for each type of entry: more code than anything else of a small map,
/// and the runtime in every bundle would carry it.
pub(crate) trait InOrder: Iterator + Sized {
    /// All items; of equal keys the last one stays.
    fn in_order<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> InOrder for I {}
