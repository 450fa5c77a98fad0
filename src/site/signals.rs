//! What an interrupted `pack` does: pass the signal to the script it runs, or clean up and end.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::Builder;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::emulate_default_handler;
use signal_hook::low_level::siginfo::{Cause, Origin};

use crate::error::{Error, Result};
use crate::language::tr;
use crate::scratch;

/// The script that runs now: signals are its business as long as it does.
static SCRIPT: Mutex<Option<Pid>> = Mutex::new(None);

/// Proof that signals are watched.
#[derive(Debug, Clone, Copy)]
pub struct Signals(());

/// Watches for SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on, as far as they are not ignored. A write beyond
/// `ulimit -f` fails as any other does, instead of ending the process by SIGXFSZ.
///
/// # Errors
/// The system refuses the handlers, or a thread.
pub fn watch() -> Result<Signals> {
    let cannot = |cause| Error::failed(tr!("cannot watch for signals")).fact("cause", cause);
    // What our caller ignores (nohup, a background job) stays ignored, here and in the script.
    let ignored = ignored();
    let watched = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = SignalsInfo::<WithOrigin>::new(watched).map_err(cannot)?;
    // Caught and not ignored: what is ignored would stay so in the script.
    if ignored >> (SIGXFSZ - 1) & 1 == 0 {
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(cannot)?;
    }
    let listen = move || (&mut signals).into_iter().for_each(|origin| handle(&origin));
    let listening = Builder::new().name("signals".to_owned()).spawn(listen);
    listening.map_err(|cause| {
        cannot(cause).hint(tr!("see 'ulimit -u' and 'ulimit -v', and end what else this user runs"))
    })?;
    Ok(Signals(()))
}

/// The signals this process was started to ignore, a bit each (proc(5), `SigIgn`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

impl Signals {
    /// Starts the script that gets the signals from now on. One that comes while it starts waits for it.
    pub(super) fn spawn(self, script: &mut Command) -> io::Result<Child> {
        let mut running = script_that_runs();
        let child = script.spawn()?;
        *running = Pid::from_raw(child.id().cast_signed());
        Ok(child)
    }

    /// Waits for the script; afterwards signals end this process again.
    pub(super) fn wait(self, script: &mut Child) -> io::Result<ExitStatus> {
        let status = script.wait();
        *script_that_runs() = None;
        status
    }
}

/// While it lives, signals end nothing: whoever holds it looks whether one has come, and ends what it does in good order.
#[derive(Debug)]
pub struct Interruption(());

/// How many of them live, and the signal that came meanwhile.
static DEFERRED: AtomicUsize = AtomicUsize::new(0);
static CAME: AtomicBool = AtomicBool::new(false);

impl Interruption {
    /// Whether a signal has come.
    pub fn is_pending(&self) -> bool {
        CAME.load(Ordering::SeqCst)
    }

    /// From now on signals that have come are over: what follows must come to its end.
    pub fn clear(&self) {
        CAME.store(false, Ordering::SeqCst);
    }
}

impl Drop for Interruption {
    fn drop(&mut self) {
        DEFERRED.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Signals {
    /// Keeps signals from ending this process as long as the result lives.
    pub fn defer(self) -> Interruption {
        DEFERRED.fetch_add(1, Ordering::SeqCst);
        Interruption(())
    }
}

fn script_that_runs() -> MutexGuard<'static, Option<Pid>> {
    SCRIPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn handle(origin: &Origin) {
    let running = script_that_runs();
    match *running {
        // A terminal sends its signals to the whole foreground group: the script has this one already.
        Some(_) if origin.cause == Cause::Kernel => {}
        Some(script) => {
            if let Some(signal) = Signal::from_named_raw(origin.signal) {
                // A script that has just ended needs no signal any more.
                let _ = kill_process(script, signal);
            }
        }
        None if DEFERRED.load(Ordering::SeqCst) > 0 => CAME.store(true, Ordering::SeqCst),
        None => {
            scratch::remove_all();
            // Ends the process by that very signal, so that a calling shell sees what happened.
            let _ = emulate_default_handler(origin.signal);
        }
    }
}
