//! The checksum beside a bundle, `FILE.run.sha256`, and its signature: whether the whole file is its publisher's.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::read::Bundle;
use crate::digest::BoundedReader;
use crate::error::{Error, IoContext, Result};
use crate::progress::Progress;
use crate::signature::{EXTENSION, LIMIT, PublicKey};

/// Whether the checksum beside the bundle is there, is signed by `key`, names this file, and is right. `false` where the
/// checksum or its signature is not there.
///
/// # Errors
/// One of them is there and cannot be read, or the checksum is not signed by `key`, names another file, or is another
/// file's.
pub(super) fn is_signed_as_a_whole(bundle: &Bundle, key: &PublicKey, progress: &dyn Progress) -> Result<bool> {
    let path = bundle.path();
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let sums = beside(".sha256");
    let Some(line) = small_file(&sums)? else { return Ok(false) };
    let Some(signature) = small_file(&beside(&format!(".sha256.{EXTENSION}")))? else { return Ok(false) };
    key.verify(line.as_bytes(), &signature, &sums.display().to_string())?;
    let wrong = |expected: &str, actual: &str| {
        Error::integrity("the bundle is not the one whose checksum was signed")
            .fact("path", path.display())
            .fact("expected", expected)
            .fact("actual", actual)
            .hint("get the bundle, its .sha256 and its .minisig again, all three together and under their own names")
    };
    let (digest, name) = line.trim_end_matches('\n').split_once("  ").unwrap_or((&line, ""));
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    if name != own {
        return Err(wrong(name, &own));
    }
    let length = bundle.length()?;
    let meter = progress.start("bundle", Some(length));
    let actual = bundle.stored(0, length, |count| meter.add(count)).doing("read the bundle", path)?;
    meter.done("read");
    if actual.digest.hex() == digest { Ok(true) } else { Err(wrong(digest, &actual.digest.hex())) }
}

/// Reads a text of at most [`LIMIT`] bytes; `None` where there is no such file.
fn small_file(path: &Path) -> Result<Option<String>> {
    // Opening a pipe must not wait for somebody who writes into it.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.doing("open", path)?,
    };
    if !file.metadata().doing("look at", path)?.is_file() {
        return Err(Error::failed("not a regular file")
            .fact("path", path.display())
            .hint("move it away, or put the right file there"));
    }
    let mut bytes = Vec::new();
    BoundedReader::new(file, LIMIT).read_to_end(&mut bytes).doing("read", path)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
