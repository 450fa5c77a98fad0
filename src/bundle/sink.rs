//! The folder that extracted files go into: each gets its final name when it is complete.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::own_file;
use crate::path::RelPath;
use crate::staged_file::{StagedFile, remove_left_over};

/// A folder.
pub(super) struct DirSink<'a> {
    root: &'a Path,
    /// Where files lie until they are complete, on the same file system.
    partials: PathBuf,
}

impl<'a> DirSink<'a> {
    /// Writes files below `root`; they lie in `partials` until they are complete. Both are there. Removes what killed
    /// runs left in them.
    pub(super) fn new(root: &'a Path, partials: PathBuf) -> Self {
        remove_left_over(root);
        if partials != root {
            remove_left_over(&partials);
        }
        DirSink { root, partials }
    }
}

impl DirSink<'_> {
    /// The folder.
    pub(super) fn root(&self) -> &Path {
        self.root
    }

    /// Opens a new file for `path`, with these permission bits.
    pub(super) fn begin(&self, path: &RelPath, mode: u32) -> Result<PendingFile> {
        let target = path.below(self.root);
        if target.is_dir() {
            return Err(Error::failed("a folder is where a file should be")
                .fact("path", target.display())
                .hint("extract into an empty folder"));
        }
        // Never `root` itself: an interruption may have removed it, and then nothing is to come back.
        own_file::make_folders(self.root, Path::new(path.as_str()).parent().unwrap_or(Path::new("")))?;
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
