//! Opening files in places that others can write to.
//!
//! A file that an earlier run left (a partial, a journal, a cache entry, a lock) is used only where it can be that run's:
//! reached without following a link, regular, under no other name, and our user's. Whatever else has the name is refused,
//! or [removed and made again](open_or_create), never written to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;

/// Options that follow no link and wait for nobody at the other end of a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

/// How many names a file may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    One,
    Several,
}

/// The open file, if it is a regular one of our user's with as many names.
fn checked(file: File, names: Names) -> io::Result<File> {
    let metadata = file.metadata()?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.is_file() && own && (names == Names::Several || metadata.nlink() == 1) {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a file that this user's pack made"))
    }
}

/// Opens the file of an earlier run for reading.
///
/// # Errors
/// There is none, or what has the name is a link, not regular, linked elsewhere too, or another user's.
pub fn open(path: &Path) -> io::Result<File> {
    checked(options().open(path)?, Names::One)
}

/// As [`open`], for a file that may have other names too: a read-only one that the cache shares with folders.
///
/// # Errors
/// There is none, or what has the name is a link, not regular, or another user's.
pub fn open_shared(path: &Path) -> io::Result<File> {
    checked(options().open(path)?, Names::Several)
}

/// Opens the file of an earlier run for reading and writing; where there is none, or something else has its name, makes a
/// new, empty one.
///
/// # Errors
/// What has the name cannot be removed, or the file cannot be made.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    match options().write(true).open(path).and_then(|file| checked(file, Names::One)) {
        Ok(file) => Ok(file),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                fs::remove_file(path)?;
            }
            create_new(path)
        }
    }
}

/// Makes a new, empty file; nothing may have its name.
///
/// # Errors
/// Something has the name, or the file cannot be made.
pub fn create_new(path: &Path) -> io::Result<File> {
    options().write(true).create_new(true).open(path)
}

/// Removes what has this name, if anything has; a link, and not what it leads to.
///
/// # Errors
/// It cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).doing("remove", path),
        _ => Ok(()),
    }
}

/// Opens `path`, a regular file or a new one, and takes the only lock on it.
///
/// # Errors
/// It cannot be opened, is not a regular file, or another process holds the lock or a share of it.
pub fn lock(path: &Path) -> Result<File> {
    lock_as(path, File::try_lock)
}

/// Opens `path` and takes a share of the lock on it: others may have one too, and nobody has it alone.
///
/// # Errors
/// It cannot be opened, is not a regular file, or another process holds the lock.
pub fn lock_shared(path: &Path) -> Result<File> {
    lock_as(path, File::try_lock_shared)
}

fn lock_as(path: &Path, take: fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
    loop {
        // Another user's lock serves too: nothing is ever written to it.
        let file = options().write(true).create(true).truncate(false).open(path).doing("create", path)?;
        let opened = file.metadata().doing("look at", path)?;
        if !opened.is_file() {
            return Err(Error::failed("something other than a file has the lock's name")
                .fact("path", path.display())
                .hint(format_args!("see what it is with: ls -l {}", shell_word(path))));
        }
        match take(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(path)),
            // A file system without locks (some network ones): one run at a time is then the user's care.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
        }
        // Between open and lock the other process may have renamed or removed what we opened.
        if fs::metadata(path).is_ok_and(|named| named.ino() == opened.ino() && named.dev() == opened.dev()) {
            return Ok(file);
        }
    }
}

/// The error when another run holds the lock on `path`.
pub fn busy(path: &Path) -> Error {
    Error::failed("another pack is working here")
        .fact("path", path.display())
        .hint("wait until it is done, then run the same command again")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_others_may_have_put_there_is_never_written_to() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = |name: &str| folder.path().join(name);
        fs::write(place("victim"), "precious").expect("written");
        symlink(place("victim"), place("link")).expect("linked");
        fs::hard_link(place("victim"), place("hard")).expect("linked");
        rustix::fs::mknodat(rustix::fs::CWD, place("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("made");
        for name in ["link", "hard", "pipe"] {
            assert!(open(&place(name)).is_err(), "{name}");
            assert_eq!(open_shared(&place(name)).is_ok(), name == "hard", "{name}");
            let mut file = open_or_create(&place(name)).expect("made again");
            file.write_all(b"ours").expect("written");
            assert!(open(&place(name)).is_ok(), "{name}");
        }
        assert_eq!(fs::read(place("victim")).expect("there"), b"precious");
        symlink(place("nowhere"), place("lock")).expect("linked");
        assert!(lock(&place("lock")).is_err() && !place("nowhere").exists());
    }

    #[test]
    fn what_an_earlier_run_left_is_used() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        open_or_create(&path).expect("made").write_all(b"kept").expect("written");
        open_or_create(&path).expect("opened");
        assert_eq!(fs::read(&path).expect("there"), b"kept");
        assert!(create_new(&path).is_err());
    }
}
