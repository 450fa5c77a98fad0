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

/// How often a file that another run makes at the same time is looked at.
const AGAIN: usize = 16;

/// How many names a file may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    One,
    Several,
}

/// The open file, if it is a regular one of our user's with as many names.
fn checked(file: File, names: Names) -> io::Result<File> {
    let us = rustix::process::geteuid().as_raw();
    checked_of(file, names, |owner| owner == us)
}

fn checked_of(file: File, names: Names, is_taken: impl FnOnce(u32) -> bool) -> io::Result<File> {
    let metadata = file.metadata()?;
    if metadata.is_file() && is_taken(metadata.uid()) && (names == Names::Several || metadata.nlink() == 1) {
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
    let open = || options().write(true).open(path).and_then(|file| checked(file, Names::One));
    or_create(open, path, 0o600)
}

/// As [`open_or_create`], on a medium: FAT and exFAT have no owners, and say of every file that it is one user's, who need
/// not be ours. So what the folder's owner has is taken too; who could plant that can do as he likes there anyway.
///
/// # Errors
/// What has the name cannot be removed, or the file cannot be made.
pub fn open_or_create_on_medium(path: &Path) -> io::Result<File> {
    let us = rustix::process::geteuid().as_raw();
    let open = || {
        let file = options().write(true).open(path)?;
        let folder = fs::metadata(path.parent().unwrap_or(Path::new("/")))?.uid();
        checked_of(file, Names::One, |owner| owner == us || owner == folder)
    };
    or_create(open, path, 0o644)
}

/// What `open` opens, or a new file in the place of what it does not take. Another run may make the file in between: then it
/// is that run's, and is looked at again.
fn or_create(open: impl Fn() -> io::Result<File>, path: &Path, mode: u32) -> io::Result<File> {
    for _ in 0..AGAIN {
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => fs::remove_file(path)?,
            opened => return opened,
        }
        match options().write(true).create_new(true).mode(mode).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
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

/// Makes what is missing of the folders `below`, one in the other, in the folder `root`, which is there.
///
/// Each is then a folder that is reached without following a link, and where everybody can write to the one it lies in, it is
/// our user's or that of `root`'s owner: nobody else can exchange it, or what is put into it.
///
/// # Errors
/// One is a link, no folder, or another user's, or cannot be made.
pub fn make_folders(root: &Path, below: &Path) -> Result<()> {
    let mut above = fs::metadata(root).doing("look at", root)?;
    let trusted = [rustix::process::geteuid().as_raw(), above.uid()];
    let mut path = root.to_owned();
    for part in below.components() {
        path.push(part);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).doing("create the folder", &path);
            }
            _ => {}
        }
        let found = fs::symlink_metadata(&path).doing("look at", &path)?;
        if found.is_symlink() {
            let leads_to = fs::read_link(&path).doing("look at", &path)?;
            return Err(Error::failed("a link lies where a folder belongs, and is not followed")
                .fact("path", path.display())
                .fact("leads to", leads_to.display())
                .hint(format_args!("see who made it with 'ls -l', then remove it: rm {}", shell_word(&path))));
        }
        if !found.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory)).doing("create the folder", &path);
        }
        if above.mode() & 0o002 != 0 && !trusted.contains(&found.uid()) {
            return Err(Error::failed("a folder belongs to another user, who could exchange what is put into it")
                .fact("path", path.display())
                .fact("user", found.uid())
                .hint(format_args!("look what is in it, then move it away: mv {0} {0}.theirs", shell_word(&path))));
        }
        above = found;
    }
    Ok(())
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
    fn of_several_that_make_a_file_at_once_each_has_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for round in 0..200 {
            let path = folder.path().join(round.to_string());
            let inode = || open_or_create(&path).and_then(|file| file.metadata()).expect("made, or there").ino();
            std::thread::scope(|scope| {
                let others: Vec<_> = (0..4).map(|_| scope.spawn(inode)).collect();
                let own = inode();
                others.into_iter().for_each(|other| assert_eq!(other.join().expect("no panic"), own));
            });
        }
    }

    #[test]
    fn a_folder_that_others_may_have_put_there_is_not_entered() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let (root, theirs) = (place.path().join("root"), place.path().join("theirs"));
        fs::create_dir(&root).and_then(|()| fs::create_dir(&theirs)).expect("made");
        for _ in 0..2 {
            make_folders(&root, Path::new("a/b")).expect("made, and there");
            assert!(root.join("a/b").is_dir());
        }
        symlink(&theirs, root.join("link")).expect("a link");
        symlink(&theirs, root.join("a/link")).expect("a link");
        symlink(root.join("nothing"), root.join("dangling")).expect("a link");
        fs::write(root.join("file"), "").expect("written");
        for below in ["link", "link/b", "a/link/b", "dangling", "dangling/b", "file", "file/b"] {
            let error = make_folders(&root, Path::new(below)).expect_err(below);
            assert!(error.hint_text().is_some(), "{below}: {error}");
        }
        assert_eq!(fs::read_dir(&theirs).expect("there").count(), 0);
        assert!(!root.join("nothing").exists());
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let give = |path: &Path, user: u32, mode: u32| {
            std::os::unix::fs::chown(path, Some(user), None).expect("root may");
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("root may");
        };
        // Only the owner of `root` could have put it there, and who owns `root` owns what is in it.
        give(&root.join("a"), 4_711, 0o755);
        make_folders(&root, Path::new("a/b")).expect("nobody else writes into the root");
        give(&root, 0, 0o1777);
        assert!(make_folders(&root, Path::new("a/b")).is_err());
        give(&root, 0, 0o775);
        make_folders(&root, Path::new("a/b")).expect("a group works together");
        give(&root, 4_711, 0o1777);
        make_folders(&root, Path::new("a/b")).expect("the owner of the root is trusted with it");
        give(&root.join("a"), 4_711, 0o777);
        give(&root.join("a/b"), 4_712, 0o755);
        assert!(make_folders(&root, Path::new("a/b")).is_err());
        assert!(make_folders(&root, Path::new("a/b/c")).is_err());
        assert!(!root.join("a/b/c").exists());
    }

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
