//! One file of the folder as a stream, as it is or without the compression around it.

use std::io::{self, BufReader, Write};
use std::path::Path;

use super::access::BundleAccess;
use super::carried::Carried;
use super::frame_cache::damaged;
use super::layout::PayloadEntry;
use super::read::Bundle;
use crate::digest::{CopyError, PIECE, VerifyingWriter, copy};
use crate::error::{Error, Result};
use crate::image;
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::path::shell_word;

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
/// whole is what the manifest pins is known at the end, and only of [`Wanted::Original`].
pub fn cat(access: &BundleAccess<'_>, name: &str, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let bundle = access.bundle();
    let Some(artifact) = bundle.index().artifact(name) else {
        let is_own = matches!(name, FILE_NAME | SIGNATURE_NAME);
        let entry = bundle.index().entry(name).filter(|_| is_own).ok_or_else(|| no_such_file(bundle, name))?;
        return copy_entry(bundle, entry, wanted, out);
    };
    match (&artifact.carried, wanted) {
        (Carried::File { .. }, _) => {
            let entry = bundle.index().entry(name).ok_or_else(|| no_such_file(bundle, name))?;
            copy_entry(bundle, entry, wanted, out)
        }
        (Carried::Exported, _) => image::export(&bundle.index().images_of(artifact), bundle, &Default::default(), out),
        (Carried::Rebuilt { .. }, Wanted::Original) => image::rebuild(name, &bundle.recipe_of(artifact)?, bundle, out),
        (Carried::Rebuilt { .. }, Wanted::Decompressed) => {
            image::write_content(name, &bundle.recipe_of(artifact)?, bundle, out)
        }
    }
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
            let stored = BufReader::with_capacity(4 * PIECE, bundle.stream(entry));
            let mut content = image::without_compression(stored).map_err(unreadable)?;
            copy(&mut content, out).map(drop).map_err(|error| match error {
                CopyError::Read(cause) => unreadable(cause),
                CopyError::Write(cause) => not_written(cause),
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
