//! A parity file's first and last 4 KiB: which file it is for, and how that is divided.

use super::layout::{Layout, SECTOR};
use crate::digest::Digest;

/// The first bytes.
const MAGIC: [u8; 8] = *b"pack.par";
/// The format's number.
const FORMAT: u32 = 1;
/// The bytes that the digest behind them is of.
const FIELDS: usize = 8 + 4 + 4 + 8 + 4 + 4 + 32;

/// What a parity file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// How the file is divided.
    pub(super) layout: Layout,
    /// The digest of the bundle's trailer, by which the bundle is known.
    pub(super) seal: Digest,
}

/// What a sector where a head should be turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A head.
    Head(Head),
    /// A head of a later format.
    Format(u32),
    /// One whose bytes are wrong.
    Damaged,
    /// Anything else.
    Other,
}

impl Head {
    /// The head's sector.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SECTOR as usize);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend((SECTOR as u32).to_le_bytes());
        bytes.extend(self.layout.length().to_le_bytes());
        bytes.extend((self.layout.groups() as u32).to_le_bytes());
        bytes.extend((self.layout.recovery() as u32).to_le_bytes());
        bytes.extend(self.seal.as_bytes());
        let digest = Digest::of(&bytes);
        bytes.extend(digest.as_bytes());
        bytes.resize(SECTOR as usize, 0);
        bytes
    }

    /// Reads a sector.
    pub(super) fn read(bytes: &[u8]) -> Found {
        if bytes.len() as u64 != SECTOR || bytes[..8] != MAGIC {
            return Found::Other;
        }
        Self::fields(bytes).unwrap_or(Found::Damaged)
    }

    fn fields(bytes: &[u8]) -> Option<Found> {
        let (fields, rest) = bytes.split_at_checked(FIELDS)?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        if Digest::of(fields) != Digest::from_bytes(*digest) || rest.iter().any(|&byte| byte != 0) {
            return None;
        }
        let word = |at: usize| fields.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let format = word(8)?;
        if format != FORMAT {
            return Some(Found::Format(format));
        }
        let length = u64::from_le_bytes(fields.get(16..24)?.try_into().ok()?);
        let layout = Layout::with(length, word(24)?.into(), word(28)?.into());
        let seal = Digest::from_bytes(fields.get(32..64)?.try_into().ok()?);
        let layout = layout.filter(|_| word(12).map(u64::from) == Some(SECTOR))?;
        Some(Found::Head(Head { layout, seal }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Amount;
    use super::*;

    #[test]
    fn a_head_reads_back_and_no_bit_of_it_may_change() {
        let layout = Layout::new(1_000_000, Amount::DEFAULT).expect("a layout");
        let head = Head { layout, seal: Digest::of(b"seal") };
        let bytes = head.to_bytes();
        assert_eq!(bytes.len() as u64, SECTOR);
        assert_eq!(Head::read(&bytes), Found::Head(head));
        assert_eq!(Head::read(&bytes[1..]), Found::Other);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(Head::read(&changed), if at < 8 { Found::Other } else { Found::Damaged }, "byte {at}");
        }
        let mut later = bytes;
        later[8] = 2;
        let digest = Digest::of(&later[..FIELDS]);
        later[FIELDS..FIELDS + 32].copy_from_slice(digest.as_bytes());
        assert_eq!(Head::read(&later), Found::Format(2));
    }
}
