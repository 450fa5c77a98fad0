//! A relative path that cannot leave its root: parsed once, trusted afterwards.

mod shell_word;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::is_bidi_control;
pub use shell_word::shell_word;

/// A path below some root: `/`-separated, no empty part, no `.` or `..`, no backslash, no control
/// character, at most 1,024 bytes in all and 255 in a part (the limit of Linux file systems).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

impl RelPath {
    /// The longest path, in bytes.
    pub const LONGEST: usize = 1_024;
    /// The longest part of a path, in bytes.
    pub const LONGEST_PART: usize = 255;

    /// The path as text, `/`-separated.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this path lies below `root`.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }

    /// The parts between the slashes, at least one.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RelPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text is no safe relative path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsafePath {
    text: String,
    why: &'static str,
}

impl fmt::Display for UnsafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name '{}' is not safe: {}", self.text.escape_debug(), self.why)
    }
}

impl std::error::Error for UnsafePath {}

impl FromStr for RelPath {
    type Err = UnsafePath;

    fn from_str(text: &str) -> Result<Self, UnsafePath> {
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > Self::LONGEST {
            "it is longer than 1,024 bytes"
        } else if text.starts_with('/') {
            "it is absolute"
        } else if text.contains('\\') {
            "it has a backslash"
        } else if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
            "it has a control character"
        } else if text.split('/').any(|part| part == "..") {
            "it leaves its folder with '..'"
        } else if text.split('/').any(|part| part.is_empty() || part == ".") {
            "it has an empty part or '.'"
        } else if text.split('/').any(|part| part.len() > Self::LONGEST_PART) {
            "a part of it is longer than 255 bytes"
        } else {
            return Ok(RelPath(text.to_owned()));
        };
        Err(UnsafePath { text: text.chars().take(80).collect(), why })
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_leave_the_root_is_refused() {
        for bad in ["", "/a", "..", "../evil", "a/../b", "a/..", "a//b", "./a", "a/", "a\\b", "a\nb", "a\u{202e}b"] {
            assert!(bad.parse::<RelPath>().is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "run-portable.sh", "数据.tar.gz", "..a", "a..b/c"] {
            assert!(good.parse::<RelPath>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_path_and_each_part_of_it_may_be_as_long_as_the_limit() {
        let parsed = |text: String| text.parse::<RelPath>().is_ok();
        assert!(parsed("x".repeat(RelPath::LONGEST_PART)) && !parsed("x".repeat(RelPath::LONGEST_PART + 1)));
        assert!(parsed(format!("a/{}/b", "x".repeat(255))) && !parsed(format!("a/{}/b", "x".repeat(256))));
        let of = |length: usize| format!("{}{}", "x/".repeat(500), "x".repeat(length - 1_000));
        assert!(parsed(of(RelPath::LONGEST)) && !parsed(of(RelPath::LONGEST + 1)));
    }

    proptest! {
        #[test]
        fn nothing_that_parses_leaves_the_root(text in "[./a\\\\]{0,12}") {
            if let Ok(path) = text.parse::<RelPath>() {
                let below = path.below(Path::new("/root"));
                prop_assert!(below.starts_with("/root") && below.components().all(|part| part.as_os_str() != ".."));
            }
        }
    }
}
