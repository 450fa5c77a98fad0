//! In which order images are loaded, and which at the same time.
//!
//! An engine takes an archive without the layers that it has, and looks for these only when it has read the
//! archive to its end. So a load may begin while another still brings what both share: it leaves that out, and
//! waits before its archive's end. The archive goes over while the engine unpacks the other's layers.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::language::tr;

/// Layers from the base up, as an engine keeps them: each under the chain of those below it.
pub(super) type Chain = Vec<Digest>;

/// What one load brings.
pub(super) struct Load {
    /// The chains of its images.
    pub(super) chains: Vec<Chain>,
    /// About how many bytes go to the engine.
    pub(super) size: u64,
}

impl Load {
    /// Whether both bring a layer that the engine lacks.
    fn shares_with(&self, other: &Load, there: &[Chain]) -> bool {
        let both = self.chains.iter().flat_map(|chain| other.chains.iter().map(move |theirs| (chain, theirs)));
        both.into_iter().any(|(chain, theirs)| common(chain, theirs) > known(chain, there))
    }
}

/// How many layers two chains have in common.
fn common(one: &Chain, other: &Chain) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// How many layers of `chain`, from its base up, an engine with these chains has.
pub(super) fn known(chain: &Chain, there: &[Chain]) -> usize {
    there.iter().map(|other| common(chain, other)).max().unwrap_or(0)
}

struct ScheduleState {
    waiting: Vec<usize>,
    running: Vec<usize>,
    there: Vec<Chain>,
    /// The first one; nothing is begun after it.
    failure: Option<Error>,
}

/// What is shared by those who load.
struct Board<'a> {
    loads: &'a [Load],
    state: Mutex<ScheduleState>,
    changed: Condvar,
}

/// A load's turn.
pub(super) struct Turn<'a> {
    board: &'a Board<'a>,
    there: Vec<Chain>,
    /// The loads that are bringing some of that.
    bringing: Vec<usize>,
}

impl Turn<'_> {
    /// The chains that the engine has or is being brought.
    pub(super) fn there(&self) -> &[Chain] {
        &self.there
    }

    /// Waits until the engine has them. False: something failed, and it never will.
    pub(super) fn wait(&self) -> bool {
        let bringing = |state: &mut ScheduleState| self.bringing.iter().any(|load| state.running.contains(load));
        let state = self.board.changed.wait_while(self.board.lock(), bringing);
        state.unwrap_or_else(PoisonError::into_inner).failure.is_none()
    }
}

/// Does `work` for every load, up to `at_a_time` at once; it gets the load's number and its turn. What several
/// loads share comes with the smallest of them, first; then the largest goes first, so that it is not the one
/// that all wait for at the end.
///
/// # Errors
/// The first failure of the work; nothing is begun after it.
pub(super) fn run(
    loads: &[Load],
    there: Vec<Chain>,
    at_a_time: usize,
    work: impl Fn(usize, &Turn<'_>) -> Result<()> + Sync,
) -> Result<()> {
    let state = ScheduleState { waiting: (0..loads.len()).collect(), running: Vec::new(), there, failure: None };
    let board = Board { loads, state: Mutex::new(state), changed: Condvar::new() };
    let lane = || {
        while let Some((load, turn)) = board.take() {
            let mut ended =
                Ended { load, outcome: Some(Err(Error::failed(tr!("a load ended unexpectedly")))), board: &board };
            ended.outcome = Some(work(load, &turn));
        }
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..at_a_time.min(loads.len())).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    board.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure.map_or(Ok(()), Err)
}

impl Board<'_> {
    fn lock(&self) -> MutexGuard<'_, ScheduleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next load and its turn; `None` when there is nothing left to do.
    fn take(&self) -> Option<(usize, Turn<'_>)> {
        let mut state = self.lock();
        if state.failure.is_some() {
            return None;
        }
        let load = self.next(&state)?;
        let shares = |running: &usize| self.loads[load].shares_with(&self.loads[*running], &state.there);
        let bringing: Vec<usize> = state.running.iter().copied().filter(shares).collect();
        let brought = bringing.iter().flat_map(|&running| &self.loads[running].chains);
        let there = state.there.iter().chain(brought).cloned().collect();
        state.waiting.retain(|&waiting| waiting != load);
        state.running.push(load);
        Some((load, Turn { board: self, there, bringing }))
    }

    fn next(&self, state: &ScheduleState) -> Option<usize> {
        let brought = state.running.iter().flat_map(|&running| &self.loads[running].chains);
        let there: Vec<Chain> = state.there.iter().chain(brought).cloned().collect();
        let shares = |one: usize, other: usize| one != other && self.loads[one].shares_with(&self.loads[other], &there);
        let brings_for_others = |load: &usize| state.waiting.iter().any(|&other| shares(*load, other));
        let waiting = state.waiting.iter().copied();
        let shared = waiting.clone().filter(brings_for_others).min_by_key(|&load| (self.loads[load].size, load));
        // Of two of one size the one that was named first.
        shared.or_else(|| waiting.min_by_key(|&load| (Reverse(self.loads[load].size), load)))
    }
}

/// A load is no longer running, however it ended.
struct Ended<'a> {
    load: usize,
    outcome: Option<Result<()>>,
    board: &'a Board<'a>,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.board.lock();
        state.running.retain(|&running| running != self.load);
        match self.outcome.take() {
            Some(Err(error)) => drop(state.failure.get_or_insert(error)),
            _ => state.there.extend_from_slice(&self.board.loads[self.load].chains),
        }
        drop(state);
        self.board.changed.notify_all();
    }
}

/// The layers of `chains` that need not be sent to an engine that has `there`: a layer can be left out only
/// where every one of our chains has it on top of what the engine has too.
pub(super) fn already(chains: &[Chain], there: &[Chain]) -> HashSet<Digest> {
    let (mut has, mut needs) = (HashSet::new(), HashSet::new());
    for chain in chains {
        let (below, above) = chain.split_at(known(chain, there));
        has.extend(below);
        needs.extend(above);
    }
    &has - &needs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn load(size: u64, chains: &[&[&str]]) -> Load {
        let chain = |names: &&[&str]| names.iter().map(|name| Digest::of(name.as_bytes())).collect();
        Load { chains: chains.iter().map(chain).collect(), size }
    }

    /// What ran, and what was there or coming.
    fn trace(loads: &[Load], there: Vec<Chain>, at_a_time: usize) -> Vec<(usize, Vec<Chain>)> {
        let seen = Mutex::new(Vec::new());
        run(loads, there, at_a_time, |load, turn| {
            seen.lock().expect("no panic").push((load, turn.there().to_vec()));
            assert!(turn.wait());
            Ok(())
        })
        .expect("no failure");
        seen.into_inner().expect("no panic")
    }

    #[test]
    fn the_smallest_brings_what_all_share_then_the_largest_goes_first() {
        let loads = [load(9, &[&["base", "a"]]), load(3, &[&["base", "b"]]), load(5, &[&["base", "c"]])];
        let order: Vec<usize> = trace(&loads, Vec::new(), 1).into_iter().map(|(load, _)| load).collect();
        assert_eq!(order, [1, 0, 2]);
        for _ in 0..50 {
            let mut seen = trace(&loads, Vec::new(), 2);
            seen.sort_unstable();
            assert_eq!(seen[1], (1, Vec::new()));
            assert!([0, 2].iter().all(|&load| known(&loads[load].chains[0], &seen[load].1) == 1));
        }
    }

    #[test]
    fn a_load_waits_for_the_one_that_brings_what_it_leaves_out() {
        let loads = [load(3, &[&["base", "b"]]), load(9, &[&["base", "a"]])];
        let (begun, base) = (std::sync::Barrier::new(2), Mutex::new(false));
        run(&loads, Vec::new(), 2, |load, turn| {
            begun.wait(); // both run
            if load == 0 {
                thread::sleep(std::time::Duration::from_millis(50));
                *base.lock().expect("no panic") = true;
            } else {
                assert!(turn.wait() && *base.lock().expect("no panic"));
            }
            Ok(())
        })
        .expect("no failure");
    }

    #[test]
    fn who_waits_for_a_load_that_fails_is_told_and_the_failure_is_the_first() {
        let loads = [load(3, &[&["base", "b"]]), load(9, &[&["base", "a"]])];
        let begun = std::sync::Barrier::new(2);
        let outcome = run(&loads, Vec::new(), 2, |load, turn| {
            begun.wait();
            if load == 1 {
                assert!(!turn.wait());
            }
            Err(Error::failed(if load == 0 { "the cause" } else { "given up" }))
        });
        assert_eq!(outcome.expect_err("fails").title(), "the cause");
    }

    #[test]
    fn what_the_engine_has_or_nobody_shares_waits_for_nothing() {
        let base = load(0, &[&["base"]]).chains;
        let loads = [load(3, &[&["base", "b"]]), load(9, &[&["base", "a"]]), load(5, &[&["other"]])];
        let order: Vec<usize> = trace(&loads, base, 1).into_iter().map(|(load, _)| load).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn after_a_failure_nothing_is_begun() {
        let loads = [load(1, &[&["base"]]), load(2, &[&["base", "a"]]), load(3, &[&["base", "b"]])];
        let begun = Mutex::new(0);
        let outcome = run(&loads, Vec::new(), 1, |_, _| {
            *begun.lock().expect("no panic") += 1;
            Err(Error::failed("as asked"))
        });
        assert_eq!(outcome.expect_err("fails").title(), "as asked");
        assert_eq!(begun.into_inner().expect("no panic"), 1);
    }

    #[test]
    fn a_layer_is_left_out_only_where_it_lies_on_what_is_there() {
        let there = load(0, &[&["base", "a"]]).chains;
        let ours = load(0, &[&["base", "a", "x"], &["other", "a"]]).chains;
        assert_eq!(already(&ours, &there), HashSet::from([Digest::of(b"base")]));
    }
}
