//! How hard to compress, and into frames of which size.

/// Time against size: how hard a bundle is compressed, and into frames of which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// About as fast as the disk.
    Fast,
    /// The default.
    #[default]
    Balanced,
    /// As small as it gets, many times slower to make and no slower to unpack.
    Max,
}

impl Preset {
    /// The zstd level.
    pub(super) fn level(self) -> i32 {
        match self {
            Preset::Fast => 1,
            Preset::Balanced => 9,
            Preset::Max => 19,
        }
    }

    /// Whether compressed artifacts are carried as they are.
    pub fn keeps_compressed(self) -> bool {
        self == Preset::Fast
    }

    /// A frame's content in bytes, a power of two: the window in which repetitions are found is as large.
    /// Frames are independent, so nothing is found twice across them; a reader holds a few in memory. The
    /// table that decided it is in `docs/format.md`.
    pub(super) fn frame_bytes(self) -> usize {
        match self {
            Preset::Fast => 4 << 20,
            Preset::Balanced => 32 << 20,
            Preset::Max => 64 << 20,
        }
    }
}
