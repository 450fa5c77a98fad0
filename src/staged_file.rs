//! A file that appears whole under its final name, or not at all.
//!
//! Bytes go to `.NAME.RANDOM.partial`, made new (`O_EXCL`) under a name that nobody can guess, and get the final name
//! only after they are on the disk. A lock on it tells other runs that it is being written; a run that was killed leaves
//! an unlocked one behind, which the next run removes.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, IoContext, Result};
use crate::own_file;
use crate::scratch::Scratch;

/// How the name of a staged file ends.
const ENDING: &str = ".partial";
/// The number of random letters and digits before that ending.
const RANDOM: usize = 12;
/// The longest part of the final name that a staged file's name repeats, in bytes: names end at 255.
const LONGEST_STEM: usize = 200;

/// A file being written, whose final name does not exist yet or still has its old content.
#[derive(Debug)]
pub struct StagedFile {
    file: File,
    path: Scratch,
    target: PathBuf,
}

impl StagedFile {
    /// Starts a file that will be called `target`, in the same folder.
    ///
    /// # Errors
    /// The folder cannot be written to, the name belongs to something other than a file, or another run is writing the
    /// same file.
    pub fn create(target: &Path) -> Result<Self> {
        if target.file_name().is_none() {
            return Err(Error::usage("the output has no file name")
                .fact("path", target.display())
                .hint("give the name of a file"));
        }
        if fs::metadata(target).is_ok_and(|there| !there.is_file()) {
            return Err(Error::usage("something other than a file has the output's name")
                .fact("path", target.display())
                .hint("give the name of a file"));
        }
        let folder = folder_of(target);
        let staged = Self::create_in(folder, target)?;
        // Looked for after ours is there, so that of two runs at least one sees the other.
        let stem = format!("{}.", stem(target));
        let other = |name: &str| name.starts_with(&stem) && staged.path.path().file_name() != Some(OsStr::new(name));
        match left_over(folder, other) {
            Ok(()) => Ok(staged),
            Err(StillWritten(path)) => Err(own_file::busy(&path)),
        }
    }

    /// Starts a file that will be called `target`, in `folder`, which is on the same file system.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn create_in(folder: &Path, target: &Path) -> Result<Self> {
        let prefix = format!("{}.", stem(target));
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(&prefix).suffix(ENDING).rand_bytes(RANDOM);
            let (file, path) = Scratch::making(|| {
                let made = builder.tempfile_in(folder).doing("create a file in", folder)?;
                made.keep().map_err(|error| Error::io("keep a file in", folder, error.error))
            })?;
            // The process that held the lock before us took the file for left over and removes it. A file system
            // without locks has nobody who does.
            if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && path.path().exists() {
                return Ok(StagedFile { file, path, target: target.to_owned() });
            }
        }
    }

    /// Where it lies until it gets its final name.
    pub fn path(&self) -> &Path {
        self.path.path()
    }

    /// The open file, to be written through.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the bytes on the disk, then under the final name with these permission bits.
    ///
    /// # Errors
    /// An I/O error; the final name then still has its old content.
    pub fn place(self, mode: u32) -> Result<()> {
        self.file.sync_all().doing("write", self.path.path())?;
        let target = self.target.clone();
        self.place_unsynced(mode)?;
        sync_folder_of(&target)
    }

    /// As [`StagedFile::place`], and a power cut may lose the bytes: for many files, which the caller syncs together or
    /// can make again.
    ///
    /// # Errors
    /// An I/O error; the final name then still has its old content.
    pub fn place_unsynced(self, mode: u32) -> Result<()> {
        self.place_open(mode).map(drop)
    }

    /// As [`StagedFile::place_unsynced`]; returns the open file, for a file that is written on under its final name.
    ///
    /// # Errors
    /// An I/O error; the final name then still has its old content.
    pub fn place_open(self, mode: u32) -> Result<File> {
        let path = self.path.path();
        self.file.set_permissions(Permissions::from_mode(mode)).doing("set the mode of", path)?;
        fs::rename(path, &self.target).doing("put in place", &self.target)?;
        self.path.keep();
        Ok(self.file)
    }

    /// Writes `bytes` as the whole content of `target`.
    ///
    /// # Errors
    /// As [`StagedFile::create`] and [`StagedFile::place`].
    pub fn write(target: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let mut staged = Self::create(target)?;
        staged.file.write_all(bytes).doing("write", target)?;
        staged.place(mode)
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether `name` is one that a staged file has: no artifact is called so.
pub fn is_staged(name: &str) -> bool {
    let random =
        name.strip_prefix('.').and_then(|name| name.strip_suffix(ENDING)).and_then(|name| name.rsplit_once('.'));
    random.is_some_and(|(_, random)| random.len() == RANDOM && random.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// Removes the staged files in `folder` that no run is writing any more. What cannot be listed or removed only takes up
/// room.
pub fn remove_left_over(folder: &Path) {
    // Another run's files stay, and are no obstacle.
    let _ = left_over(folder, |_| true);
}

/// A staged file that another run is writing.
struct StillWritten(PathBuf);

/// Removes the staged files in `folder` whose name `concerns` us and that no run is writing any more.
fn left_over(folder: &Path, concerns: impl Fn(&str) -> bool) -> Result<(), StillWritten> {
    let mut written = Ok(());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| is_staged(name) && concerns(name));
        if !ours {
            continue;
        }
        // What others put there under such a name is not ours to remove or to wait for.
        let Ok(file) = own_file::open(&entry.path()) else { continue };
        match file.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock) => written = Err(StillWritten(entry.path())),
            Err(TryLockError::Error(_)) => {}
        }
    }
    written
}

/// What the name of a staged file for `target` starts with.
fn stem(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let end = (0..=name.len().min(LONGEST_STEM)).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    format!(".{}", &name[..end])
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the folder's entry for `path` on the disk: a rename lasts through a power cut only after that.
///
/// # Errors
/// The folder cannot be opened or synced.
pub fn sync_folder_of(path: &Path) -> Result<()> {
    sync(folder_of(path))
}

/// Puts a folder on the disk, with all files below it: what [`StagedFile::place_unsynced`] left there lasts after that.
///
/// # Errors
/// Something cannot be read or synced.
pub fn sync_tree(folder: &Path) -> Result<()> {
    for entry in WalkDir::new(folder).contents_first(true) {
        let entry = entry.map_err(io::Error::from).doing("read", folder)?;
        if entry.file_type().is_file() || entry.file_type().is_dir() {
            sync(entry.path())?;
        }
    }
    Ok(())
}

fn sync(path: &Path) -> Result<()> {
    match File::open(path).and_then(|opened| opened.sync_all()) {
        // Some file systems cannot sync a folder; there is nothing more to be done on those.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.doing("write", path),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_old_content_stays_until_the_new_is_placed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("x");
        StagedFile::write(&target, b"old", 0o644).expect("written");
        let mut staged = StagedFile::create(&target).expect("started");
        staged.file().write_all(b"half").expect("written");
        assert!(StagedFile::create(&target).is_err(), "a second writer is refused");
        drop(staged);
        assert_eq!(fs::read(&target).expect("there"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1, "no partial is left");
    }

    #[test]
    fn only_left_over_files_of_our_own_are_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("x");
        let place = |name: &str| folder.path().join(name);
        fs::write(place(".x.abcdefABCDEF.partial"), "left").expect("written");
        fs::write(place(".xy.abcdefABCDEF.partial"), "another's").expect("written");
        fs::write(place("victim"), "precious").expect("written");
        std::os::unix::fs::symlink("victim", place(".x.000000000000.partial")).expect("linked");
        StagedFile::write(&target, b"new", 0o644).expect("written");
        assert!(!place(".x.abcdefABCDEF.partial").exists());
        assert!(place(".xy.abcdefABCDEF.partial").exists());
        assert_eq!(fs::read(place("victim")).expect("there"), b"precious");
        let long = folder.path().join("é".repeat(127));
        StagedFile::write(&long, b"new", 0o644).expect("the longest name has a staged one");
    }

    #[test]
    fn names_of_staged_files_are_recognised() {
        assert!(is_staged(".x.run.abcdefABC123.partial"));
        for other in [
            ".x.partial",
            "x.abcdefABC123.partial",
            ".x.abcdefABC12.partial",
            ".x.abcdef-BC123.partial",
            ".x.abcdefABC123",
        ] {
            assert!(!is_staged(other), "{other}");
        }
    }

    #[test]
    fn a_file_is_not_taken_for_left_over_while_it_is_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
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
                let staged = StagedFile::create_in(folder.path(), &folder.path().join("x")).expect("made");
                // Time for one who has it open to remove it.
                std::thread::yield_now();
                remove_left_over(folder.path());
                !staged.path.path().exists()
            });
            let lost = lost.count();
            over.store(true, Ordering::Relaxed);
            assert_eq!(lost, 0);
        });
    }
}
