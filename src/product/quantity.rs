//! A number of bytes, as people write it.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::option::typed_text;
use crate::language::tr;

/// A number of bytes: `512MiB`, `4GiB`, or a plain number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl Bytes {
    fn parse(text: &str) -> Option<Self> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(unit, size)| Some((text.strip_suffix(unit)?.trim_end(), *size)))
            .unwrap_or((text, 1));
        digits.parse::<u64>().ok()?.checked_mul(unit).map(Bytes)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().rev().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{} {unit}", self.0 / size),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Value::deserialize(deserializer)?;
        let size = written.as_u64().map(Bytes).or_else(|| Bytes::parse(written.as_str()?));
        size.ok_or_else(|| {
            let text = typed_text(&written);
            de::Error::custom(tr!("'{text}' is no size such as 512MiB or 4GiB", text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, bytes) in [("0", 0), ("7", 7), ("3KiB", 3 << 10), ("512MiB", 512 << 20), ("4 GiB", 4 << 30)] {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for bad in ["", "-1", "4G", "4 gib", "GiB", "99999999999GiB", "1.5GiB"] {
            assert_eq!(Bytes::parse(bad), None, "{bad}");
        }
        assert_eq!(Bytes(512 << 20).to_string(), "512 MiB");
        assert_eq!(Bytes(1_000).to_string(), "1000 bytes");
    }
}
