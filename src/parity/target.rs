//! The damaged file while it is repaired: only what differs is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::sectors::read_at;
use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;

/// A file that is repaired in place. Killed in the middle, it has some of its damage left, and is repaired again.
#[derive(Debug)]
pub struct Target {
    file: File,
    path: PathBuf,
    written: u64,
}

impl Target {
    /// Opens a file to be repaired.
    ///
    /// # Errors
    /// It is not a regular file, or cannot be written to.
    pub fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = options.open(path).map_err(|cause| {
            let read_only = cause.kind() == io::ErrorKind::ReadOnlyFilesystem;
            let error = Error::io("open for repair", path, cause);
            let copy = path.file_name().map(Path::new).unwrap_or(path);
            if read_only {
                error.hint(format_args!(
                    "the medium is read-only: copy it to a disk and repair that: cp {} ./{}",
                    shell_word(path),
                    shell_word(copy)
                ))
            } else {
                error
            }
        })?;
        if !file.metadata().doing("look at", path)?.is_file() {
            return Err(Error::failed("only a regular file can be repaired")
                .fact("path", path.display())
                .hint("name a file that 'pack bundle' made"));
        }
        Ok(Target { file, path: path.to_owned(), written: 0 })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file's length in bytes.
    ///
    /// # Errors
    /// The system will not say.
    pub fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().doing("look at", &self.path)?.len())
    }

    /// How many bytes were written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes `bytes` at `offset`, unless they are there.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut there = vec![0; bytes.len()];
        if read_at(&self.file, &mut there, offset) && there == bytes {
            return Ok(());
        }
        self.file.write_all_at(bytes, offset).doing("write", &self.path)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its right length, and puts everything on the disk.
    ///
    /// # Errors
    /// An I/O error.
    pub fn finish(&self, length: u64) -> Result<()> {
        if self.length()? != length {
            self.file.set_len(length).doing("write", &self.path)?;
        }
        self.file.sync_all().doing("write", &self.path)
    }
}
