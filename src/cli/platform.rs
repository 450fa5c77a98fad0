//! A platform as it is typed: `linux/amd64`, or only `amd64`, or as `uname -m`, Docker or a distribution says it.

use crate::platform::Platform;

/// What else than its own name and its machine's an architecture is called: the word, and the name behind `linux/`.
const ALSO: [(&str, &str); 14] = [
    ("x86-64", "amd64"),
    ("x64", "amd64"),
    ("amd64/v1", "amd64"),
    ("aarch64/v8", "arm64"),
    ("arm64/v8", "arm64"),
    ("arm64v8", "arm64"),
    ("armv8", "arm64"),
    ("arm/v7", "arm"),
    ("armhf", "arm"),
    ("armv7", "arm"),
    ("loongarch", "loong64"),
    ("powerpc64le", "ppc64le"),
    ("ppc64el", "ppc64le"),
    ("riscv", "riscv64"),
];

/// Reads a platform.
pub(super) fn platform(text: &str) -> Result<Platform, String> {
    let lower = text.to_ascii_lowercase();
    let word = lower.strip_prefix("linux/").unwrap_or(&lower);
    let word = ALSO.iter().find(|(also, _)| *also == word).map_or(word, |(_, name)| *name);
    let is_it = |platform: &Platform| {
        platform.machine() == word || platform.as_str().strip_prefix("linux/").is_some_and(|name| name == word)
    };
    // What is not known is told as it was typed.
    Platform::all().find(is_it).map_or_else(|| text.parse().map_err(|unknown| format!("{unknown}")), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_platform_is_understood() {
        for text in ["linux/amd64", "amd64", "x86_64", "linux/x86_64", "linux/amd64/v1", "x64", "Linux/AMD64"] {
            assert_eq!(platform(text), Ok(Platform::AMD64), "{text}");
        }
        for text in ["linux/arm64", "arm64", "aarch64", "linux/aarch64", "linux/arm64/v8", "arm64/v8", "arm64v8"] {
            assert_eq!(platform(text), Ok(Platform::ARM64), "{text}");
        }
        for all in Platform::all() {
            for text in [all.as_str(), all.machine(), &format!("linux/{}", all.machine())] {
                assert_eq!(platform(text), Ok(all), "{text}");
            }
        }
        for (also, name) in ALSO {
            assert_eq!(platform(also).map(Platform::as_str), Ok(format!("linux/{name}").as_str()), "{also}");
        }
        // Of these the bytes would be others.
        for other in ["windows/amd64", "", "linux", "linux/", "linux/linux/amd64", "linux/arm/v6", "linux/amd64/v3"] {
            assert!(platform(other).is_err(), "{other}");
        }
    }
}
