//! Which bytes of a file are there.

use std::ops::Range;

/// Ranges of byte offsets: sorted, apart from each other, none empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extents(Vec<Range<u64>>);

impl Extents {
    /// Adds `range`, joining it with what it touches.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let from = self.0.partition_point(|held| held.end < range.start);
        let to = self.0.partition_point(|held| held.start <= range.end);
        let start = self.0.get(from).filter(|_| from < to).map_or(range.start, |held| held.start.min(range.start));
        let end = if from < to { self.0[to - 1].end.max(range.end) } else { range.end };
        self.0.splice(from..to, std::iter::once(start..end));
    }

    /// The end of the run of bytes that begins at 0.
    pub fn head(&self) -> u64 {
        self.0.first().filter(|first| first.start == 0).map_or(0, |first| first.end)
    }

    /// How many bytes are there in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// The end of the last range, 0 when there is none.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |last| last.end)
    }

    /// What is missing below `end`, in order.
    pub fn gaps(&self, end: u64) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = 0;
        for held in self.0.iter().take_while(|held| held.start < end) {
            if held.start > at {
                gaps.push(at..held.start);
            }
            at = held.end;
        }
        if at < end {
            gaps.push(at..end);
        }
        gaps
    }

    /// Forgets everything from `end` on.
    pub fn clip(&mut self, end: u64) {
        self.0.retain_mut(|held| {
            held.end = held.end.min(end);
            !held.is_empty()
        });
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extents_hold_what_a_plain_set_holds(ranges in proptest::collection::vec((0u64..60, 0u64..12), 0..20), cut in 0u64..70) {
            let mut extents = Extents::default();
            let mut plain = [false; 80];
            for (start, length) in ranges {
                extents.insert(start..start + length);
                plain[start as usize..(start + length) as usize].fill(true);
            }
            let agree = |extents: &Extents, plain: &[bool; 80]| {
                let gap = |at: u64| extents.gaps(80).iter().any(|gap| gap.contains(&at));
                prop_assert!((0..80).all(|at| gap(at) != plain[at as usize]), "{extents:?}");
                prop_assert_eq!(extents.total(), plain.iter().filter(|held| **held).count() as u64);
                prop_assert_eq!(extents.head(), plain.iter().position(|held| !held).unwrap_or(80) as u64);
                prop_assert_eq!(extents.end(), plain.iter().rposition(|held| *held).map_or(0, |last| last as u64 + 1));
                prop_assert!(extents.0.windows(2).all(|pair| pair[0].end < pair[1].start), "{extents:?}");
                Ok(())
            };
            agree(&extents, &plain)?;
            extents.clip(cut);
            plain[cut as usize..].fill(false);
            agree(&extents, &plain)?;
        }
    }
}
