//! The runtime: the `pack-site` executable that a bundle carries, and where one for a platform is found.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};

use crate::digest::BoundedReader;
use crate::error::{Error, IoContext, Result};
use crate::manifest::Limits;
use crate::platform::Platform;
use crate::small_file;

/// The runtime's file name on a machine of its own platform; `pack-site-MACHINE` on any.
const FILE_NAME: &str = "pack-site";

/// A static executable for a platform.
pub struct Runtime {
    bytes: Vec<u8>,
}

impl Runtime {
    /// Finds the runtime for `platform`: beside the running program, as `pack-site-MACHINE` or, for this machine's own
    /// platform, as `pack-site`; else as `pack-site-MACHINE` in `$XDG_DATA_HOME/pack/runtimes`
    /// (`~/.local/share/pack/runtimes`; XDG Base Directory Specification). The first that is there is taken.
    ///
    /// # Errors
    /// There is none, or it cannot be read, is not for that platform, or is not static.
    pub fn find(platform: Platform) -> Result<Self> {
        let places = places(platform);
        for place in &places {
            match small_file::open_regular(place) {
                Ok(file) => return Self::read(file, place, platform),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(Error::io("read the runtime", place, error)),
            }
        }
        let name = named_for(platform);
        let error = Error::failed(format_args!("there is no runtime for {platform}: a bundle carries one to its site"));
        let error = places.iter().fold(error, |error, place| error.fact("looked for", place.display()));
        Err(error.hint(format_args!(
            "take {FILE_NAME} from a pack of this version for {platform}, and put it beside pack as {name}, or run: \
             pack bundle --platform {platform} --runtime {name}"
        )))
    }

    /// The executable at `path`, as the runtime for `platform`.
    ///
    /// # Errors
    /// It cannot be read, is not for that platform, or not static.
    pub fn from_file(path: &Path, platform: Platform) -> Result<Self> {
        match small_file::open_regular(path) {
            // A pipe or device would not end, or not begin.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(unusable(path, platform, "it is not a regular file"))
            }
            file => Self::read(file.doing("read the runtime", path)?, path, platform),
        }
    }

    fn read(file: File, path: &Path, platform: Platform) -> Result<Self> {
        let limit = Limits::DEFAULT.runtime_bytes;
        let too_large = || unusable(path, platform, &format!("it is larger than {limit} bytes"));
        let size = file.metadata().doing("look at", path)?.len();
        if size > limit {
            return Err(too_large());
        }
        // Never more than it takes: a vector that grows takes twice as much.
        let mut bytes = Vec::with_capacity(size as usize);
        match BoundedReader::new(file, limit).read_to_end(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(too_large()),
            Err(error) => Err(Error::io("read the runtime", path, error)),
            Ok(_) => Self::checked(bytes, platform, path),
        }
    }

    /// The executable's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn checked(bytes: Vec<u8>, platform: Platform, path: &Path) -> Result<Self> {
        let why = match FileKind::parse(bytes.as_slice()) {
            Ok(FileKind::Elf64) => unfit::<elf::FileHeader64<Endianness>>(&bytes, platform),
            Ok(FileKind::Elf32) => unfit::<elf::FileHeader32<Endianness>>(&bytes, platform),
            _ => Some("it is not an ELF executable".to_owned()),
        };
        match why {
            None => Ok(Runtime { bytes }),
            Some(why) => Err(unusable(path, platform, &why)),
        }
    }
}

/// The runtime's name where runtimes of several platforms lie side by side.
fn named_for(platform: Platform) -> String {
    format!("{FILE_NAME}-{}", platform.machine())
}

/// Where the runtime for `platform` may lie, the preferred place first.
fn places(platform: Platform) -> Vec<PathBuf> {
    let name = named_for(platform);
    let beside = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let own = (Platform::host() == Some(platform)).then_some(FILE_NAME);
    let beside =
        beside.iter().flat_map(|folder| [Some(name.as_str()), own].into_iter().flatten().map(|name| folder.join(name)));
    // A relative $XDG_DATA_HOME is invalid by that specification, and passed over.
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    beside.chain(data.map(|data| data.join("pack/runtimes").join(&name))).collect()
}

fn unusable(path: &Path, platform: Platform, why: &str) -> Error {
    Error::failed("this cannot be the bundle's runtime")
        .fact("path", path.display())
        .fact("expected", format_args!("a static ELF executable of pack-site for {platform}"))
        .fact("actual", why)
        .hint(format_args!("name the {FILE_NAME} of a pack built for {platform} with --runtime"))
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
