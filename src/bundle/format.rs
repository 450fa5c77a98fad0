//! Format 1, byte by byte: skippable frames and the trailer. All integers are little-endian.
//!
//! A zstd decoder passes over skippable frames (RFC 8878, section 3.1.2): four bytes of magic from
//! `0x184D2A50` to `0x184D2A5F`, four bytes of length, then that many bytes of anything.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::Limits;

/// Magic of the skippable frame that holds the index.
const INDEX_MAGIC: u32 = 0x184D_2A5A;
/// Magic of the skippable frame that is the trailer.
const TRAILER_MAGIC: u32 = 0x184D_2A5B;
/// First bytes inside the trailer.
const SIGNATURE: [u8; 8] = *b"pack.run";
/// The format's number.
const FORMAT: u32 = 1;
/// Bytes before the content of a skippable frame.
const SKIPPABLE_HEAD: usize = 8;

/// The whole trailer's length in bytes.
pub(super) const TRAILER_LENGTH: u64 = (SKIPPABLE_HEAD + 8 + 4 + 8 + 8 + 32 + 8) as u64;

/// Wraps the index's JSON into its skippable frame.
///
/// # Errors
/// The frame is larger than a reader takes.
pub(super) fn index_frame(json: &[u8]) -> Result<Vec<u8>> {
    let limit = Limits::DEFAULT.index_bytes;
    let fits = (json.len() + SKIPPABLE_HEAD) as u64 <= limit;
    let length = u32::try_from(json.len()).ok().filter(|_| fits).ok_or_else(|| {
        Error::failed("the bundle's index is too large for any pack to read")
            .fact("size", json.len() + SKIPPABLE_HEAD)
            .fact("limit", limit)
            .hint("split the product into two manifests, or put its many small files into an archive")
    })?;
    let mut frame = Vec::with_capacity(SKIPPABLE_HEAD + json.len());
    frame.extend(INDEX_MAGIC.to_le_bytes());
    frame.extend(length.to_le_bytes());
    frame.extend(json);
    Ok(frame)
}

/// The JSON inside an index frame; `None` where this is not exactly one.
pub(super) fn index_json(frame: &[u8]) -> Option<&[u8]> {
    let (magic, rest) = frame.split_first_chunk::<4>()?;
    let (length, json) = rest.split_first_chunk::<4>()?;
    let right = u32::from_le_bytes(*magic) == INDEX_MAGIC && u32::from_le_bytes(*length) as usize == json.len();
    right.then_some(json)
}

/// The end of a bundle: where its index lies and how long the whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Offset of the index frame in the file.
    pub(super) index_offset: u64,
    /// Length of the index frame, its head included.
    pub(super) index_size: u64,
    /// Digest of the index frame, its head included.
    pub(super) index_digest: Digest,
    /// Length of the whole file.
    pub(super) total: u64,
}

/// What the last bytes of a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A trailer of format 1.
    Trailer(Trailer),
    /// A trailer of a later format, and what its fields would be in this one.
    Format(u32, Trailer),
    /// Anything else.
    Other,
}

impl Trailer {
    /// The trailer's bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TRAILER_LENGTH as usize);
        bytes.extend(TRAILER_MAGIC.to_le_bytes());
        bytes.extend((TRAILER_LENGTH as u32 - SKIPPABLE_HEAD as u32).to_le_bytes());
        bytes.extend(SIGNATURE);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(self.index_offset.to_le_bytes());
        bytes.extend(self.index_size.to_le_bytes());
        bytes.extend(self.index_digest.as_bytes());
        bytes.extend(self.total.to_le_bytes());
        bytes
    }

    /// Reads a file's last [`TRAILER_LENGTH`] bytes.
    pub(super) fn read(bytes: &[u8]) -> End {
        Self::fields(bytes).unwrap_or(End::Other)
    }

    fn fields(bytes: &[u8]) -> Option<End> {
        let mut rest = bytes;
        let mut word = || take::<4>(&mut rest).map(u32::from_le_bytes);
        let framed = word()? == TRAILER_MAGIC && u64::from(word()?) + SKIPPABLE_HEAD as u64 == TRAILER_LENGTH;
        if !framed || take::<8>(&mut rest)? != SIGNATURE {
            return None;
        }
        let format = u32::from_le_bytes(take::<4>(&mut rest)?);
        let trailer = Trailer {
            index_offset: u64::from_le_bytes(take::<8>(&mut rest)?),
            index_size: u64::from_le_bytes(take::<8>(&mut rest)?),
            index_digest: Digest::from_bytes(take::<32>(&mut rest)?),
            total: u64::from_le_bytes(take::<8>(&mut rest)?),
        };
        let end = if format == FORMAT { End::Trailer(trailer) } else { End::Format(format, trailer) };
        rest.is_empty().then_some(end)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Where in `bytes`, the last part of a file, a trailer begins after which more bytes follow.
pub(super) fn find_trailer(bytes: &[u8]) -> Option<usize> {
    let length = TRAILER_LENGTH as usize;
    (0..bytes.len().checked_sub(length)?)
        .rev()
        .find(|&at| matches!(Trailer::read(&bytes[at..at + length]), End::Trailer(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailer() -> Trailer {
        Trailer { index_offset: 1, index_size: 2, index_digest: Digest::of(b"x"), total: 3 }
    }

    #[test]
    fn a_trailer_reads_back_and_no_other_length_does() {
        let bytes = trailer().to_bytes();
        assert_eq!(bytes.len() as u64, TRAILER_LENGTH);
        assert_eq!(Trailer::read(&bytes), End::Trailer(trailer()));
        for length in 0..bytes.len() {
            assert_eq!(Trailer::read(&bytes[..length]), End::Other);
        }
    }

    #[test]
    fn an_index_that_no_reader_takes_is_not_framed() {
        let most = Limits::DEFAULT.index_bytes as usize - SKIPPABLE_HEAD;
        let frame = index_frame(&vec![b' '; most]).expect("framed");
        assert_eq!(frame.len() as u64, Limits::DEFAULT.index_bytes);
        let error = index_frame(&vec![b' '; most + 1]).expect_err("too large");
        assert!(error.title().contains("too large") && error.hint_text().is_some(), "{error}");
    }

    #[test]
    fn an_index_is_exactly_one_frame_of_its_magic() {
        let frame = index_frame(b"{}").expect("framed");
        assert_eq!(index_json(&frame), Some(&b"{}"[..]));
        assert_eq!(index_json(&[&frame[..], b" "].concat()), None, "bytes follow");
        assert_eq!(index_json(&[&TRAILER_MAGIC.to_le_bytes(), &frame[4..]].concat()), None, "another frame");
    }

    #[test]
    fn a_later_format_is_told_apart_from_damage() {
        let mut bytes = trailer().to_bytes();
        bytes[16] = 2;
        assert_eq!(Trailer::read(&bytes), End::Format(2, trailer()));
    }

    #[test]
    fn stock_zstd_passes_over_both_frames() {
        let mut stream = zstd::encode_all(&b"payload"[..], 3).expect("compressed");
        stream.extend(index_frame(b"{}").expect("framed"));
        stream.extend(trailer().to_bytes());
        assert_eq!(zstd::decode_all(&stream[..]).expect("decoded"), b"payload");
    }
}
