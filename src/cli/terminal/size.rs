//! Sizes and numbers as people read them.

use indicatif::DecimalBytes;

/// So many of something, as in `1 file` and `2 files`. `one` is a noun whose plural ends in a mere `s`.
pub(in crate::cli) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// So many bytes in decimal units, as in `99.53 MB`.
pub(in crate::cli) fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}
