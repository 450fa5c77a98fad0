//! By what a bundle is known from outside, also where the rest of it is damaged: the digest of its trailer.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::format::{End, TRAILER_LENGTH, Trailer};
use crate::digest::Digest;

/// The digest of a bundle's trailer, in which the digest of its index is; `None` where the file does not end with a
/// trailer, or has another length than that says.
pub fn seal(file: &File) -> Option<Digest> {
    let length = file.metadata().ok()?.len();
    let mut bytes = [0; TRAILER_LENGTH as usize];
    file.read_exact_at(&mut bytes, length.checked_sub(TRAILER_LENGTH)?).ok()?;
    match Trailer::read(&bytes) {
        End::Trailer(trailer) if trailer.total == length => Some(Digest::of(&bytes)),
        _ => None,
    }
}
