//! The runtime: the `pack` executable that a bundle carries for its site.

use std::fs;
use std::path::Path;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};

use crate::error::{Error, IoContext, Result};
use crate::manifest::Limits;
use crate::platform::Platform;

/// A static executable for a platform.
pub struct Runtime {
    bytes: Vec<u8>,
}

impl Runtime {
    /// The program that is running now, as the runtime for `platform`.
    ///
    /// # Errors
    /// It is not for that platform, or not static.
    pub fn current(platform: Platform) -> Result<Self> {
        let path = Path::new("/proc/self/exe");
        let shown = std::env::current_exe().unwrap_or_else(|_| path.to_owned());
        Self::checked(fs::read(path).doing("read the running pack", &shown)?, platform, &shown)
    }

    /// The executable at `path`, as the runtime for `platform`.
    ///
    /// # Errors
    /// It cannot be read, is not for that platform, or not static.
    pub fn from_file(path: &Path, platform: Platform) -> Result<Self> {
        Self::checked(fs::read(path).doing("read the runtime", path)?, platform, path)
    }

    /// The executable's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn checked(bytes: Vec<u8>, platform: Platform, path: &Path) -> Result<Self> {
        let limit = Limits::DEFAULT.runtime_bytes;
        let why = match FileKind::parse(bytes.as_slice()) {
            _ if bytes.len() as u64 > limit => Some(format!("it is larger than {limit} bytes")),
            Ok(FileKind::Elf64) => unfit::<elf::FileHeader64<Endianness>>(&bytes, platform),
            Ok(FileKind::Elf32) => unfit::<elf::FileHeader32<Endianness>>(&bytes, platform),
            _ => Some("it is no ELF executable".to_owned()),
        };
        match why {
            None => Ok(Runtime { bytes }),
            Some(why) => Err(Error::failed("this cannot be the bundle's runtime")
                .fact("path", path.display())
                .fact("expected", format_args!("a static ELF executable of pack for {platform}"))
                .fact("actual", why)
                .hint("name a pack built for that platform: pack bundle --runtime FILE")),
        }
    }
}

/// Why an ELF file (System V gABI) cannot run alone on `platform`, where it cannot.
fn unfit<H: FileHeader<Endian = Endianness>>(bytes: &[u8], platform: Platform) -> Option<String> {
    let headers = || {
        let header = H::parse(bytes)?;
        let endian = header.endian()?;
        Ok::<_, object::Error>((header.e_machine(endian).0, endian, header.program_headers(endian, bytes)?))
    };
    let (machine, endian, segments) = match headers() {
        Ok(found) => found,
        Err(error) => return Some(format!("its headers cannot be read: {error}")),
    };
    if machine != platform.elf_machine() {
        return Some(match Platform::all().find(|known| known.elf_machine() == machine) {
            Some(other) => format!("it is for {other}"),
            None => format!("it is for ELF machine {machine}"),
        });
    }
    let dynamic = segments.iter().any(|segment| segment.p_type(endian) == elf::PT_INTERP);
    dynamic.then(|| "it is dynamically linked: a site's libraries are unknown".to_owned())
}
