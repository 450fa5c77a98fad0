//! Compressing a frame, with the proof that it decompresses to its content.

use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound};

use super::buffer_pool::BufferPool;
use super::preset::Preset;
use crate::error::{Error, Result};

/// The window's size (a power of two) from which on long distances are searched by themselves.
const LONG: u32 = 24;

/// A compressed frame that decompresses to its content. There is no other sort of frame to be written: what failing memory
/// or a failing processor spoils is found while bundling, and not on site.
#[derive(Debug)]
pub(super) struct ProvedFrame {
    stored: Vec<u8>,
    raw_size: u64,
}

impl ProvedFrame {
    /// Compresses `raw` to one independent frame with its content's size and no time or name in it. The frame depends on
    /// nothing but `raw` and the preset.
    ///
    /// # Errors
    /// It cannot be compressed, or does not decompress to `raw`.
    pub(super) fn compress(raw: &[u8], preset: Preset, pool: &BufferPool) -> Result<Self> {
        let mut stored = pool.take(compress_bound(raw.len()));
        compress(raw, &mut stored, preset.level(), preset.frame_bytes().ilog2())
            .map_err(|cause| Error::failed("cannot compress a frame").fact("cause", cause))?;
        let again = pool.take(raw.len());
        let (frame, again) = Self::prove(raw, stored, again)?;
        pool.give(again);
        Ok(frame)
    }

    /// Decompresses `stored` into the buffer `again` and compares it with `raw`.
    fn prove(raw: &[u8], stored: Vec<u8>, mut again: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        let read =
            Decompressor::new().and_then(|mut decompressor| decompressor.decompress_to_buffer(&stored[..], &mut again));
        if read.is_ok() && again == raw {
            return Ok((ProvedFrame { stored, raw_size: raw.len() as u64 }, again));
        }
        Err(Error::failed("a frame does not decompress to its content")
            .fact("size", format_args!("{} bytes", raw.len()))
            .hint("the memory or processor of this machine may be faulty: pack again, best on another machine"))
    }

    /// The compressed bytes.
    pub(super) fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// The compressed bytes' buffer.
    pub(super) fn into_stored(self) -> Vec<u8> {
        self.stored
    }

    /// The length of the content, in bytes.
    pub(super) fn raw_size(&self) -> u64 {
        self.raw_size
    }
}

fn compress(raw: &[u8], stored: &mut Vec<u8>, level: i32, window: u32) -> io::Result<()> {
    // A context of its own for each frame: the frame must not depend on what was compressed before.
    let mut compressor = Compressor::new(level)?;
    compressor.set_parameter(CParameter::WindowLog(window))?;
    // A small window is searched whole anyway.
    if window > LONG {
        compressor.set_parameter(CParameter::EnableLongDistanceMatching(true))?;
    }
    compressor.compress_to_buffer(raw, stored).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harder_the_smaller() {
        let raw: Vec<u8> =
            (0..30_000u32).flat_map(|number| format!("line {}\n", number * number % 9_973).into_bytes()).collect();
        let size = |preset| ProvedFrame::compress(&raw, preset, &BufferPool::default()).expect("proved").stored().len();
        let (fast, balanced, max) = (size(Preset::Fast), size(Preset::Balanced), size(Preset::Max));
        assert!(fast > balanced && balanced > max, "{fast} {balanced} {max}");
    }

    #[test]
    fn only_a_frame_of_its_content_is_proved() {
        let raw: Vec<u8> = (0..70_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let frame = ProvedFrame::compress(&raw, Preset::Balanced, &BufferPool::default()).expect("proved");
        assert_eq!((frame.raw_size(), zstd::decode_all(frame.stored()).expect("decoded")), (280_000, raw.clone()));
        let proved =
            |raw: &[u8], stored: &[u8]| ProvedFrame::prove(raw, stored.to_vec(), Vec::with_capacity(raw.len())).is_ok();
        assert!(proved(&raw, frame.stored()));
        let mut other = raw.clone();
        other[12_345] ^= 1;
        assert!(!proved(&other, frame.stored()));
        assert!(!proved(&raw[1..], frame.stored()));
        assert!(!proved(&raw, &frame.stored()[..frame.stored().len() - 1]));
    }
}
