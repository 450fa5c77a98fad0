//! In which order images are loaded, and which at the same time.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use crate::digest::Digest;
use crate::error::Result;

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
    /// Whether both bring a layer that the engine lacks: one of them had better wait for the other.
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

struct State {
    waiting: Vec<usize>,
    running: Vec<usize>,
    there: Vec<Chain>,
    failed: bool,
}

/// Does `work` for every load, up to `at_a_time` at once; it is told the load's number and the chains that
/// the engine has by then. What several loads share comes with the smallest of them, alone; then the largest
/// goes first, so that it is not the one that all wait for at the end.
///
/// # Errors
/// The first failure of the work; nothing is begun after it.
pub(super) fn run(
    loads: &[Load],
    there: Vec<Chain>,
    at_a_time: usize,
    work: impl Fn(usize, &[Chain]) -> Result<()> + Sync,
) -> Result<()> {
    let state = State { waiting: (0..loads.len()).collect(), running: Vec::new(), there, failed: false };
    let (state, changed) = (Mutex::new(state), Condvar::new());
    let lock = || state.lock().unwrap_or_else(|broken| broken.into_inner());
    let lane = || -> Result<()> {
        loop {
            let Some((load, there)) = take(loads, lock(), &changed) else { return Ok(()) };
            let mut ended = Ended { load, brought: None, state: &state, changed: &changed };
            work(load, &there)?;
            ended.brought = Some(&loads[load].chains);
        }
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..at_a_time.min(loads.len())).map(|_| scope.spawn(lane)).collect();
        let joined = lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        // Every lane is waited for; the first failure is the one told.
        let outcomes: Vec<Result<()>> = joined.collect();
        outcomes.into_iter().collect()
    })
}

/// Waits for a load that may begin; `None` when there is nothing left to do.
fn take(loads: &[Load], mut state: MutexGuard<'_, State>, changed: &Condvar) -> Option<(usize, Vec<Chain>)> {
    loop {
        if state.failed || state.waiting.is_empty() {
            return None;
        }
        if let Some(load) = next(loads, &state) {
            state.waiting.retain(|&waiting| waiting != load);
            state.running.push(load);
            return Some((load, state.there.clone()));
        }
        state = changed.wait(state).unwrap_or_else(|broken| broken.into_inner());
    }
}

fn next(loads: &[Load], state: &State) -> Option<usize> {
    let shares = |one: usize, other: usize| one != other && loads[one].shares_with(&loads[other], &state.there);
    let free = |load: &usize| !state.running.iter().any(|&running| shares(*load, running));
    let free: Vec<usize> = state.waiting.iter().copied().filter(free).collect();
    let brings_for_others = |load: &usize| state.waiting.iter().any(|&other| shares(*load, other));
    let shared = free.iter().copied().filter(brings_for_others).min_by_key(|&load| (loads[load].size, load));
    // Of two of one size the one that was named first.
    shared.or_else(|| free.into_iter().min_by_key(|&load| (std::cmp::Reverse(loads[load].size), load)))
}

/// A load is no longer running, however it ended.
struct Ended<'a> {
    load: usize,
    /// What the engine has now; `None` after a failure.
    brought: Option<&'a [Chain]>,
    state: &'a Mutex<State>,
    changed: &'a Condvar,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(|broken| broken.into_inner());
        state.running.retain(|&running| running != self.load);
        match self.brought {
            Some(chains) => state.there.extend_from_slice(chains),
            None => state.failed = true,
        }
        drop(state);
        self.changed.notify_all();
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

    /// What ran, and beside what.
    fn trace(loads: &[Load], there: Vec<Chain>, at_a_time: usize) -> Vec<(usize, Vec<Chain>)> {
        let seen = Mutex::new(Vec::new());
        run(loads, there, at_a_time, |load, there| {
            seen.lock().expect("no panic").push((load, there.to_vec()));
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
            let seen = trace(&loads, Vec::new(), 2);
            assert_eq!(seen[0].0, 1, "alone");
            assert!(seen[1..].iter().all(|(load, there)| known(&loads[*load].chains[0], there) == 1));
        }
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
        let outcome = run(&loads, Vec::new(), 2, |_, _| {
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
