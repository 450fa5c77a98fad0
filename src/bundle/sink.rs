//! The folder that extracted files go into: each gets its final name when it is complete.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::path::RelPath;
use crate::staged_file::{StagedFile, remove_left_over};

/// A folder.
pub(super) struct DirSink<'a> {
    root: &'a Path,
    /// Where files lie until they are complete, on the same file system.
    partials: PathBuf,
}

impl<'a> DirSink<'a> {
    /// Writes files below `root`; they lie in `partials` until they are complete. Removes what killed runs left there.
    pub(super) fn new(root: &'a Path, partials: PathBuf) -> Self {
        remove_left_over(root);
        if partials != root {
            remove_left_over(&partials);
        }
        DirSink { root, partials }
    }
}

impl DirSink<'_> {
    /// Opens a new file for `path`, with these permission bits.
    pub(super) fn begin(&self, path: &RelPath, mode: u32) -> Result<PendingFile> {
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
        Ok(PendingFile { staged, mode })
    }
}

/// A file without its final name. Dropped, it is removed.
pub(super) struct PendingFile {
    staged: StagedFile,
    mode: u32,
}

impl Write for PendingFile {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.staged.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.staged.flush()
    }
}

impl PendingFile {
    /// Gives the file its final name; its bytes must have been compared with their digest.
    pub(super) fn place(self) -> Result<()> {
        self.staged.place_unsynced(self.mode)
    }
}
