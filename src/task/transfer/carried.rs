//! What a medium gets: the files of a bundle as they lie there, or the bundle divided into volumes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::bundle::{Bundle, Division, checksum_of_the_whole, volume_beside};
use crate::error::{IoContext, Result};
use crate::medium::copy::{CopySource, MediumCopy};
use crate::parity::sidecar;
use crate::progress::Progress;
use crate::task::volumes::checksums;

/// A file that a medium gets.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) name: OsString,
    /// In bytes; of what is made after the volumes at least as much.
    pub(super) size: u64,
    pub(super) origin: Origin,
}

/// Where its bytes come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A file.
    File(PathBuf),
    /// A range of the bundle in one file.
    Volume(Range<u64>),
    /// Made of the digests of the volumes: the file that they belong to.
    Main,
    /// Made of the digests of all files of the bundle.
    Checksums,
}

impl Carried {
    /// The file at `path`, under a name.
    fn file(path: PathBuf, name: &OsStr) -> Result<Self> {
        let size = path.metadata().doing("look at", &path)?.len();
        Ok(Carried { name: name.to_owned(), size, origin: Origin::File(path) })
    }

    /// As what it is shown in an error.
    pub(super) fn path(&self, bundle: &Path) -> PathBuf {
        match &self.origin {
            Origin::File(path) => path.clone(),
            _ => bundle.with_file_name(&self.name),
        }
    }
}

fn named(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

fn beside(bundle: &Path, ending: &str) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The bundle's files and what lies beside it, as they are: volumes first, then the file that they belong to.
pub(super) fn as_it_lies(bundle: &Bundle) -> Result<Vec<Carried>> {
    let path = bundle.path();
    let mut files = bundle.files();
    files.rotate_left(1);
    let whole = checksum_of_the_whole(path);
    let besides = [
        sidecar::beside(path),
        beside(path, ".sha256"),
        beside(path, ".sha256.minisig"),
        beside(&whole, ".minisig"),
        whole,
    ];
    let wanted = if bundle.volumes().is_empty() { 3 } else { besides.len() };
    let besides = besides.into_iter().take(wanted).filter(|path| path.is_file());
    // A volume may lie in another folder; its name is the same.
    files.into_iter().chain(besides).map(|path| Carried::file(path.clone(), named(&path))).collect()
}

/// The bundle divided, with its checksums; the signed checksum of the bundle in one file, where there is one, under a name of
/// its own.
pub(super) fn divided(bundle: &Bundle, division: &Division<'_>) -> Result<Vec<Carried>> {
    let path = bundle.path();
    let mut files = Vec::new();
    for number in 0..division.count() {
        let (range, name) = (division.range(number), named(&volume_beside(path, number)).to_owned());
        files.push(Carried { name, size: range.end - range.start, origin: Origin::Volume(range) });
    }
    files.push(Carried { name: named(path).to_owned(), size: division.main_size(), origin: Origin::Main });
    // A digest, two blanks, the name and a line feed.
    let size = files.iter().map(|file| 64 + 2 + file.name.len() as u64 + 1).sum();
    files.push(Carried { name: named(&beside(path, ".sha256")).to_owned(), size, origin: Origin::Checksums });
    let whole = checksum_of_the_whole(path);
    let signature = beside(&whole, ".minisig");
    let sources = if bundle.volumes().is_empty() {
        [beside(path, ".sha256"), beside(path, ".sha256.minisig")]
    } else {
        [whole.clone(), signature.clone()]
    };
    if sources.iter().all(|source| source.is_file()) {
        for (source, target) in sources.into_iter().zip([whole, signature]) {
            files.push(Carried::file(source, named(&target))?);
        }
    }
    Ok(files)
}

/// Writes `files` into `folder`, in their order, each as far as the medium does not have it.
pub(super) fn write<'a>(
    bundle: &'a Bundle,
    division: Option<&Division<'_>>,
    files: &[Carried],
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Vec<MediumCopy<'a>>> {
    let mut copies: Vec<MediumCopy<'a>> = Vec::new();
    for file in files {
        let target = folder.join(&file.name);
        let source: Box<dyn CopySource + 'a> = match &file.origin {
            Origin::File(path) => {
                copies.push(MediumCopy::write(path, &target, progress)?);
                continue;
            }
            Origin::Volume(range) => Box::new(Part { bundle, range: range.clone() }),
            Origin::Main => {
                let digests: Vec<_> = copies.iter().map(|copy| copy.descriptor.digest).collect();
                let bytes = division.map(|division| division.main(&digests)).transpose()?.unwrap_or_default();
                Box::new(Made { bundle: bundle.path(), bytes })
            }
            Origin::Checksums => {
                // `sha256sum -c` takes them in any order; a reader of the signature takes the first for the bundle's.
                let mut lines: Vec<_> = files.iter().map(|file| file.name.as_os_str()).zip(&copies).collect();
                lines.rotate_right(1);
                let lines = lines.into_iter().map(|(name, copy)| (name, copy.descriptor.digest));
                Box::new(Made { bundle: bundle.path(), bytes: checksums(lines) })
            }
        };
        copies.push(MediumCopy::write_from(source, &target, progress)?);
    }
    Ok(copies)
}

/// A part of a bundle that is open.
#[derive(Debug)]
struct Part<'a> {
    bundle: &'a Bundle,
    range: Range<u64>,
}

impl CopySource for Part<'_> {
    fn path(&self) -> &Path {
        self.bundle.path()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.range.end - self.range.start)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.bundle.read_exact_at(buffer, self.range.start + offset)
    }
}

/// What is in memory.
#[derive(Debug)]
struct Made<'a> {
    bundle: &'a Path,
    bytes: Vec<u8>,
}

impl CopySource for Made<'_> {
    fn path(&self) -> &Path {
        self.bundle
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
