//! A bundle's frames, unpacked. Readers side by side share them, and the next one is unpacked on another core.

use std::io::Read;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use super::buffer_pool::BufferPool;
use super::index::Index;
use super::next_step::compare_bundle;
use super::parts::Parts;
use crate::digest::{Descriptor, Found, Mismatch, VerifyingReader};
use crate::error::{Error, Result};
use crate::image::SMALL_RECIPE;
use crate::workers;

/// The unpacked frames that may be in memory at a time, in bytes: two of the largest that are written, four of the
/// default size. Two readers hold one each while their next ones are unpacked.
const MEMORY: u64 = 128 << 20;

/// The most frames in memory, however small they are: looking for one takes that many steps.
const MOST: usize = 64;

/// The largest unpacked frame, in bytes, whose memory is kept for the next: to unpack a larger one takes much longer
/// than to allocate its memory, and kept memory counts against the limit.
const KEPT: u64 = 8 << 20;

/// Behind a smaller frame, in bytes, none is unpacked ahead: to start a thread takes longer.
const AHEAD: u64 = 256 << 10;

/// A bundle's bytes and what it holds.
#[derive(Debug)]
pub(super) struct BundleFile {
    pub(super) parts: Parts,
    pub(super) path: PathBuf,
    pub(super) index: Index,
    /// For stored frames: freed, their memory would stay with the allocator's arena of that thread.
    pool: BufferPool,
    /// For unpacked frames of [`DecodedFrame`].
    decoded_buffers: BufferPool,
}

impl BundleFile {
    pub(super) fn new(parts: Parts, path: PathBuf, index: Index) -> Self {
        BundleFile { parts, path, index, pool: BufferPool::default(), decoded_buffers: BufferPool::default() }
    }

    /// Returns a frame's content. Its stored bytes are compared with their digest first.
    ///
    /// # Errors
    /// The frame cannot be read, or is damaged.
    pub(super) fn unpack(&self, number: usize) -> Result<Vec<u8>> {
        let frame = &self.index.frames[number];
        let mut stored = self.pool.take(frame.size as usize);
        let mut reader = VerifyingReader::new(self.parts.section(frame.offset, frame.size), frame.descriptor());
        // Not `resize` and `read_exact`: compiled for size, that would write a zero at a time first.
        let read = reader.by_ref().take(frame.size).read_to_end(&mut stored);
        read.and_then(|_| reader.finish().map(drop)).map_err(|cause| match Mismatch::behind(&cause) {
            Some(mismatch) => {
                let why = format_args!("frame {number} is not what the index says");
                differing(self.located(damaged(&self.path, why), frame.offset), mismatch)
            }
            None => Error::io("read the bundle", self.parts.path_at(frame.offset).unwrap_or(&self.path), cause),
        })?;
        let mut raw = self.decoded_buffers.take(frame.raw_size as usize);
        let unpacked = zstd::bulk::Decompressor::new()
            .and_then(|mut decompressor| decompressor.decompress_to_buffer(&stored[..], &mut raw));
        self.pool.give(stored);
        if unpacked.is_err() {
            raw.clear();
        }
        if raw.len() as u64 == frame.raw_size {
            Ok(raw)
        } else {
            let why = format_args!("frame {number} does not unpack to what the index says");
            Err(self.located(damaged(&self.path, why), frame.offset))
        }
    }

    /// Adds to an error where in the bundle it is, and in which of its files.
    fn located(&self, error: Error, offset: u64) -> Error {
        let error = error.fact("offset", offset);
        match self.parts.path_at(offset).filter(|path| *path != self.path) {
            Some(volume) => error.fact("volume", volume.display()),
            None => error,
        }
    }
}

/// A part of an unpacked frame; the frame stays in memory as long as one of its slices.
#[derive(Debug, Clone)]
pub(super) struct FrameSlice {
    raw: Arc<DecodedFrame>,
    range: Range<usize>,
}

/// An unpacked frame whose memory is used for another one when its last slice is dropped.
#[derive(Debug)]
pub(super) struct DecodedFrame {
    bytes: Vec<u8>,
    bundle: Arc<BundleFile>,
}

impl DecodedFrame {
    pub(super) fn new(bytes: Vec<u8>, bundle: Arc<BundleFile>) -> Arc<Self> {
        Arc::new(DecodedFrame { bytes, bundle })
    }

    pub(super) fn piece(self: &Arc<Self>, range: Range<usize>) -> FrameSlice {
        FrameSlice { raw: self.clone(), range }
    }
}

impl Drop for DecodedFrame {
    fn drop(&mut self) {
        if self.bytes.capacity() as u64 <= KEPT {
            self.bundle.decoded_buffers.give(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for FrameSlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.raw.bytes[self.range.clone()]
    }
}

/// The error for a bundle whose bytes are wrong.
pub(super) fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::integrity("the bundle is damaged")
        .fact("path", path.display())
        .fact("reason", why)
        .hint(compare_bundle(path))
}

/// Adds to an error what was expected and what was found.
pub(super) fn differing(error: Error, mismatch: &Mismatch) -> Error {
    let Descriptor { digest, size } = mismatch.expected;
    match mismatch.found {
        Found::Different(actual) => error.fact("expected", digest).fact("actual", actual),
        Found::Shorter(actual) => {
            error.fact("expected", format_args!("{size} bytes")).fact("actual", format_args!("{actual} bytes"))
        }
        Found::Longer => error.fact("expected", format_args!("{size} bytes")).fact("actual", "more bytes"),
    }
}

/// The unpacked frames of readers that go through a bundle side by side.
#[derive(Debug, Clone)]
pub(super) struct FrameCache {
    bundle: Arc<BundleFile>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The least recently used first.
    slots: Mutex<Vec<CacheSlot>>,
    changed: Condvar,
    /// The size of the largest recipe so far, in bytes.
    recipe: AtomicU64,
}

/// A frame that is in memory, or is being unpacked.
#[derive(Debug)]
struct CacheSlot {
    number: usize,
    raw: Option<Arc<Vec<u8>>>,
    /// Whether a reader has asked for it; `false` while it was only unpacked ahead.
    was_read: bool,
}

impl CacheSlot {
    fn is_idle(&self) -> bool {
        self.raw.as_ref().is_some_and(|raw| Arc::strong_count(raw) == 1)
    }
}

impl FrameCache {
    pub(super) fn new(bundle: Arc<BundleFile>) -> Self {
        FrameCache { bundle, shared: Arc::default() }
    }

    /// Returns the frame that holds byte `at` of the tar stream, and where it begins there. Where the reader goes on
    /// to byte `end` beyond it, the next frame is unpacked on another thread, if there is room and a core for it.
    pub(super) fn at(&self, at: u64, end: u64) -> Result<(Arc<Vec<u8>>, u64)> {
        let Some((number, begin)) = self.bundle.index.frame_at(at) else {
            return Err(damaged(&self.bundle.path, format_args!("its payload ends before byte {at}")));
        };
        let size = self.bundle.index.frames[number].raw_size;
        if end > begin + size && size >= AHEAD && workers::cores() > 1 {
            self.start(number + 1, number);
        }
        self.get(number).map(|raw| (raw, begin))
    }

    /// Leaves room for a recipe of `size` bytes, which is in memory beside the frames that are read with it.
    pub(super) fn leave_room(&self, size: u64) {
        self.shared.recipe.fetch_max(size, Ordering::Relaxed);
    }

    /// Drops every frame that nobody reads: what follows reads the bundle otherwise, and has memory of its own.
    pub(super) fn drop_idle(&self) {
        self.slots().retain(|slot| !slot.is_idle());
    }

    fn get(&self, number: usize) -> Result<Arc<Vec<u8>>> {
        let mut slots = self.slots();
        while let Some(at) = slots.iter().position(|slot| slot.number == number) {
            if let Some(raw) = slots[at].raw.clone() {
                let slot = slots.remove(at);
                slots.push(CacheSlot { was_read: true, ..slot });
                return Ok(raw);
            }
            slots = self.shared.changed.wait(slots).unwrap_or_else(|broken| broken.into_inner());
        }
        self.make_room(&mut slots, number, None);
        slots.push(CacheSlot { number, raw: None, was_read: true });
        drop(slots);
        self.fill(number)
    }

    /// Starts to unpack a frame ahead: it follows the frame `current`, which is read now.
    fn start(&self, number: usize, current: usize) {
        if number >= self.bundle.index.frames.len() {
            return;
        }
        let mut slots = self.slots();
        if slots.iter().any(|slot| slot.number == number) || !self.make_room(&mut slots, number, Some(current)) {
            return;
        }
        slots.push(CacheSlot { number, raw: None, was_read: false });
        drop(slots);
        let frames = self.clone();
        let begun = thread::Builder::new().spawn(move || drop(frames.fill(number)));
        if begun.is_err() {
            // The reader unpacks it itself.
            self.forget(number);
        }
    }

    /// Unpacks the frame into its slot. A failure leaves no slot, so that each reader gets the error itself.
    fn fill(&self, number: usize) -> Result<Arc<Vec<u8>>> {
        let unfinished = Unfinished { frames: self, number };
        let raw = Arc::new(self.bundle.unpack(number)?);
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.number == number) {
            slot.raw = Some(raw.clone());
        }
        drop(unfinished);
        Ok(raw)
    }

    /// Drops frames that nobody reads until frame `number` has room, and returns whether it has. A frame that is
    /// unpacked ahead, after the frame `current`, replaces neither that one nor others that were unpacked ahead.
    fn make_room(&self, slots: &mut Vec<CacheSlot>, number: usize, current: Option<usize>) -> bool {
        let size = |number: usize| self.bundle.index.frames[number].raw_size;
        // A small recipe takes nothing from frames.
        let recipe = Some(self.shared.recipe.load(Ordering::Relaxed)).filter(|&size| size > SMALL_RECIPE);
        let memory = MEMORY.saturating_sub(recipe.unwrap_or(0));
        let coming = current.filter(|current| slots.iter().all(|slot| slot.number != *current)).map_or(0, size);
        loop {
            let taken: u64 = slots.iter().map(|slot| size(slot.number)).sum();
            if taken + coming + size(number) <= memory && slots.len() < MOST {
                return true;
            }
            let yields = |slot: &CacheSlot| {
                slot.is_idle() && current.is_none_or(|current| slot.was_read && slot.number != current)
            };
            match slots.iter().position(yields) {
                Some(idle) => slots.remove(idle),
                None => return false,
            };
        }
    }

    fn forget(&self, number: usize) {
        self.slots().retain(|slot| slot.number != number || slot.raw.is_some());
        self.shared.changed.notify_all();
    }

    fn slots(&self) -> MutexGuard<'_, Vec<CacheSlot>> {
        self.shared.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Wakes the readers that wait for a frame, also when it could not be unpacked.
struct Unfinished<'a> {
    frames: &'a FrameCache,
    number: usize,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.frames.forget(self.number);
    }
}

#[cfg(test)]
mod tests;
