//! One file of the folder as a stream, as it is or without the compression around it.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::access::{Authenticity, BundleAccess};
use super::artifact_proof::prove_artifact;
use super::carried::{Carried, CarriedArtifact};
use super::layout::PayloadEntry;
use super::read::Bundle;
use super::stream::CarriedBlobs;
use crate::digest::{CopyError, Mismatch, PIECE, VerifyingReader, VerifyingWriter, copy};
use crate::error::{Error, Result};
use crate::image;
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::path::shell_word;
use crate::progress::Silent;

/// What of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its bytes.
    Original,
    /// What is within its gzip, zstd or xz; its bytes where there is none of them. For an artifact that is carried
    /// without compression, this is much faster: nothing is compressed only to be decompressed again.
    Decompressed,
}

/// Writes the file called `name` to `out`.
///
/// # Errors
/// The bundle has no such file or is damaged, or `out` fails. No byte of a damaged frame was written then; that the
/// whole is what the manifest pins is known at the end, and of an artifact that is carried without its compression before
/// the first byte.
pub fn cat(access: &BundleAccess<'_>, name: &str, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let bundle = access.bundle();
    let blobs = CarriedBlobs(bundle);
    let Some(artifact) = bundle.index().artifact(name) else {
        let is_own = matches!(name, FILE_NAME | SIGNATURE_NAME);
        let entry = bundle.index().entry(name).filter(|_| is_own).ok_or_else(|| no_such_file(bundle, name))?;
        return copy_entry(bundle, entry, wanted, out);
    };
    access.check_covers(artifact)?;
    match (&artifact.carried, wanted) {
        (Carried::File { .. }, _) => {
            let entry = bundle.index().entry(name).ok_or_else(|| no_such_file(bundle, name))?;
            copy_entry(bundle, entry, wanted, out)
        }
        (Carried::Detached { .. }, wanted) => copy_beside(bundle, artifact, wanted, out),
        (Carried::Exported, _) => image::export(&bundle.index().images_of(artifact), &blobs, &Default::default(), out),
        (Carried::Rebuilt { .. }, Wanted::Original) => image::rebuild(name, &bundle.recipe_of(artifact)?, &blobs, out),
        (Carried::Rebuilt { .. }, Wanted::Decompressed) => {
            // The digest is that of the compressed file: only by making that, it is known what belongs in it.
            if access.authenticity() == Authenticity::NotChecked {
                prove_artifact(bundle, artifact, &Silent)?;
            }
            image::write_content(name, &bundle.recipe_of(artifact)?, &blobs, out)
        }
    }
}

/// Writes a file that lies beside the bundle. It was compared with its digest as a whole before its first byte goes out.
fn copy_beside(bundle: &Bundle, artifact: &CarriedArtifact, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let file = bundle.beside(artifact, &Silent)?;
    let name = Path::new(artifact.name.as_str());
    let mut stored = BufReader::with_capacity(4 * PIECE, file.reader());
    if wanted == Wanted::Original {
        return file.copy(&mut stored, out, name);
    }
    let copied = match image::content_of(stored) {
        Ok(mut content) => copy(&mut content, out).map(drop),
        Err(cause) => Err(CopyError::Read(cause)),
    };
    copied.map_err(|error| match error {
        CopyError::Write(cause) => Error::io("write", name, cause),
        CopyError::Read(cause) if cause.raw_os_error().is_some() => file.not_read(cause),
        CopyError::Read(cause) => match cause.downcast::<Error>() {
            Ok(ours) => ours,
            Err(cause) => not_decompressed(bundle, artifact.name.as_str(), file.reader(), &cause),
        },
    })
}

/// Writes a file of the payload.
fn copy_entry(bundle: &Bundle, entry: &PayloadEntry, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let not_written = |cause| Error::io("write", Path::new(entry.path.as_str()), cause);
    match wanted {
        Wanted::Original => {
            let mut out = VerifyingWriter::new(out, entry.descriptor());
            bundle.read(&[entry], |_, piece| out.write_all(&piece).map_err(not_written))?;
            out.finish().map(drop).map_err(|mismatch| bundle.entry_damaged(entry, Some(&mismatch)))
        }
        Wanted::Decompressed => {
            let wrong = |cause: io::Error| match cause.downcast::<Error>() {
                Ok(ours) => Err(ours),
                Err(cause) => match Mismatch::behind(&cause).copied() {
                    Some(mismatch) => Err(bundle.entry_damaged(entry, Some(&mismatch))),
                    None => Ok(cause),
                },
            };
            let mut original = VerifyingReader::new(bundle.stream(entry), entry.descriptor());
            let copied = match image::content_of(BufReader::with_capacity(4 * PIECE, &mut original)) {
                Ok(mut content) => copy(&mut content, out).map(drop),
                Err(cause) => Err(CopyError::Read(cause)),
            };
            let unread = match copied {
                Ok(()) => None,
                Err(CopyError::Read(cause)) => Some(wrong(cause)?),
                Err(CopyError::Write(cause)) => return Err(not_written(cause)),
            };
            // What follows the compressed data belongs to the file too; and only where all of it is as it was packed, the
            // fault is in the file itself.
            if let Err(cause) = original.finish() {
                return Err(Error::io("read", bundle.path(), wrong(cause)?));
            }
            match unread {
                Some(cause) => Err(not_decompressed(bundle, entry.path.as_str(), bundle.stream(entry), &cause)),
                None => Ok(()),
            }
        }
    }
}

/// The error for a file that is as it was packed and whose own compression is not read; `stored` are its bytes.
fn not_decompressed(bundle: &Bundle, name: &str, stored: impl Read, cause: &io::Error) -> Error {
    let mut head = Vec::new();
    // What cannot be read a second time only leaves the error without a fact.
    let _ = stored.take(64).read_to_end(&mut head);
    let error = Error::failed("the file is as it was packed, but its own compression cannot be read here")
        .fact("path", bundle.path().display())
        .fact("file", name);
    let (error, program) = match image::Compression::of(&head) {
        Some(found) => (error.fact("compression", found), format!(" | {}", found.command())),
        None => (error, String::new()),
    };
    error.fact("cause", cause).hint(format_args!(
        "take the file without --decompress, and unpack it by its own program: pack cat {} {}{program}",
        shell_word(bundle.path()),
        shell_word(name.as_ref())
    ))
}

/// The error for a file that the bundle does not have.
pub fn no_such_file(bundle: &Bundle, name: &str) -> Error {
    Error::failed("the bundle has no such file")
        .fact("path", bundle.path().display())
        .fact("name", name)
        .hint(format_args!("see what it has with: pack inspect {}", shell_word(bundle.path())))
}
