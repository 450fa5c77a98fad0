//! Reading files that others may have put there: small, regular, and never waited for.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::digest::BoundedReader;
use crate::error::{Error, IoContext, Result};

/// Opens a file for reading. A pipe is opened at once, also when nothing writes into it.
///
/// # Errors
/// What the system fails with.
pub fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// Opens a regular file for reading, of any size.
///
/// # Errors
/// It is something else, such as a pipe or a folder, or what the system fails with.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(Errno::ISDIR.into()),
        () => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device, not a file")),
    }
}

/// Opens a file that somebody named for reading. It may be a pipe, as `<(command)` makes one, and is then read to its end;
/// a pipe that nobody has opened for writing is empty.
///
/// # Errors
/// What the system fails with.
pub fn open_or_pipe(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Reads a file of at most `limit` bytes; `None` where there is no such file.
///
/// # Errors
/// It is not a regular file, is larger, or cannot be read.
pub fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.doing("open", path)?,
    };
    if !file.metadata().doing("look at", path)?.is_file() {
        return Err(Error::failed("this is not a regular file")
            .fact("path", path.display())
            .hint("move it away, or put the right file there"));
    }
    let mut bytes = Vec::new();
    match BoundedReader::new(file, limit).read_to_end(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(Error::failed("this file is larger than it can be")
                .fact("path", path.display())
                .fact("limit", format_args!("{limit} bytes"))
                .hint("move it away, or put the right file there"))
        }
        other => other.doing("read", path).map(|_| Some(bytes)),
    }
}

/// Reads a file of text of at most `limit` bytes.
///
/// # Errors
/// It is not there, not a regular file, larger, not UTF-8, or cannot be read.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    let bytes = read_if_there(path, limit)?.ok_or(io::ErrorKind::NotFound);
    let text = bytes.map_err(io::Error::from).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause.utf8_error()))
    });
    text.doing("read", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_small_regular_file_is_read_and_none_is_waited_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        assert_eq!(read_if_there(&path, 3).expect("not there"), None);
        std::fs::write(&path, "abc").expect("written");
        assert_eq!(read_if_there(&path, 3).expect("read").as_deref(), Some(&b"abc"[..]));
        assert_eq!(read_if_there(&path, 2).expect_err("larger").title(), "this file is larger than it can be");
        assert!(read_text(&path, 3).is_ok_and(|text| text == "abc") && read_text(&path, 2).is_err());
        assert!(open_regular(&path).is_ok());
        assert!(read_if_there(folder.path(), 3).is_err(), "a folder");
        assert!(open_regular(folder.path()).is_err_and(|error| error.kind() == io::ErrorKind::IsADirectory));
        std::fs::remove_file(&path).expect("removed");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success() && read_if_there(&path, 3).is_err(), "a pipe");
        assert!(open_regular(&path).is_err(), "a pipe");
        // Nobody has it open for writing, and nobody is waited for.
        let mut text = String::new();
        open_or_pipe(&path).and_then(|mut pipe| io::Read::read_to_string(&mut pipe, &mut text)).expect("read");
        assert_eq!(text, "");
        // Somebody has: what comes is waited for.
        let mut writer = File::options().read(true).write(true).open(&path).expect("opened");
        let mut reader = open_or_pipe(&path).expect("opened");
        let late = std::thread::spawn(move || {
            io::Write::write_all(&mut writer, b"late").expect("written");
            writer
        });
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).expect("read");
        assert_eq!((&bytes, late.join().is_ok()), (b"late", true));
        assert!(read_if_there(Path::new("/dev/zero"), 3).is_err(), "a device");
        assert!(open_regular(Path::new("/dev/zero")).is_err(), "a device");
        assert!(read_text(&folder.path().join("none"), 3).is_err(), "nothing");
    }
}
