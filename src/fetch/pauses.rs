//! The pauses between rounds: each twice as long as the one before, up to the longest, and longer by a random part of
//! itself, so that many clients of a server that comes back do not return at the same moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::options::Options;

/// An endless series of pauses.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
    random: RandomState,
    count: u64,
}

impl Pauses {
    /// Starts with [`Options::pause`] and grows to [`Options::longest_pause`].
    pub(super) fn new(options: &Options) -> Self {
        let longest = options.longest_pause;
        Pauses { next: options.pause.min(longest), longest, random: RandomState::new(), count: 0 }
    }

    /// The next pause: at least the series' own and less than twice that.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        self.count += 1;
        // The upper 53 bits, as a fraction of 1.
        let fraction = (self.random.hash_one(self.count) >> 11) as f64 / (1_u64 << 53) as f64;
        pause.saturating_add(pause.mul_f64(fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_do_not_end() {
        let options = Options::default();
        let mut pauses = Pauses::new(&options);
        let mut least = options.pause;
        let mut differ = false;
        for _ in 0..20 {
            let pause = pauses.next();
            assert!((least..2 * least).contains(&pause), "{pause:?} where {least:?} was due");
            differ |= pause != least;
            least = options.longest_pause.min(2 * least);
        }
        assert!(differ, "no jitter");
    }
}
