//! A pool of buffers: fresh memory costs a page fault for each page, which is noticeable at the speed of a fast disk.

use std::sync::{Mutex, MutexGuard};

/// Buffers that are not in use.
#[derive(Debug, Default)]
pub(super) struct BufferPool(Mutex<Vec<Vec<u8>>>);

impl BufferPool {
    /// Returns an empty buffer with room for `capacity` bytes.
    pub(super) fn take(&self, capacity: usize) -> Vec<u8> {
        let mut buffer = self.all().pop().unwrap_or_default();
        buffer.clear();
        buffer.reserve(capacity);
        buffer
    }

    /// Returns a buffer to the pool.
    pub(super) fn give(&self, buffer: Vec<u8>) {
        self.all().push(buffer);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
