//! What the first bytes of a file say of its compression.

use std::fmt;

use super::content::Codec;
use super::limits::ImageLimits;

/// How many of a file's first bytes are looked at. Fewer are enough only where the file has no more.
pub(super) const HEAD: usize = 18;

/// The first bytes of other compressed files and archives, and what they are called.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"LZIP\x01", "lzip"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    (&[0x1f, 0x9d], "compress"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (&[0x89, b'L', b'Z', b'O'], "lzop"),
];

/// What a file is, where `pack` does not read it: a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsupported(String);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a file is compressed, for whoever takes that off by another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    /// The window that its first frame needs, in bytes.
    window: Option<u64>,
}

impl Compression {
    /// What the first 18 bytes of a file say; `None` where it is not compressed, or with something that is not read.
    pub fn of(head: &[u8]) -> Option<Self> {
        let codec = Codec::of(head)?;
        Some(Compression { codec, window: zstd_window(head) })
    }

    /// The window where it is larger than is read, in bytes.
    fn large_window(&self) -> Option<u64> {
        self.window.filter(|&window| window > ImageLimits::DEFAULT.zstd_window_bytes)
    }

    /// The command that writes the content of its standard input to standard output.
    pub fn command(&self) -> String {
        match self.large_window() {
            Some(window) => format!("zstd -dc --long={}", window.next_power_of_two().trailing_zeros()),
            None => format!("{} -dc", self.codec.name()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.codec.name())?;
        match self.large_window() {
            Some(window) => {
                let limit = ImageLimits::DEFAULT.zstd_window_bytes >> 20;
                write!(f, " with a window of {} MiB; the limit is {limit} MiB", window.div_ceil(1 << 20))
            }
            None => Ok(()),
        }
    }
}

/// How a file that starts with `head` is compressed; `None` where it is not.
///
/// # Errors
/// It is of a kind that is not read.
pub(super) fn sniff(head: &[u8], limits: &ImageLimits) -> Result<Option<Codec>, Unsupported> {
    let codec = Codec::of(head);
    if codec == Some(Codec::Zstd)
        && let Some(window) = zstd_window(head)
        && window > limits.zstd_window_bytes
    {
        return Err(Unsupported(format!(
            "it is compressed with zstd and a window of {window} bytes; the limit is {}: compress it with 'zstd' without \
             '--long' or '--ultra'",
            limits.zstd_window_bytes
        )));
    }
    if codec.is_some() {
        return Ok(codec);
    }
    let foreign = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
    if let Some(name) = foreign.or(is_bzip2(head).then_some("bzip2")).or(is_lzma(head).then_some("lzma")) {
        return Err(Unsupported(format!(
            "it is compressed with {name}, which is not read; gzip and zstd are, and xz where it is the whole archive's"
        )));
    }
    let text = head.trim_ascii_start().to_ascii_lowercase();
    if text.starts_with(b"<!doctype") || text.starts_with(b"<html") || text.starts_with(b"<?xml") {
        return Err(Unsupported("it is a web page, as a server sends it in place of a file".to_owned()));
    }
    Ok(None)
}

/// The window that a zstd frame needs, in bytes (RFC 8878, 3.1.1.1); `None` where `head` does not tell.
fn zstd_window(head: &[u8]) -> Option<u64> {
    let rest = head.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, rest) = rest.split_first()?;
    if descriptor & 0x20 == 0 {
        let window = rest.first()?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // A single segment: the window is the content, whose size follows the dictionary's ID.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let (size, more) = [(1, 0), (2, 256), (4, 0), (8, 0)][usize::from(descriptor >> 6)];
    let bytes = rest.get(dictionary..dictionary + size)?;
    let value = bytes.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    value.checked_add(more)
}

/// `BZh`, a level, and the magic of a block or of the end.
fn is_bzip2(head: &[u8]) -> bool {
    let rest = head.strip_prefix(b"BZh").and_then(|rest| rest.split_first());
    rest.is_some_and(|(level, rest)| {
        matches!(level, b'1'..=b'9') && (rest.starts_with(b"1AY&SY") || rest.starts_with(b"\x17rE8P\x90"))
    })
}

/// The old .lzma format has no magic: properties, dictionary size, and the content's size or -1.
fn is_lzma(head: &[u8]) -> bool {
    let Some((&[0x5d, 0, 0, high, higher], size)) = head.split_first_chunk() else { return false };
    let size = size.get(..8).unwrap_or_default();
    (high, higher) != (0, 0) && (size == [0xff; 8] || size.ends_with(&[0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(head: &[u8]) -> String {
        sniff(head, &ImageLimits::DEFAULT).expect_err("not read").to_string()
    }

    #[test]
    fn what_is_not_read_is_named() {
        assert!(named(b"BZh91AY&SY").contains("with bzip2,"));
        assert!(
            named(&[0x5d, 0, 0, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]).contains("with lzma,")
        );
        assert!(named(b"PK\x03\x04\x14\x00").contains("with zip,"));
        assert!(named(b"\n<!DOCTYPE html><ht").contains("web page"));
        for plain in [&b""[..], b"]", b"manifest.json\0\0\0\0\0", b"]\0\0\0\0\0\0\0\0\0\0\0\0\0", b"BZ", b"{}"] {
            assert_eq!(sniff(plain, &ImageLimits::DEFAULT), Ok(None), "{plain:?}");
        }
    }

    #[test]
    fn a_program_of_its_own_takes_off_what_is_not_read_here() {
        let of = |head: &[u8]| Compression::of(head).map(|found| (found.to_string(), found.command()));
        let zstd = |window: u8| of(&[0x28, 0xb5, 0x2f, 0xfd, 0, window]).expect("zstd");
        let named = |mib: u64| format!("zstd with a window of {mib} MiB; the limit is 128 MiB");
        assert_eq!(zstd(17 << 3), ("zstd".to_owned(), "zstd -dc".to_owned()));
        assert_eq!(zstd(17 << 3 | 1), (named(144), "zstd -dc --long=28".to_owned()));
        assert_eq!(zstd(21 << 3), (named(2048), "zstd -dc --long=31".to_owned()));
        assert_eq!(of(&[0x1f, 0x8b, 8]), Some(("gzip".to_owned(), "gzip -dc".to_owned())));
        assert_eq!(of(b"BZh91AY&SY"), None);
    }

    #[test]
    fn a_zstd_file_may_start_with_a_skippable_frame() {
        let pzstd = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0];
        assert_eq!(sniff(&pzstd, &ImageLimits::DEFAULT), Ok(Some(Codec::Zstd)));
    }

    #[test]
    fn a_window_is_compared_with_its_limit() {
        let limits = ImageLimits { zstd_window_bytes: 1 << 20, ..ImageLimits::DEFAULT };
        let frame = |rest: &[u8]| [&[0x28, 0xb5, 0x2f, 0xfd], rest].concat();
        for (rest, fits) in [
            (&[0x00, 10 << 3][..], true),
            (&[0x00, 10 << 3 | 1], false),
            (&[0xa0, 0, 0, 0x10, 0], true),
            (&[0xa0, 1, 0, 0x10, 0], false),
            (&[0xe3, 9, 9, 9, 9, 1, 0, 0x10, 0, 0, 0, 0, 0], false),
            (&[0xe3, 9, 9, 9, 9, 0, 0, 0x10, 0, 0, 0, 0, 0], true),
        ] {
            assert_eq!(sniff(&frame(rest), &limits).is_ok(), fits, "{rest:?}");
        }
    }
}
