//! The checksum beside a bundle, `x.run.sha256`, and its signature: whether the whole file is its publisher's.

use std::borrow::Cow;
use std::path::PathBuf;

use super::next_step::checksum_beside;
use super::read::Bundle;
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result, printable};
use crate::progress::Progress;
use crate::signature::{EXTENSION, LIMIT, PublicKey};
use crate::small_file::read_if_there;

/// How many hexadecimal digits a SHA-256 digest has.
const DIGITS: usize = 64;

/// Whether the checksum beside the bundle is there, is signed by `key`, names this file, and is right. `false` where the
/// checksum or its signature is not there.
///
/// # Errors
/// One of them is there and cannot be read, or the checksum is not signed by `key`, names another file, or is another
/// file's.
pub(super) fn is_signed_as_a_whole(bundle: &Bundle, key: &PublicKey, progress: &dyn Progress) -> Result<bool> {
    let path = bundle.path();
    let sums = checksum_beside(path);
    let Some(line) = read_if_there(&sums, LIMIT)? else { return Ok(false) };
    let mut signature = sums.as_os_str().to_owned();
    signature.push(format!(".{EXTENSION}"));
    let signature = PathBuf::from(signature);
    let Some(signature) = read_if_there(&signature, LIMIT)? else { return Ok(false) };
    key.verify(&line, &String::from_utf8_lossy(&signature), &sums.display().to_string())?;
    let line = String::from_utf8_lossy(&line);
    let wrong = |expected: &str, actual: &str| {
        Error::integrity("the bundle is not the one whose checksum was signed")
            .fact("path", path.display())
            .fact("expected", expected)
            .fact("actual", actual)
            .hint("get the bundle, its .sha256 and its .minisig again, all three together and under their own names")
    };
    let Some((digest, name)) = read_line(&line) else {
        return Err(Error::integrity("what was signed as the bundle's checksum is none")
            .fact("path", sums.display())
            .fact("expected", "one line as sha256sum writes it")
            .fact("actual", printable(&line))
            .hint("ask the publisher for both again, as 'pack bundle --sign' writes them"));
    };
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    if name != own {
        return Err(wrong(&name, &own));
    }
    let length = bundle.length()?;
    let meter = progress.start("bundle", Some(length));
    let actual = bundle.stored(0, length, |count| meter.add(count)).doing("read the bundle", path)?;
    meter.done("read");
    let expected = format!("sha256:{digest}").parse().map(|digest| Descriptor { digest, size: length });
    match expected.map(|expected| actual.check(expected)) {
        Ok(Ok(())) => Ok(true),
        _ => Err(wrong(digest, &actual.digest.hex())),
    }
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
