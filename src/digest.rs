//! SHA-256 digests: 32 bytes, not a string; and the readers and writers that compute or check them.

mod copy;
#[cfg(test)]
pub(crate) mod interrupting;
mod io;
mod prefix;

use std::cmp::Ordering;
use std::fmt;
use std::io::Read;
use std::str::FromStr;

pub use copy::{CopyError, copy};
pub use io::{
    BoundedReader, BoundedWriter, Found, HashingReader, HashingWriter, Mismatch, VerifyingReader, VerifyingWriter,
};
pub use prefix::PrefixHasher;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// The number of bytes to read and hash at a time: what was just read is still in the nearest cache then.
pub const PIECE: usize = 64 << 10;

/// A SHA-256 digest (FIPS 180-4). Written `sha256:` and 64 lower-case hexadecimal digits, as OCI does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// The digest with these raw bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 lower-case hexadecimal digits, as `sha256sum` prints them.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first twelve hexadecimal digits, for people to look at.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotADigest(String);

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no digest: expected 'sha256:' and 64 lower-case hexadecimal digits", self.0)
    }
}

impl std::error::Error for NotADigest {}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let not = || NotADigest(text.chars().take(80).collect());
        let hex = text.strip_prefix("sha256:").ok_or_else(not)?.as_bytes();
        if hex.len() != 64 {
            return Err(not());
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(not()),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The digest and size of some bytes: what OCI's image specification calls a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Descriptor {
    /// The digest of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

impl Descriptor {
    /// The descriptor of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Descriptor { digest: Digest::of(bytes), size: bytes.len() as u64 }
    }

    /// Compares what was found, this, with what was promised. For bytes that no [`VerifyingReader`] or
    /// [`VerifyingWriter`] saw pass, because what they must be was not known then.
    ///
    /// # Errors
    /// The size or the digest differs.
    pub fn check(self, expected: Descriptor) -> Result<(), Mismatch> {
        let found = match self.size.cmp(&expected.size) {
            Ordering::Less => Found::Shorter(self.size),
            Ordering::Greater => Found::Longer,
            Ordering::Equal if self.digest != expected.digest => Found::Different(self.digest),
            Ordering::Equal => return Ok(()),
        };
        Err(Mismatch { expected, found })
    }

    /// Reads `reader` to its end and returns the descriptor of what was read.
    ///
    /// # Errors
    /// What the reader fails with, `Interrupted` excepted.
    pub fn of_reader(reader: impl Read) -> std::io::Result<Self> {
        Self::of_reader_watched(reader, |_| ())
    }

    /// As [`Descriptor::of_reader`]; calls `watch` on this thread with the number of bytes of each piece.
    ///
    /// # Errors
    /// What the reader fails with, `Interrupted` excepted.
    pub fn of_reader_watched(mut reader: impl Read, mut watch: impl FnMut(u64)) -> std::io::Result<Self> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; PIECE];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.descriptor()),
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    watch(n as u64);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Computes a digest piece by piece and counts the bytes. Outside of this module the adapters do that.
#[derive(Debug, Clone, Default)]
struct Hasher {
    state: Sha256,
    length: u64,
}

impl Hasher {
    /// Takes in the next bytes.
    fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// How many bytes went in so far.
    fn length(&self) -> u64 {
        self.length
    }

    /// The digest and number of all bytes that went in.
    fn descriptor(self) -> Descriptor {
        Descriptor { size: self.length, digest: Digest(self.state.finalize().into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_empty_digest_is_the_one_everybody_knows() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().ok(), Some(Digest::of(b"")));
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        for bad in ["", "sha256:", &EMPTY[7..], &EMPTY[..70], &EMPTY.to_uppercase(), &format!("{EMPTY}0")] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(EMPTY.replace("sha256", "sha512").parse::<Digest>().is_err());
    }
}
