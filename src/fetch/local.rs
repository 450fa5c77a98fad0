//! Sources on this machine: local files and what is built in.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use url::Url;

use super::error::{ActualSize, FetchError};
use crate::digest::{self, BoundedReader, Descriptor, Digest};
use crate::error::Error;
use crate::manifest::builtin;
use crate::progress::Meter;
use crate::release::Partial;
use crate::small_file;

/// Bytes that need no network.
#[derive(Debug)]
pub(super) enum Local {
    /// A file.
    File(PathBuf),
    /// A file of another machine, or not a path of this system.
    Elsewhere,
    /// Bytes in this binary; `None` when it has none of that name.
    BuiltIn(Option<&'static [u8]>),
}

impl Local {
    /// The descriptor of its bytes. `url` names it, without secrets.
    ///
    /// # Errors
    /// It does not exist, is not on this machine, has more than `most` bytes, or cannot be read.
    pub(super) fn descriptor(&self, url: &str, most: u64) -> Result<Descriptor, FetchError> {
        match Descriptor::of_reader(BoundedReader::new(self.open(url)?, most)) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(FetchError::Local(other_bytes(url, ActualSize::MoreThan(most), None)))
            }
            read => read.map_err(|cause| FetchError::Local(self.unreadable(url, cause))),
        }
    }

    /// Its bytes. `url` names it, without secrets.
    ///
    /// # Errors
    /// It does not exist, is not on this machine, or cannot be opened.
    pub(super) fn open(&self, url: &str) -> Result<Box<dyn Read>, FetchError> {
        let absent = || FetchError::Absent { url: url.to_owned() };
        match self {
            Local::BuiltIn(bytes) => Ok(Box::new(bytes.ok_or_else(absent)?)),
            Local::Elsewhere => Err(FetchError::Local(elsewhere(url))),
            Local::File(path) => match small_file::open_regular(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(absent()),
                Err(error) => Err(FetchError::Local(self.unreadable(url, error))),
            },
        }
    }

    /// The error when its bytes cannot be read.
    pub(super) fn unreadable(&self, url: &str, cause: io::Error) -> Error {
        let place = if let Local::File(path) = self { path } else { Path::new(url) };
        Error::io("read", place, cause)
    }
}

/// What `url` names, when that is on this machine.
pub(super) fn at(url: &Url) -> Option<Local> {
    match url.scheme() {
        "file" => Some(url.to_file_path().map_or(Local::Elsewhere, Local::File)),
        "builtin" => Some(Local::BuiltIn(builtin::file(url.path().trim_start_matches('/')))),
        _ => None,
    }
}

fn elsewhere(url: &str) -> Error {
    Error::failed("a file URL names another machine")
        .fact("url", url)
        .hint("leave the host out for a file of this machine (file:///home/…), or give an http or https URL")
}

/// The error for a file that is not the one the manifest pins; `url` without secrets. Who knows the manifest's name, says
/// what to type.
pub(super) fn other_bytes(url: &str, size: ActualSize, digest: Option<Digest>) -> Error {
    let error =
        Error::integrity("the file is not the one the manifest pins").fact("url", url).fact("actual size", size);
    match digest {
        Some(digest) => error.fact("actual digest", digest),
        None => error,
    }
}

/// Which side of a copy failed.
pub(super) enum LocalCopyError {
    /// The source cannot be read.
    Read(io::Error),
    /// The partial cannot be written.
    Write(Error),
}

/// Appends all of `reader` to `partial`; `false` if it has more bytes than the artifact may have.
pub(super) fn copy(mut reader: impl Read, partial: &mut Partial, meter: &dyn Meter) -> Result<bool, LocalCopyError> {
    match digest::copy(&mut reader, &mut Metered { partial, meter }) {
        Ok(_) => Ok(true),
        Err(digest::CopyError::Read(cause)) => Err(LocalCopyError::Read(cause)),
        Err(digest::CopyError::Write(cause)) => match cause.downcast() {
            Ok(error) => Err(LocalCopyError::Write(error)),
            // The one error that a partial has of its own.
            Err(_too_large) => Ok(false),
        },
    }
}

/// Appends to a partial and tells the meter.
struct Metered<'a> {
    partial: &'a mut Partial,
    meter: &'a dyn Meter,
}

impl Write for Metered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.partial.write(bytes)?;
        self.meter.add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
