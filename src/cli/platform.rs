//! A platform as it is typed: `linux/amd64`, or only `amd64`, or as `uname -m` says it.

use crate::platform::Platform;

/// Reads a platform.
pub(super) fn platform(text: &str) -> Result<Platform, String> {
    let known = |platform: &Platform| {
        platform.machine() == text || platform.as_str().strip_prefix("linux/").is_some_and(|arch| arch == text)
    };
    match Platform::all().find(known) {
        Some(platform) => Ok(platform),
        None => text.parse::<Platform>().map_err(|unknown| unknown.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_platform_is_understood() {
        for text in ["linux/amd64", "amd64", "x86_64"] {
            assert_eq!(platform(text), Ok(Platform::AMD64), "{text}");
        }
        assert_eq!(platform("aarch64"), Ok(Platform::ARM64));
        assert!(platform("windows/amd64").is_err() && platform("").is_err() && platform("linux").is_err());
    }
}
