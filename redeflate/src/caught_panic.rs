//! Panics that are caught where they happen and only mean that a prediction failed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// Whether a panic on this thread is caught.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and returns `None` if it panics: preflate asserts where its input makes no sense, which here is just
/// another failed prediction. The process's panic hook is called all the same; see [`silence_caught_panics`].
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outer = CAUGHT.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    outcome.ok()
}

/// Replaces the process's panic hook, once, by one that passes on every panic but those that this crate catches and
/// goes on from. For a program to call first thing in its `main`. Nothing in this crate's library calls it: without it
/// such a panic prints its message on standard error, and changes no result.
pub fn silence_caught_panics() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !CAUGHT.get() {
            others(info);
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn the_programs_own_hook_hears_of_a_caught_panic_until_the_program_says_otherwise() {
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        let own = thread::current().id();
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == own {
                HEARD.fetch_add(1, Ordering::Relaxed);
            } else {
                default(info);
            }
        }));
        let fails = || caught(|| panic!("as asked"));
        assert_eq!((fails(), HEARD.load(Ordering::Relaxed)), (None::<()>, 1));
        silence_caught_panics();
        assert_eq!((fails(), HEARD.load(Ordering::Relaxed)), (None, 1));
        assert_eq!(caught(|| fails().is_none()), Some(true));
        assert!(panic::catch_unwind(|| panic!("not caught by us")).is_err());
        assert_eq!(HEARD.load(Ordering::Relaxed), 2, "any other panic is heard of");
    }
}
