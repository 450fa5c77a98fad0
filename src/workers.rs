//! Work on several threads: on all cores with results in order, and one thread that reads what another writes.

mod piped;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::thread;

pub use piped::piped;

use crate::error::{Error, Result};

/// How many cores this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Runs `work` on everything that `produce` emits, on `cores` threads, and gives the results to `consume`
/// in the order of emission. Few items per core are in memory at any time.
///
/// # Errors
/// The first error of the consumer, of the work (in order), or of the producer.
pub fn ordered<T: Send, R: Send>(
    cores: usize,
    produce: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()> + Send,
    work: impl Fn(T) -> Result<R> + Sync,
    mut consume: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let cores = cores.max(1);
    thread::scope(|scope| {
        // A permit a piece of work from emission to consumption bounds what waits for a slow piece: one more than are worked
        // on, for each may be large.
        let (permit, returned) = mpsc::sync_channel::<()>(cores + 1);
        let (feed, jobs) = mpsc::channel::<(u64, T)>();
        let (report, results) = mpsc::channel::<(u64, Result<R>)>();
        let producer = scope.spawn(move || {
            let mut next = 0;
            produce(&mut |item| {
                permit.send(()).map_err(|_| stopped())?;
                feed.send((next, item)).map_err(|_| stopped())?;
                next += 1;
                Ok(())
            })
        });
        let jobs = std::sync::Arc::new(Mutex::new(jobs));
        for _ in 0..cores {
            let (jobs, report, work) = (jobs.clone(), report.clone(), &work);
            scope.spawn(move || {
                loop {
                    let job = match jobs.lock() {
                        Ok(jobs) => jobs.recv(),
                        Err(_) => return,
                    };
                    let Ok((number, item)) = job else { return };
                    // Without this, a thread that waits for the item's number would wait forever.
                    let result = catch_unwind(AssertUnwindSafe(|| work(item)))
                        .unwrap_or_else(|_| Err(Error::failed("this is a mistake in pack").hint("please report it")));
                    if report.send((number, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop((report, jobs));
        let outcome = collect(&results, &returned, &mut consume);
        // Dropping both ends stops the producer and the workers where they are.
        drop((results, returned));
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and(produced)
    })
}

fn collect<R>(
    results: &mpsc::Receiver<(u64, Result<R>)>,
    returned: &mpsc::Receiver<()>,
    consume: &mut impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, result) in results {
        early.insert(number, result);
        while let Some(result) = early.remove(&next) {
            consume(result?)?;
            let _ = returned.recv();
            next += 1;
        }
    }
    Ok(())
}

/// What a producer sees when nobody takes its work any more; the reason is reported in its place.
fn stopped() -> Error {
    Error::failed("the work was stopped")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(cores: usize, failing: Option<u64>) -> Result<Vec<u64>> {
        let mut seen = Vec::new();
        ordered(
            cores,
            |emit| (0..200).try_for_each(emit),
            |n: u64| {
                if Some(n) == failing { Err(Error::failed("as asked")) } else { Ok(n * n) }
            },
            |square| {
                seen.push(square);
                Ok(())
            },
        )?;
        Ok(seen)
    }

    #[test]
    fn results_come_in_order_on_any_number_of_cores() {
        let expected: Vec<u64> = (0..200).map(|n| n * n).collect();
        for cores in [1, 2, 8] {
            assert_eq!(squares(cores, None).expect("no failure"), expected);
        }
    }

    #[test]
    fn the_first_failure_ends_everything() {
        for cores in [1, 2, 8] {
            assert_eq!(squares(cores, Some(100)).expect_err("fails").title(), "as asked");
        }
    }
}
