//! What was written goes to the disk while more comes, so that little is left to wait for at the end.

use std::fs::File;
use std::io;
use std::thread::{Builder, JoinHandle};

/// After how many bytes the disk is asked to take what it has not yet.
const STEP: u64 = 4 << 20;

/// Puts a file on the disk again and again, on a thread of its own.
#[derive(Debug, Default)]
pub(super) struct WriteBack {
    /// Bytes written since it last began.
    since: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBack {
    /// So many bytes were written to `file`.
    ///
    /// # Errors
    /// The disk refused bytes of before.
    pub(super) fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.since += bytes;
        if self.since < STEP || self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.finish()?;
        self.since = 0;
        let file = file.try_clone()?;
        // Without a thread the end takes longer, and that is all.
        self.running = Builder::new().name("write back".to_owned()).spawn(move || file.sync_data()).ok();
        Ok(())
    }

    /// Waits for what is on its way. The system tells of a failed write once: who does not ask here never hears it.
    ///
    /// # Errors
    /// The disk refused.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self.running.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}
