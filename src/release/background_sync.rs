//! Syncs a file while it is being written, so that little is left to wait for at the end.

use std::fs::File;
use std::io;
use std::thread::{Builder, JoinHandle};

/// The number of bytes after which a sync starts.
const STEP: u64 = 4 << 20;

/// Syncs a file's data after every few megabytes, on a thread of its own.
#[derive(Debug, Default)]
pub struct BackgroundSync {
    /// Bytes written since the last sync started.
    since: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl BackgroundSync {
    /// Counts `bytes` as written to `file`, and starts a sync when there are enough of them.
    ///
    /// # Errors
    /// An earlier sync failed.
    pub fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.since += bytes;
        if self.since < STEP || self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.finish()?;
        self.since = 0;
        let file = file.try_clone()?;
        // Without a thread the end takes longer, and that is all.
        self.running = Builder::new().name("background sync".to_owned()).spawn(move || file.sync_data()).ok();
        Ok(())
    }

    /// Waits for the sync that runs. The system reports a failed write once: a caller that does not ask misses it.
    ///
    /// # Errors
    /// The sync failed.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.running.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}
