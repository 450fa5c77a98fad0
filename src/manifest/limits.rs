//! Every bound on what `pack` accepts from outside, in one place.

/// Bounds on input from a network, a stick or a stranger. Each is far above what real products need and far below
/// what would hurt the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A manifest's text, in bytes.
    pub manifest_bytes: u64,
    /// Artifacts in a manifest.
    pub artifacts: usize,
    /// URLs of one artifact.
    pub urls: usize,
    /// A URL, in bytes.
    pub url_bytes: usize,
    /// An artifact's size, in bytes; also the bound on a download whose size is not pinned.
    pub artifact_bytes: u64,
    /// A bundle's index, in bytes.
    pub index_bytes: u64,
    /// The artifacts in an index, in bytes of JSON; so are the images.
    pub index_list_bytes: usize,
    /// How many bytes of JSON each value in those lists takes at least, on average: what is read takes up to ten times as
    /// much memory as a value of the shortest form.
    pub index_value_bytes: usize,
    /// Frames in a bundle.
    pub frames: usize,
    /// One frame's content, in bytes: a reader holds some in memory.
    pub frame_bytes: u64,
    /// A runtime in a bundle, unpacked, in bytes.
    pub runtime_bytes: u64,
}

impl Limits {
    /// The bounds in force.
    pub const DEFAULT: Limits = Limits {
        manifest_bytes: 4 << 20,
        artifacts: 10_000,
        urls: 32,
        url_bytes: 4_096,
        artifact_bytes: 1 << 40,
        index_bytes: 64 << 20,
        index_list_bytes: 8 << 20,
        index_value_bytes: 16,
        frames: 1 << 20,
        frame_bytes: 64 << 20,
        runtime_bytes: 256 << 20,
    };
}
