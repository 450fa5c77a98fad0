//! Operating system and architecture, in the words of the container world (`linux/amd64`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A platform an artifact is for, named as in OCI images (`GOOS/GOARCH`). `pack` carries Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform(&'static Arch);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Arch {
    /// `GOOS/GOARCH`.
    name: &'static str,
    /// What `uname -m` says.
    machine: &'static str,
    /// Rust's `std::env::consts::ARCH`.
    rust: &'static str,
    /// `e_machine` of the ELF header (System V gABI).
    elf: u16,
}

static TABLE: [Arch; 7] = [
    Arch { name: "linux/amd64", machine: "x86_64", rust: "x86_64", elf: 62 },
    Arch { name: "linux/arm64", machine: "aarch64", rust: "aarch64", elf: 183 },
    Arch { name: "linux/arm", machine: "armv7l", rust: "arm", elf: 40 },
    Arch { name: "linux/loong64", machine: "loongarch64", rust: "loongarch64", elf: 258 },
    Arch { name: "linux/ppc64le", machine: "ppc64le", rust: "powerpc64", elf: 21 },
    Arch { name: "linux/riscv64", machine: "riscv64", rust: "riscv64", elf: 243 },
    Arch { name: "linux/s390x", machine: "s390x", rust: "s390x", elf: 22 },
];

impl Platform {
    /// 64-bit x86.
    pub const AMD64: Platform = Platform(&TABLE[0]);
    /// 64-bit Arm.
    pub const ARM64: Platform = Platform(&TABLE[1]);

    /// The platform this program runs on; `None` on one that `pack` does not know.
    pub fn host() -> Option<Self> {
        TABLE.iter().find(|arch| arch.rust == std::env::consts::ARCH).map(Platform)
    }

    /// All platforms that `pack` knows.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Platform)
    }

    /// `linux/amd64`.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    /// What `uname -m` prints there: the word in a bundle's file name.
    pub fn machine(self) -> &'static str {
        self.0.machine
    }

    /// `e_machine` in the header of an executable for it.
    pub fn elf_machine(self) -> u16 {
        self.0.elf
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// The text names no platform that `pack` knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPlatform(String);

impl fmt::Display for UnknownPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = Platform::all().map(Platform::as_str).collect();
        write!(f, "'{}' is no platform pack knows; it knows {}", self.0.escape_debug(), known.join(", "))
    }
}

impl std::error::Error for UnknownPlatform {}

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        Self::all()
            .find(|platform| platform.as_str() == text)
            .ok_or_else(|| UnknownPlatform(text.chars().take(80).collect()))
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
