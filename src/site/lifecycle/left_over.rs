//! Hooks that outlive the run that started them: who is killed cannot end its hook, and a second one must not write beside
//! the first.
//!
//! The standard input of every hook is one empty file, locked. The lock is that of the hook and of whatever it starts, so
//! it is free when the last of them is gone; and by the file they are found.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::place::Place;
use crate::error::Result;
use crate::language::tr;
use crate::own_file;

/// How long the killed may take to be gone.
const LONGEST: Duration = Duration::from_secs(10);

/// Ends the hooks of earlier runs, of which none goes on while the caller has the lock of `place`. Returns what a hook has
/// to get as its standard input.
///
/// # Errors
/// The file cannot be opened, or one of them does not end.
pub(super) fn end(place: &Place) -> Result<File> {
    let path = place.hook_input();
    let deadline = Instant::now() + LONGEST;
    loop {
        match own_file::lock(&path) {
            Err(error) if Instant::now() >= deadline => {
                return Err(error.fact("looked for", tr!("a hook of an earlier run, which does not end")));
            }
            Err(_) => kill_readers_of(&path),
            locked => return locked,
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn kill_readers_of(path: &Path) {
    let Ok(input) = fs::metadata(path) else { return };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(process) = number.and_then(Pid::from_raw) else { continue };
        let reads = fs::metadata(entry.path().join("fd/0"));
        if reads.is_ok_and(|reads| (reads.dev(), reads.ino()) == (input.dev(), input.ino())) {
            // Where it has just ended, there is nobody to be told.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}
