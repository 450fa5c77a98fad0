//! Where extracted files go: into a folder, or nowhere when they are only proved.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::manifest::EXTRACTING;
use crate::path::RelPath;
use crate::scratch::Scratch;

/// Takes files.
pub(super) trait Sink {
    /// Opens a new file for `path`, with these permission bits.
    fn begin(&self, path: &RelPath, mode: u32) -> Result<Box<dyn PendingFile>>;
}

/// A file without its final name.
pub(super) trait PendingFile: Write {
    /// Gives the file its final name; its bytes must have been compared with their digest.
    fn place(self: Box<Self>) -> Result<()>;
}

/// The number of random characters in the name of a file that has no final name yet.
const RANDOM: usize = 12;

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

    /// A new file that nobody else has open or could have put there (O_EXCL), whatever else runs here. Its lock
    /// says that a run is still writing it.
    fn partial(&self) -> Result<(File, Scratch)> {
        let folder = &self.partials;
        fs::create_dir_all(folder).doing("create the folder", folder)?;
        let [begin, end] = EXTRACTING;
        loop {
            let made = tempfile::Builder::new().prefix(begin).suffix(end).rand_bytes(RANDOM).tempfile_in(folder);
            let made = made.doing("create a file in", folder)?;
            let (file, path) = made.keep().map_err(|error| Error::io("keep a file in", folder, error.error))?;
            let partial = Scratch::new(path);
            // Without the lock, another run takes this file for left over and removes it, now or before we had the lock.
            // A file system without locks has no such run.
            if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && partial.path().exists() {
                return Ok((file, partial));
            }
        }
    }
}

/// Removes the files of [`DirSink::partial`] in `folder` that no run is writing.
fn remove_left_over(folder: &Path) {
    let [begin, end] = EXTRACTING;
    // What cannot be listed or removed does no harm except that it takes up room.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(begin)?.strip_suffix(end));
        let ours = random.is_some_and(|rest| rest.len() == RANDOM && rest.chars().all(|c| c.is_ascii_alphanumeric()));
        // Neither a link's target nor a pipe is opened.
        if ours
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Sink for DirSink<'_> {
    fn begin(&self, path: &RelPath, mode: u32) -> Result<Box<dyn PendingFile>> {
        let target = path.below(self.root);
        if target.is_dir() {
            return Err(Error::failed("a folder is where a file should be")
                .fact("path", target.display())
                .hint("extract into an empty folder"));
        }
        let parent = target.parent().unwrap_or(self.root);
        fs::create_dir_all(parent).doing("create the folder", parent)?;
        let (file, partial) = self.partial()?;
        Ok(Box::new(InFolder { file, partial, target, mode }))
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

impl PendingFile for InFolder {
    fn place(self: Box<Self>) -> Result<()> {
        let partial = self.partial.path();
        self.file.set_permissions(Permissions::from_mode(self.mode)).doing("set the mode of", partial)?;
        fs::rename(partial, &self.target).doing("put in place", &self.target)?;
        self.partial.keep();
        Ok(())
    }
}

/// Takes files and keeps nothing.
pub(super) struct NullSink;

impl Sink for NullSink {
    fn begin(&self, _path: &RelPath, _mode: u32) -> Result<Box<dyn PendingFile>> {
        Ok(Box::new(NullSink))
    }
}

impl Write for NullSink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PendingFile for NullSink {
    fn place(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_file_is_not_taken_for_left_over_while_it_is_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let below = DirSink::new(folder.path(), folder.path().to_owned());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        remove_left_over(folder.path());
                    }
                });
            }
            let lost = (0..5_000).filter(|_| {
                let (_file, partial) = below.partial().expect("made");
                // Time for one who has it open to remove it.
                std::thread::yield_now();
                remove_left_over(folder.path());
                !partial.path().exists()
            });
            let lost = lost.count();
            over.store(true, Ordering::Relaxed);
            assert_eq!(lost, 0);
        });
    }
}
