//! Where a bundle's files go when they are given back: into a folder, or nowhere when they are only proven.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::path::RelPath;
use crate::staged_file::{StagedFile, remove_left_over};

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

/// Below a folder.
pub(super) struct Below<'a> {
    root: &'a Path,
    /// Where files lie until they are complete, on the same file system.
    partials: PathBuf,
}

impl<'a> Below<'a> {
    /// Below `root`; files lie in `partials` until they are complete. Removes what runs that were killed left.
    pub(super) fn new(root: &'a Path, partials: PathBuf) -> Self {
        remove_left_over(root);
        if partials != root {
            remove_left_over(&partials);
        }
        Below { root, partials }
    }
}

impl Target for Below<'_> {
    fn begin(&self, path: &RelPath, mode: u32) -> Result<Box<dyn Placing>> {
        let target = path.below(self.root);
        if target.is_dir() {
            return Err(Error::failed("a folder is where a file should be")
                .fact("path", target.display())
                .hint("extract into an empty folder"));
        }
        let parent = target.parent().unwrap_or(self.root);
        fs::create_dir_all(parent).doing("create the folder", parent)?;
        fs::create_dir_all(&self.partials).doing("create the folder", &self.partials)?;
        let staged = StagedFile::create_in(&self.partials, &target)?;
        Ok(Box::new(InFolder { staged, mode }))
    }
}

struct InFolder {
    staged: StagedFile,
    mode: u32,
}

impl Write for InFolder {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.staged.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.staged.flush()
    }
}

impl Placing for InFolder {
    fn place(self: Box<Self>) -> Result<()> {
        self.staged.place_unsynced(self.mode)
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
