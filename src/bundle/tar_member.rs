//! The tar stream around the contents of its members, byte for byte: a bundle is written with it and compared with it.
//!
//! It is plain POSIX tar (ustar, GNU's long names where a path needs them), with nothing in it that differs between
//! two runs: no owner, no time but one fixed date.

use std::io;

use tar::{Builder, EntryType, Header};

use crate::path::RelPath;

/// 1980-01-01 00:00 UTC: a date every archiver accepts without a warning.
const MTIME: u64 = 315_532_800;
/// The unit of a tar stream, in bytes.
const BLOCK: usize = 512;
/// The two empty blocks that end the stream.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Returns what stands before the content of a member: one header, and GNU's long name before it where the path
/// needs one. `mode` is permission bits.
///
/// # Errors
/// The path cannot be written into a header.
pub(super) fn header(path: &RelPath, size: u64, mode: u32) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    let mut builder = Builder::new(Vec::new());
    builder.append_data(&mut header, path.as_str(), io::empty())?;
    Ok(std::mem::take(builder.get_mut()))
}

/// Returns the zeros that fill the last block of a content of `size` bytes.
pub(super) fn padding(size: u64) -> &'static [u8] {
    &[0; BLOCK][..(size.wrapping_neg() % BLOCK as u64) as usize]
}
