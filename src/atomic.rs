//! A file that appears whole under its final name, or not at all.
//!
//! Bytes go to `.NAME.partial` beside it, locked so that two runs do not tread on each other, and get
//! the final name only after they are on the disk. A run that was killed leaves that partial behind; the
//! next one starts it over.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::scratch::Scratch;

/// A file being written whose final name does not exist, or still has its old content.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    partial: Scratch,
    target: PathBuf,
}

impl WholeFile {
    /// Begins a file that will be called `target`.
    ///
    /// # Errors
    /// The folder cannot be written to, or another process is writing the same file.
    pub fn create(target: &Path) -> Result<Self> {
        let name = target.file_name().ok_or_else(|| {
            Error::usage("the output has no file name").fact("path", target.display()).hint("give the name of a file")
        })?;
        if fs::metadata(target).is_ok_and(|there| !there.is_file()) {
            return Err(Error::usage("something that is no file has the output's name")
                .fact("path", target.display())
                .hint("give the name of a file"));
        }
        let partial = target.with_file_name(format!(".{}.partial", name.to_string_lossy()));
        let file = lock(&partial)?;
        let partial = Scratch::new(partial);
        // What is written may be a secret, and it may be a stranger's file of that name that was opened.
        file.set_permissions(fs::Permissions::from_mode(0o600)).doing("set the mode of", partial.path())?;
        file.set_len(0).doing("write", partial.path())?;
        Ok(WholeFile { file, partial, target: target.to_owned() })
    }

    /// The open file, to be written through.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the bytes on the disk, then under the final name with these permission bits.
    ///
    /// # Errors
    /// The disk refuses; the final name then still has its old content.
    pub fn place(self, mode: u32) -> Result<()> {
        let partial = self.partial.path();
        self.file.set_permissions(fs::Permissions::from_mode(mode)).doing("set the mode of", partial)?;
        self.file.sync_all().doing("write", partial)?;
        fs::rename(partial, &self.target).doing("put in place", &self.target)?;
        self.partial.keep();
        sync_folder_of(&self.target)
    }

    /// Writes `bytes` as the whole content of `target`.
    ///
    /// # Errors
    /// As [`WholeFile::create`] and [`WholeFile::place`].
    pub fn write(target: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let mut whole = Self::create(target)?;
        whole.file.write_all(bytes).doing("write", target)?;
        whole.place(mode)
    }
}

/// Puts the folder's entry for `path` on the disk: a rename lasts through a power cut only after that.
///
/// # Errors
/// The folder cannot be opened or the disk refuses.
pub fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot sync a folder; there is nothing more to be done on those.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.doing("write", folder),
    }
}

/// Opens `path` and holds the only lock on it.
///
/// # Errors
/// It cannot be opened, or another process holds the lock or a share of it.
pub fn lock(path: &Path) -> Result<File> {
    lock_as(path, File::try_lock)
}

/// Opens `path` and holds a share of the lock on it: others may have one too, and nobody has it all.
///
/// # Errors
/// It cannot be opened, or another process holds the lock.
pub fn lock_shared(path: &Path) -> Result<File> {
    lock_as(path, File::try_lock_shared)
}

fn lock_as(path: &Path, take: fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .doing("create", path)?;
        match take(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::failed("another pack is working here")
                    .fact("path", path.display())
                    .hint("wait until it is done, then run the same command again"));
            }
            // A file system without locks (some network ones): one run at a time is then the user's care.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
        }
        // Between open and lock the other process may have renamed or removed what we opened.
        let opened = file.metadata().doing("look at", path)?;
        if fs::metadata(path).is_ok_and(|named| named.ino() == opened.ino() && named.dev() == opened.dev()) {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_content_stays_until_the_new_is_placed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("x");
        WholeFile::write(&target, b"old", 0o644).expect("written");
        let mut whole = WholeFile::create(&target).expect("begun");
        whole.file().write_all(b"half").expect("written");
        assert!(WholeFile::create(&target).is_err(), "a second writer is refused");
        drop(whole);
        assert_eq!(fs::read(&target).expect("there"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1, "no partial is left");
    }
}
