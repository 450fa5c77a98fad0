//! By what a text is found in the catalogue. `build.rs` includes this file too.

/// FNV-1a of 32 bits (draft-eastlake-fnv-35). The program has no English text twice then, and no address to set right for each
/// when it starts: half of what a catalogue would cost in every bundle. `build.rs` holds that no two texts share a key.
pub(crate) fn key(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
