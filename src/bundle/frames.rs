//! The frames of a bundle, unpacked: each once while anyone is near it, the next one in the meantime on
//! another core.

use std::fs::File;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use super::index::Index;
use super::spare::Spare;
use crate::digest::{Hasher, PIECE};
use crate::error::{Error, IoContext, Result};
use crate::workers;

/// The unpacked frames that may be in memory at a time, in bytes: two of the largest that are written, four of the
/// default size. Two readers hold one each, and their next ones are unpacked meanwhile.
const MEMORY: u64 = 128 << 20;

/// The largest unpacked frame, in bytes, whose memory is kept for the next: to unpack a larger one takes much longer
/// than to ask for its memory, and what is kept counts.
const KEPT: u64 = 8 << 20;

/// A bundle's file and what it holds.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) index: Index,
    /// For stored frames: given back to the allocator, they would stay with the thread that had them.
    spare: Spare,
    /// For unpacked frames that were read by one reader alone.
    spare_raw: Spare,
}

impl Packed {
    pub(super) fn new(file: File, path: PathBuf, index: Index) -> Self {
        Packed { file, path, index, spare: Spare::default(), spare_raw: Spare::default() }
    }

    /// A frame's content; its stored bytes are compared with their digest first.
    pub(super) fn unpack(&self, number: usize) -> Result<Vec<u8>> {
        let frame = &self.index.frames[number];
        let mut stored = self.spare.take(frame.size as usize);
        stored.resize(frame.size as usize, 0);
        let mut hasher = Hasher::new();
        for piece in stored.chunks_mut(PIECE) {
            self.file.read_exact_at(piece, frame.offset + hasher.length()).doing("read the bundle", &self.path)?;
            hasher.update(piece);
        }
        let actual = hasher.finish();
        if actual != frame.digest {
            return Err(damaged(&self.path, format_args!("frame {number} is not what the index says"))
                .fact("offset", frame.offset)
                .fact("expected", frame.digest)
                .fact("actual", actual));
        }
        let mut raw = self.spare_raw.take(frame.raw_size as usize);
        let unpacked = zstd::bulk::Decompressor::new()
            .and_then(|mut decompressor| decompressor.decompress_to_buffer(&stored[..], &mut raw));
        self.spare.give(stored);
        if unpacked.is_err() {
            raw.clear();
        }
        if raw.len() as u64 == frame.raw_size {
            Ok(raw)
        } else {
            Err(damaged(&self.path, format_args!("frame {number} does not unpack to what the index says"))
                .fact("offset", frame.offset))
        }
    }

    /// The number of the frame that holds byte `at` of the tar stream, and where it begins there.
    fn frame_of(&self, at: u64) -> Option<(usize, u64)> {
        let mut begin = 0;
        for (number, frame) in self.index.frames.iter().enumerate() {
            if at < begin + frame.raw_size {
                return Some((number, begin));
            }
            begin += frame.raw_size;
        }
        None
    }
}

/// A part of an unpacked frame, for as long as anybody wants it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    raw: Arc<Raw>,
    range: Range<usize>,
}

/// An unpacked frame whose memory serves another one when nobody wants it any more.
#[derive(Debug)]
pub(super) struct Raw {
    bytes: Vec<u8>,
    packed: Arc<Packed>,
}

impl Raw {
    pub(super) fn new(bytes: Vec<u8>, packed: Arc<Packed>) -> Arc<Self> {
        Arc::new(Raw { bytes, packed })
    }

    pub(super) fn piece(self: &Arc<Self>, range: Range<usize>) -> Piece {
        Piece { raw: self.clone(), range }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if self.bytes.capacity() as u64 <= KEPT {
            self.packed.spare_raw.give(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for Piece {
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
        .hint("copy it again from where it was made, and compare there and here: sha256sum -c FILE.run.sha256")
}

/// The unpacked frames of readers that go through a bundle side by side.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    packed: Arc<Packed>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The least recently used first.
    slots: Mutex<Vec<Slot>>,
    changed: Condvar,
}

/// A frame that is in memory, or on its way there.
#[derive(Debug)]
struct Slot {
    number: usize,
    raw: Option<Arc<Vec<u8>>>,
    /// Whether the reader for whom it was unpacked came to it.
    was_read: bool,
}

impl Slot {
    fn is_idle(&self) -> bool {
        self.raw.as_ref().is_some_and(|raw| Arc::strong_count(raw) == 1)
    }
}

impl Frames {
    pub(super) fn new(packed: Arc<Packed>) -> Self {
        Frames { packed, shared: Arc::default() }
    }

    /// The frame that holds byte `at` of the tar stream, and where it begins there. Where the reader goes on
    /// to byte `end` beyond it, the next frame is unpacked meanwhile, if there is room and a core for it.
    pub(super) fn at(&self, at: u64, end: u64) -> Result<(Arc<Vec<u8>>, u64)> {
        let Some((number, begin)) = self.packed.frame_of(at) else {
            return Err(damaged(&self.packed.path, format_args!("its payload ends before byte {at}")));
        };
        if end > begin + self.packed.index.frames[number].raw_size && workers::cores() > 1 {
            self.begin(number + 1, number);
        }
        self.get(number).map(|raw| (raw, begin))
    }

    fn get(&self, number: usize) -> Result<Arc<Vec<u8>>> {
        let mut slots = self.slots();
        while let Some(at) = slots.iter().position(|slot| slot.number == number) {
            if let Some(raw) = slots[at].raw.clone() {
                let slot = slots.remove(at);
                slots.push(Slot { was_read: true, ..slot });
                return Ok(raw);
            }
            slots = self.shared.changed.wait(slots).unwrap_or_else(|broken| broken.into_inner());
        }
        self.make_room(&mut slots, number, None);
        slots.push(Slot { number, raw: None, was_read: true });
        drop(slots);
        self.fill(number)
    }

    /// Begins to unpack a frame that will be wanted after the frame `current`.
    fn begin(&self, number: usize, current: usize) {
        if number >= self.packed.index.frames.len() {
            return;
        }
        let mut slots = self.slots();
        if slots.iter().any(|slot| slot.number == number) || !self.make_room(&mut slots, number, Some(current)) {
            return;
        }
        slots.push(Slot { number, raw: None, was_read: false });
        drop(slots);
        let frames = self.clone();
        let begun = thread::Builder::new().spawn(move || drop(frames.fill(number)));
        if begun.is_err() {
            // Whoever wants it unpacks it.
            self.forget(number);
        }
    }

    /// Unpacks the frame into its slot. A failure leaves no slot: whoever wants the frame meets it anew.
    fn fill(&self, number: usize) -> Result<Arc<Vec<u8>>> {
        let unfinished = Unfinished { frames: self, number };
        let raw = Arc::new(self.packed.unpack(number)?);
        if let Some(slot) = self.slots().iter_mut().find(|slot| slot.number == number) {
            slot.raw = Some(raw.clone());
        }
        drop(unfinished);
        Ok(raw)
    }

    /// Lets go of frames that nobody reads until frame `number` has room; whether it has. One that is only
    /// to be read after the frame `current` pushes out neither that nor what others are still to read.
    fn make_room(&self, slots: &mut Vec<Slot>, number: usize, current: Option<usize>) -> bool {
        let size = |number: usize| self.packed.index.frames[number].raw_size;
        let coming = current.filter(|current| slots.iter().all(|slot| slot.number != *current)).map_or(0, size);
        loop {
            let taken: u64 = slots.iter().map(|slot| size(slot.number)).sum();
            if taken + coming + size(number) <= MEMORY {
                return true;
            }
            let yields =
                |slot: &Slot| slot.is_idle() && current.is_none_or(|current| slot.was_read && slot.number != current);
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

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.shared.slots.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Wakes those who wait for a frame, whatever became of it.
struct Unfinished<'a> {
    frames: &'a Frames,
    number: usize,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.frames.forget(self.number);
    }
}
