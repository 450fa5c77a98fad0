//! Where a bundle's files go when they are given back: into a folder, or nowhere when they are only proven.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::path::RelPath;
use crate::scratch::Scratch;

/// Takes files.
pub(super) trait Target {
    /// Begins the file at `path`, with these permission bits.
    fn begin(&self, path: &RelPath, mode: u32) -> Result<Box<dyn Placing>>;
}

/// A file that has not its final name yet.
pub(super) trait Placing: Write {
    /// Its bytes are right: gives it its final name.
    fn place(self: Box<Self>) -> Result<()>;
}

/// Below this folder.
pub(super) struct Below<'a>(pub(super) &'a Path);

impl Target for Below<'_> {
    fn begin(&self, path: &RelPath, mode: u32) -> Result<Box<dyn Placing>> {
        let target = path.below(self.0);
        if target.is_dir() {
            return Err(Error::failed("a folder is where a file should be")
                .fact("path", target.display())
                .hint("extract into an empty folder"));
        }
        let parent = target.parent().unwrap_or(self.0);
        fs::create_dir_all(parent).doing("create the folder", parent)?;
        // A new file that nobody else has open or could have put there (O_EXCL), whatever else runs here.
        let made = tempfile::Builder::new().prefix(".pack-").tempfile_in(parent).doing("create a file in", parent)?;
        let (file, path) = made.keep().map_err(|error| Error::io("keep a file in", parent, error.error))?;
        Ok(Box::new(InFolder { file, partial: Scratch::new(path), target, mode }))
    }
}

struct InFolder {
    file: File,
    partial: Scratch,
    target: PathBuf,
    mode: u32,
}

impl Write for InFolder {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.file.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Placing for InFolder {
    fn place(self: Box<Self>) -> Result<()> {
        let partial = self.partial.path();
        self.file.set_permissions(Permissions::from_mode(self.mode)).doing("set the mode of", partial)?;
        fs::rename(partial, &self.target).doing("put in place", &self.target)?;
        self.partial.keep();
        Ok(())
    }
}

/// Nowhere: the bytes are only looked at.
pub(super) struct Nowhere;

impl Target for Nowhere {
    fn begin(&self, _path: &RelPath, _mode: u32) -> Result<Box<dyn Placing>> {
        Ok(Box::new(Nowhere))
    }
}

impl Write for Nowhere {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Placing for Nowhere {
    fn place(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
