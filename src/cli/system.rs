//! What the system must give before a command begins: threads, memory, open files.
//!
//! Where a library starts a thread or takes memory, a refusal would end the program by a panic or a signal, in the
//! middle of the work. So it is asked for at the start, all at once, and given back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder};

use rustix::process::{Resource, getrlimit};

use crate::error::{Error, Result};
use crate::workers;

/// How much address space a command may need, in bytes: a bundle's reader holds 280 MiB of frames at most, and each
/// thread has a stack of 2 MiB.
const MEMORY: u64 = 512 << 20;

/// How many files may be open at once: a download has six artifacts, each with a connection, a partial and a journal.
const FILES: u64 = 32;

/// How large the main thread's stack may have to grow, in bytes: reading the command line takes the most of it.
const STACK: u64 = 1 << 20;

/// How many threads run at once, at most, without `--jobs`: those of the network and of six artifacts, or two for
/// each core where a bundle is made, and those that wait for signals and draw bars.
fn threads() -> usize {
    24 + 2 * workers::cores()
}

/// Checks that the main thread's stack may grow as far as it must: a stack that is used up ends the program by a signal.
///
/// # Errors
/// It may not.
pub(super) fn check_stack() -> Result<()> {
    check_limit(Resource::Stack, (1024, "-s"), STACK)
}

/// Checks that a limit is not below `least`; its unit is that of the shell's option.
fn check_limit(resource: Resource, (unit, option): (u64, &str), least: u64) -> Result<()> {
    match getrlimit(resource).current.filter(|&limit| limit < least) {
        None => Ok(()),
        Some(limit) => Err(Error::failed("the system's limits leave too little for this program")
            .fact("limit", format_args!("ulimit {option} {}", limit / unit))
            .fact("needed", format_args!("ulimit {option} {}", least / unit))
            .hint(format_args!("raise it in this shell: ulimit {option} {}", least / unit))),
    }
}

/// Checks that the system's limits leave enough; see [`check_stack`] too.
///
/// # Errors
/// They do not.
pub(super) fn check() -> Result<()> {
    for (resource, unit, option, least) in
        [(Resource::As, 1024, "-v", MEMORY), (Resource::Data, 1024, "-d", MEMORY), (Resource::Nofile, 1, "-n", FILES)]
    {
        check_limit(resource, (unit, option), least)?;
    }
    try_threads(threads()).map_err(|cause| {
        Error::failed("the system gives this program too few threads")
            .fact("needed", threads())
            .fact("cause", &cause)
            .caused_by(cause)
            .hint("see 'ulimit -u' and 'ulimit -v', and end what else this user runs")
    })
}

/// Starts that many threads, and ends them.
fn try_threads(count: usize) -> io::Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let wait = |is_over: Arc<AtomicBool>| {
        while !is_over.load(Ordering::Acquire) {
            thread::park();
        }
    };
    let mut started = Vec::with_capacity(count);
    let mut outcome = Ok(());
    for _ in 0..count {
        let is_over = is_over.clone();
        match Builder::new().spawn(move || wait(is_over)) {
            Ok(thread) => started.push(thread),
            Err(cause) => {
                outcome = Err(cause);
                break;
            }
        }
    }
    is_over.store(true, Ordering::Release);
    for thread in started {
        thread.thread().unpark();
        let _ = thread.join();
    }
    outcome
}
