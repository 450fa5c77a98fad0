//! Reading files that others may have put there: small, regular, and never waited for.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::digest::BoundedReader;
use crate::error::{Error, IoContext, Result};

/// Opens a file for reading. A pipe is opened at once, also when nothing writes into it.
///
/// # Errors
/// What the system fails with.
pub fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
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
        assert!(read_if_there(folder.path(), 3).is_err(), "a folder");
        std::fs::remove_file(&path).expect("removed");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success() && read_if_there(&path, 3).is_err(), "a pipe");
        assert!(read_if_there(Path::new("/dev/zero"), 3).is_err(), "a device");
    }
}
