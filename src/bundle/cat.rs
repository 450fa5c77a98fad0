//! One file of the folder as a stream, as it is or without the compression around it.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::extract::recipe_of;
use super::frames::damaged;
use super::images::Form;
use super::read::Bundle;
use crate::digest::Hasher;
use crate::error::{Error, Result};
use crate::image;
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};

/// What of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its bytes.
    Original,
    /// What is within its gzip, zstd or xz; its bytes where there is none of them. For an artifact that is carried
    /// without compression, this is much faster: nothing is compressed only to be decompressed again.
    Decompressed,
}

/// How much is read at a time, in bytes.
const PIECE: usize = 256 << 10;

/// Writes the file called `name` to `out`.
///
/// # Errors
/// The bundle has no such file or is damaged, or `out` fails. No byte of a damaged frame was written then; that the
/// whole is what the manifest pins is known at the end, and only of [`Wanted::Original`].
pub fn cat(bundle: &Bundle, name: &str, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let index = bundle.index();
    let artifact = index.artifacts.iter().find(|artifact| artifact.name.as_str() == name);
    match artifact.map(|artifact| (artifact, artifact.form)) {
        Some((artifact, Form::Exported)) => image::export(&index.images_of(artifact), bundle, &Default::default(), out),
        Some((artifact, Form::Rebuilt)) => {
            let recipe = recipe_of(bundle, artifact)?;
            match wanted {
                Wanted::Original => image::rebuild(name, &recipe, bundle, out),
                Wanted::Decompressed => image::write_content(name, &recipe, bundle, out),
            }
        }
        Some((_, Form::File)) => copy(bundle, name, wanted, out),
        None if matches!(name, FILE_NAME | SIGNATURE_NAME) => copy(bundle, name, wanted, out),
        None => Err(no_such_file(bundle, name)),
    }
}

/// Writes a file that lies in the payload as it is.
fn copy(bundle: &Bundle, name: &str, wanted: Wanted, out: &mut dyn Write) -> Result<()> {
    let entry = bundle.index().entry(name).ok_or_else(|| no_such_file(bundle, name))?;
    let mut write = |piece: &[u8]| out.write_all(piece).map_err(|cause| Error::io("write", Path::new(name), cause));
    match wanted {
        Wanted::Original => {
            let mut hasher = Hasher::new();
            bundle.read(&[entry], |_, piece| {
                hasher.update(&piece);
                write(&piece)
            })?;
            match hasher.finish() {
                actual if actual == entry.digest => Ok(()),
                actual => Err(bundle.entry_damaged(entry, actual)),
            }
        }
        Wanted::Decompressed => {
            let unreadable = |cause: io::Error| match cause.downcast::<Error>() {
                Ok(ours) => ours,
                Err(cause) => {
                    let error = damaged(bundle.path(), "a file in it cannot be decompressed");
                    error.fact("file", name).fact("cause", cause)
                }
            };
            let stored = BufReader::with_capacity(PIECE, bundle.stream(entry));
            let mut reader = image::without_compression(stored).map_err(unreadable)?;
            let mut piece = vec![0; PIECE];
            loop {
                match reader.read(&mut piece) {
                    Ok(0) => return Ok(()),
                    Ok(count) => write(&piece[..count])?,
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                    Err(cause) => return Err(unreadable(cause)),
                }
            }
        }
    }
}

/// The error for a file that the bundle does not have.
pub fn no_such_file(bundle: &Bundle, name: &str) -> Error {
    Error::failed("the bundle has no such file")
        .fact("path", bundle.path().display())
        .fact("name", name)
        .hint(format_args!("see what it has with: pack inspect {}", bundle.path().display()))
}
