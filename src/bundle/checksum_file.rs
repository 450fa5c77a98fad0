//! The checksum beside a bundle, `x.run.sha256`, and its signature: whether the whole file is its publisher's.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::next_step::checksum_beside;
use super::parts::Parts;
use super::read::Bundle;
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, IoContext, Result, printable};
use crate::progress::Progress;
use crate::signature::{EXTENSION, LIMIT, PublicKey};
use crate::small_file::read_if_there;

/// How many hexadecimal digits a SHA-256 digest has.
const DIGITS: usize = 64;

/// How the name of the checksum of a bundle in one file ends, beside the volumes that it was divided into.
const OF_THE_WHOLE: &str = ".whole.sha256";

/// Whether the checksum beside the bundle is there, is signed by `key`, names this file, and is right. `false` where the
/// checksum or its signature is not there.
///
/// Of a bundle in volumes either is enough: the checksums of all its files, whose first one covers the digests of all the
/// rest; or that of the bundle in one file.
///
/// # Errors
/// One of them is there and cannot be read, or the checksum is not signed by `key`, names another file, or is another
/// file's.
pub(super) fn is_signed_as_a_whole(bundle: &Bundle, key: &PublicKey, progress: &dyn Progress) -> Result<bool> {
    let path = bundle.path();
    let sums = checksum_beside(path);
    let whole = &bundle.file.parts;
    let main = bundle.in_volumes.as_ref().map_or(whole, |in_volumes| &in_volumes.main);
    if is_signed(bundle, main, &sums, key, progress)? {
        return Ok(true);
    }
    if bundle.in_volumes.is_none() {
        return Ok(false);
    }
    is_signed(bundle, whole, &checksum_of_the_whole(path), key, progress)
}

/// Whether the file `sums` is there, is signed by `key`, and has the bundle's name and the digest of `parts` in its first
/// line.
fn is_signed(bundle: &Bundle, parts: &Parts, sums: &Path, key: &PublicKey, progress: &dyn Progress) -> Result<bool> {
    let path = bundle.path();
    let Some(text) = read_if_there(sums, LIMIT)? else { return Ok(false) };
    let mut signature = sums.as_os_str().to_owned();
    signature.push(format!(".{EXTENSION}"));
    let signature = PathBuf::from(signature);
    let Some(signature) = read_if_there(&signature, LIMIT)? else { return Ok(false) };
    key.verify(&text, &String::from_utf8_lossy(&signature), &sums.display().to_string())?;
    let text = String::from_utf8_lossy(&text);
    let wrong = |expected: &str, actual: &str| {
        Error::integrity("the bundle is not the one whose checksum was signed")
            .fact("path", path.display())
            .fact("expected", expected)
            .fact("actual", actual)
            .hint("get the bundle, its .sha256 and its .minisig again, all three together and under their own names")
    };
    // The lines of volumes follow; what they say stands in the table too, which the first line covers.
    let first = match &bundle.in_volumes {
        Some(_) => text.lines().next().unwrap_or_default(),
        None => text.as_ref(),
    };
    let Some((digest, name)) = read_line(first) else {
        return Err(Error::integrity("what was signed as the bundle's checksum is none")
            .fact("path", sums.display())
            .fact("expected", "one line as sha256sum writes it")
            .fact("actual", printable(&text))
            .hint("ask the publisher for both again, as 'pack bundle --sign' writes them"));
    };
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    if name != own {
        return Err(wrong(&name, &own));
    }
    let meter = progress.start("bundle", Some(parts.length()));
    let section = parts.section(0, parts.length());
    let actual = Descriptor::of_reader_watched(section, |count| meter.add(count)).doing("read the bundle", path)?;
    meter.done("read");
    if actual.digest.hex() == digest { Ok(true) } else { Err(wrong(digest, &actual.digest.hex())) }
}

/// The line that `sha256sum` writes, with the name as it is, whether or not it is text.
pub fn checksum_line(digest: &Digest, name: &OsStr) -> Vec<u8> {
    [digest.hex().as_bytes(), b"  ", name.as_encoded_bytes(), b"\n"].concat()
}

/// The checksum of the bundle in one file, beside the volumes of the bundle at `path`.
pub fn checksum_of_the_whole(path: &Path) -> PathBuf {
    let mut sums = path.as_os_str().to_owned();
    sums.push(OF_THE_WHOLE);
    sums.into()
}

/// The digest and the name in the one line that `sha256sum` has written, of a file read as text or with `--binary`. A backslash
/// in front says that in the name a backslash, a line feed and a carriage return are written as two letters.
fn read_line(text: &str) -> Option<(&str, Cow<'_, str>)> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let (is_escaped, line) = line.strip_prefix('\\').map_or((false, line), |line| (true, line));
    let (digest, name) = line.split_at_checked(DIGITS)?;
    let name = name.strip_prefix("  ").or_else(|| name.strip_prefix(" *"))?;
    if name.is_empty() || name.contains('\n') {
        return None;
    }
    Some((digest, if is_escaped { unescaped(name)?.into() } else { name.into() }))
}

/// A name without the escapes of `sha256sum`; `None` where one is none of its.
fn unescaped(name: &str) -> Option<String> {
    let mut letters = name.chars();
    let mut plain = String::new();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}
