//! Every bound on what an image archive may ask of us, in one place.

/// Bounds on image archives and on recipes. Each is far above what real images need and far below what
/// would hurt the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// ArchiveMembers of an archive.
    pub members: usize,
    /// A long name or a pax header, in bytes.
    pub extension_bytes: u64,
    /// A JSON document (`manifest.json`, `index.json`, a manifest, a config), in bytes. It is read into
    /// memory.
    pub json_bytes: u64,
    /// The JSON documents of an archive together, in bytes, and with them the configs of the archives that are held beside
    /// it.
    pub documents_bytes: u64,
    /// What an archive has besides larger members (headers, padding, small members), in bytes. It is kept
    /// in memory.
    pub framing_bytes: u64,
    /// Images in an archive.
    pub images: usize,
    /// Layers of an image. Docker itself stops at 125.
    pub layers: usize,
    /// Image indexes that lie in one another.
    pub nested_indexes: usize,
    /// The decompressed content of an archive, in bytes; also that of a layer.
    pub content_bytes: u64,
    /// The memory that an xz stream may ask for, in KiB: what `xz -9` needs.
    pub xz_memory_kib: u32,
    /// The window of a zstd stream, in bytes: what `zstd -d` takes unasked.
    pub zstd_window_bytes: u64,
    /// A recipe, in bytes, and with it those that are held beside it. They are kept in memory.
    pub recipe_bytes: u64,
    /// Parts, records and paddings of a recipe. Each takes about 100 bytes of memory.
    pub recipe_items: usize,
}

/// Beside a recipe with more bytes, frames and compressors have less memory, and an artifact is rebuilt on one core.
pub const SMALL_RECIPE: u64 = 16 << 20;

impl ImageLimits {
    /// The bounds in force.
    pub const DEFAULT: ImageLimits = ImageLimits {
        members: 100_000,
        extension_bytes: 1 << 20,
        json_bytes: 8 << 20,
        documents_bytes: 32 << 20,
        framing_bytes: 32 << 20,
        images: 1_000,
        layers: 1_000,
        nested_indexes: 4,
        content_bytes: 1 << 40,
        xz_memory_kib: 70 << 10,
        zstd_window_bytes: 128 << 20,
        recipe_bytes: 128 << 20,
        recipe_items: 500_000,
    };
}
