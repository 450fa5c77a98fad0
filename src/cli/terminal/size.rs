//! Sizes as people read them.

use indicatif::DecimalBytes;

/// So many bytes in decimal units, as in `99.53 MB`.
pub(in crate::cli) fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}
