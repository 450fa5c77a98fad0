//! One file of the folder as a stream, as it is or without the compression around it.

use std::io::{self, BufReader, Write};
use std::path::Path;

use super::access::{Authenticity, BundleAccess};
use super::artifact_proof::prove_artifact;
use super::carried::{Carried, CarriedArtifact};
use super::frame_cache::damaged;
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
    let stored = BufReader::with_capacity(4 * PIECE, file.reader());
    let mut content = match wanted {
        Wanted::Original => Box::new(stored),
        Wanted::Decompressed => image::without_compression(stored).map_err(|cause| file.not_read(cause))?,
    };
    file.copy(&mut content, out, Path::new(artifact.name.as_str()))
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
            let unreadable = |cause: io::Error| match cause.downcast::<Error>() {
                Ok(ours) => ours,
                Err(cause) => damaged(bundle.path(), "a file in it cannot be decompressed")
                    .fact("file", &entry.path)
                    .fact("cause", cause),
            };
            let mut original = VerifyingReader::new(bundle.stream(entry), entry.descriptor());
            let stored = BufReader::with_capacity(4 * PIECE, &mut original);
            let mut content = image::without_compression(stored).map_err(unreadable)?;
            let copied = copy(&mut content, out).map(drop);
            drop(content);
            copied.map_err(|error| match error {
                CopyError::Read(cause) => unreadable(cause),
                CopyError::Write(cause) => not_written(cause),
            })?;
            // What follows the compressed data belongs to the file too.
            original.finish().map(drop).map_err(|cause| match Mismatch::behind(&cause).copied() {
                Some(mismatch) => bundle.entry_damaged(entry, Some(&mismatch)),
                None => unreadable(cause),
            })
        }
    }
}

/// The error for a file that the bundle does not have.
pub fn no_such_file(bundle: &Bundle, name: &str) -> Error {
    Error::failed("the bundle has no such file")
        .fact("path", bundle.path().display())
        .fact("name", name)
        .hint(format_args!("see what it has with: pack inspect {}", shell_word(bundle.path())))
}
