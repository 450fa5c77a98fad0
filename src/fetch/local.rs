//! Bytes that are on this machine already: local files and what is built in.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use url::Url;

use super::fault::{Came, Fault};
use crate::digest::{BoundedReader, Descriptor, Digest};
use crate::error::Error;
use crate::manifest::builtin;
use crate::progress::Meter;
use crate::release::Partial;

/// Bytes that need no network.
#[derive(Debug)]
pub(super) enum Local {
    /// A file.
    File(PathBuf),
    /// A file of another machine, or a path that is none here.
    Elsewhere,
    /// Bytes in this binary; `None` when it has none of that name.
    BuiltIn(Option<&'static [u8]>),
}

impl Local {
    /// The descriptor of its bytes. `url` names it, as it may be shown.
    ///
    /// # Errors
    /// It is not there, not on this machine, has more than `most` bytes, or cannot be read.
    pub(super) fn descriptor(&self, url: &str, most: u64) -> Result<Descriptor, Fault> {
        match Descriptor::of_reader(BoundedReader::new(self.open(url)?, most)) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(Fault::Local(other_bytes(url, Came::MoreThan(most), None)))
            }
            read => read.map_err(|cause| Fault::Local(self.unreadable(url, cause))),
        }
    }

    /// Its bytes. `url` names it, as it may be shown.
    ///
    /// # Errors
    /// It is not there, not on this machine, or cannot be opened.
    pub(super) fn open(&self, url: &str) -> Result<Box<dyn Read>, Fault> {
        let absent = || Fault::NotThere { url: url.to_owned() };
        match self {
            Local::BuiltIn(bytes) => Ok(Box::new(bytes.ok_or_else(absent)?)),
            Local::Elsewhere => Err(Fault::Local(elsewhere(url))),
            Local::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(absent()),
                Err(error) => Err(Fault::Local(self.unreadable(url, error))),
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
        .hint("write file:///PATH for a file of this machine, or give an http or https URL")
}

/// The error for a file that is not the one the manifest pins; `url` as it may be shown.
pub(super) fn other_bytes(url: &str, size: Came, digest: Option<Digest>) -> Error {
    let error =
        Error::integrity("the file is not the one the manifest pins").fact("url", url).fact("actual size", size);
    let error = match digest {
        Some(digest) => error.fact("actual digest", digest),
        None => error,
    };
    error.hint("get the file that belongs to this manifest, or pin this one anew: pack lock manifest.json")
}

/// Which end of a copy failed.
pub(super) enum Poured {
    /// The bytes cannot be read.
    Read(io::Error),
    /// The disk refuses them.
    Write(Error),
}

/// Copies all of `reader`; `false` when there is more of it than the artifact may have.
pub(super) fn pour(mut reader: impl Read, partial: &mut Partial, meter: &dyn Meter) -> Result<bool, Poured> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Poured::Read(error)),
        };
        if !partial.append(&buffer[..n]).map_err(Poured::Write)? {
            return Ok(false);
        }
        meter.add(n as u64);
    }
}
