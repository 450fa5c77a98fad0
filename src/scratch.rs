//! Files and folders that must not outlive the work on them, whichever way it ends.
//!
//! A [`Scratch`] is removed when it is dropped, and by [`remove_all`] when the process is interrupted.

use std::fs;
use std::io;
use std::mem;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Every scratch path of this process.
static ALL: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn all() -> MutexGuard<'static, Vec<PathBuf>> {
    ALL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A path that is removed, with what is below it, unless it is kept.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Takes charge of `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        all().push(path.clone());
        Scratch { path }
    }

    /// Makes a folder that only this user may enter. From its first moment on an interruption removes it.
    ///
    /// # Errors
    /// Something has the name, or the folder cannot be made.
    pub fn folder(path: PathBuf) -> io::Result<Self> {
        let make = || fs::DirBuilder::new().mode(0o700).create(&path).map(|()| ((), path));
        Self::making(make).map(|((), scratch)| scratch)
    }

    /// Takes charge of the path that `make` makes. An interruption meanwhile waits for it, and removes it then.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn making<T, E>(make: impl FnOnce() -> Result<(T, PathBuf), E>) -> Result<(T, Self), E> {
        let mut all = all();
        let (made, path) = make()?;
        all.push(path.clone());
        Ok((made, Scratch { path }))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives up the charge without removing anything: the work is done, the path has its final name.
    pub fn keep(self) {
        all().retain(|known| *known != self.path);
        mem::forget(self);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
        all().retain(|known| *known != self.path);
    }
}

/// Removes every scratch path of this process. For the moment before an interrupted exit: a thread that makes another one
/// from now on waits for that exit.
pub fn remove_all() {
    let mut all = all();
    for path in all.drain(..) {
        remove(&path);
    }
    mem::forget(all);
}

fn remove(path: &Path) {
    // Another thread may still be writing into a folder: it is tried a few times. Nothing better can be done
    // when this fails; what uses scratch paths copes with leftovers.
    for _ in 0..10 {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        if removed.is_ok() || !path.exists() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
