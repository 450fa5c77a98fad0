//! The way back: an original file from its recipe and the blobs.

use std::io::{self, Read, Write};
use std::path::Path;

use super::blobs::BlobSource;
use super::gzip_write;
use super::recipe::{Part, Recipe};
use crate::digest::{Mismatch, VerifyingWriter};
use crate::error::{Error, Result};
use crate::workers;

/// Writes the original file of `recipe` to `out`, on all cores unless the recipe is large. `artifact` is named in errors.
///
/// # Errors
/// A blob cannot be read, `out` fails, or the recipe does not make the original. No byte beyond the original's size is
/// written; other bytes are found at the end, so `out` must not be used before this returns.
pub fn rebuild(artifact: &str, recipe: &Recipe, blobs: &dyn BlobSource, out: &mut dyn Write) -> Result<()> {
    let mut out = VerifyingWriter::new(out, recipe.original);
    let cores = gzip_write::cores_beside(recipe.memory());
    write_parts(cores, artifact, &recipe.parts, blobs, &mut out)?;
    out.finish().map(drop).map_err(|mismatch| not_the_original(artifact, mismatch))
}

fn not_the_original(artifact: &str, mismatch: Mismatch) -> Error {
    Error::integrity("the rebuilt file is not the original").fact("artifact", artifact).fact("reason", mismatch)
}

/// Writes what the original file of `recipe` holds, without the gzip around it where there is any: the parts of its
/// content, which need no compressing. No digest of the whole is known; every blob has its own. `artifact` is named in
/// errors.
///
/// # Errors
/// A blob cannot be read, or `out` fails.
pub fn write_content(artifact: &str, recipe: &Recipe, blobs: &dyn BlobSource, out: &mut dyn Write) -> Result<()> {
    let cores = gzip_write::cores_beside(recipe.memory());
    match recipe.parts.as_slice() {
        [Part::Gzip { content, .. }] => write_parts(cores, artifact, content, blobs, out),
        parts => write_parts(cores, artifact, parts, blobs, out),
    }
}

/// What `cause` means on the way back: one of our own errors that came through I/O, as a blob's reader or the
/// file's writer gave it; wrong bytes; or a disk that takes no more.
pub(super) fn failed(title: &str, file: &str, cause: io::Error) -> Error {
    let cause = match cause.downcast::<Error>() {
        Ok(ours) => return ours,
        Err(cause) => cause,
    };
    if let Some(mismatch) = Mismatch::behind(&cause) {
        return not_the_original(file, *mismatch);
    }
    match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Error::integrity(title).fact("artifact", file).fact("cause", &cause).caused_by(cause)
        }
        _ => Error::io("write", Path::new(file), cause),
    }
}

fn write_parts(
    cores: usize,
    artifact: &str,
    parts: &[Part],
    blobs: &dyn BlobSource,
    out: &mut dyn Write,
) -> Result<()> {
    let fault = |cause: io::Error| failed("the file cannot be rebuilt", artifact, cause);
    for part in parts {
        match part {
            Part::Literal(bytes) => out.write_all(bytes).map_err(fault)?,
            Part::Blob(blob) => {
                let copied = io::copy(&mut blobs.open(&blob.digest)?.take(blob.size), out).map_err(fault)?;
                if copied != blob.size {
                    return Err(fault(io::ErrorKind::UnexpectedEof.into()).fact("blob", blob.digest));
                }
            }
            Part::Gzip { content, records } => {
                // The content is itself put together; a pipe brings it to where it is compressed.
                workers::piped(
                    |feed| write_parts(cores, artifact, content, blobs, feed),
                    |reader| gzip_write::write(cores, records, reader, out, &fault),
                    fault,
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Descriptor, Digest};

    /// Has every blob, without an end.
    struct Endless;

    impl BlobSource for Endless {
        fn open(&self, _: &Digest) -> Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(io::repeat(b'x')))
        }
    }

    #[test]
    fn not_a_byte_beyond_the_original_is_written() {
        let blob = |size| Part::Blob(Descriptor { digest: Digest::of(b""), size });
        let original = Descriptor::of(&[b'x'; 100]);
        let written = |parts| {
            let mut out = Vec::new();
            let outcome = rebuild("x", &Recipe { original, parts }, &Endless, &mut out);
            (out.len(), outcome.is_ok())
        };
        assert_eq!(written(vec![blob(60), blob(40)]), (100, true));
        assert_eq!(written(vec![blob(60), blob(1 << 50)]), (60, false));
        assert_eq!(written(vec![blob(60), blob(39)]), (99, false));
        assert_eq!(written(vec![blob(100), Part::Literal(vec![b'x'])]), (100, false));
    }

    #[test]
    fn content_beyond_what_the_records_use_is_refused() {
        let gzip = |content| {
            let content = vec![Part::Blob(Descriptor { digest: Digest::of(b""), size: content })];
            let records = vec![super::super::recipe::Record::Verbatim(b"verbatim".to_vec())];
            let recipe = Recipe { original: Descriptor::of(b"verbatim"), parts: vec![Part::Gzip { content, records }] };
            rebuild("x", &recipe, &Endless, &mut io::sink())
        };
        assert!(gzip(0).is_ok());
        assert!(gzip(1).is_err());
        assert!(gzip(1 << 30).is_err());
    }
}
