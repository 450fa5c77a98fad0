//! How hard to compress, and into frames of which size.

/// How much time a bundle may take for how small it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// About as fast as the disk.
    Fast,
    /// The default.
    #[default]
    Balanced,
    /// As small as it gets, many times slower to make and no slower to unpack.
    Max,
}

impl Compression {
    /// The zstd level.
    pub(super) fn level(self) -> i32 {
        match self {
            Compression::Fast => 1,
            Compression::Balanced => 9,
            Compression::Max => 19,
        }
    }

    /// Whether compressed artifacts are carried as they are.
    pub fn keeps_compressed(self) -> bool {
        self == Compression::Fast
    }

    /// A frame's content in bytes, a power of two: the window in which repetitions are found is as large.
    /// Frames are independent, so nothing is found twice across them; a reader holds a few in memory. The
    /// table that decided it is in `docs/format.md`.
    pub(super) fn frame_bytes(self) -> usize {
        match self {
            Compression::Fast => 4 << 20,
            Compression::Balanced => 32 << 20,
            Compression::Max => 64 << 20,
        }
    }
}
