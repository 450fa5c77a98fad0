//! The proof of one artifact: its bytes are those the manifest pins, and what the bundle derives from them is derived
//! again.

use std::io::{self, BufReader, Read};
use std::path::Path;

use super::carried::{Carried, CarriedArtifact};
use super::frame_cache::damaged;
use super::next_step::checksum_beside;
use super::read::Bundle;
use super::stream::CarriedBlobs;
use crate::digest::{Descriptor, Digest, HashingReader, Mismatch, PIECE, VerifyingReader, VerifyingWriter};
use crate::error::{Class, Error, Result};
use crate::image::{self, Image, Recipe};
use crate::manifest::Kind;
use crate::path::shell_word;
use crate::platform::Platform;
use crate::progress::{Meter, Progress};
use crate::signature::EXTENSION;
use crate::workers;

/// What an artifact's own bytes say of it.
struct Derived {
    /// Its images as its archive has them; none where it is not an archive of images.
    images: Vec<Image>,
    /// Size and digest of its decompressed content; `None` where the bundle makes no use of that.
    content: Option<Descriptor>,
}

/// Makes the artifact, compares it with the digest that the index gives, and returns the images in it, as its own bytes
/// have them. Of an artifact that is rebuilt, the decompressed content is compared too.
///
/// # Errors
/// The artifact or its decompressed content is other than it should be, or the bundle cannot be read.
pub(super) fn prove_artifact(
    bundle: &Bundle,
    artifact: &CarriedArtifact,
    progress: &dyn Progress,
) -> Result<Vec<Image>> {
    let name = artifact.name.as_str();
    let meter = progress.start(name, Some(artifact.size));
    let derived = match &artifact.carried {
        Carried::File { .. } => {
            let entry = bundle.index().entry(name).ok_or_else(|| damaged(bundle.path(), "it lacks a file"))?;
            derive(bundle, artifact, bundle.stream(entry), meter.as_ref())?
        }
        Carried::Rebuilt { blobs } => {
            let recipe = bundle.recipe_of(artifact)?;
            // The others are layers in the layout.
            let is_other = |blob: &&Digest| bundle.index().entry(&image::other_blob_path(blob)).is_some();
            if !recipe.blobs().iter().filter(is_other).eq(blobs) {
                return Err(wrong(bundle, artifact, "its recipe uses other blobs than the index lists"));
            }
            let derived = rebuild_and_derive(bundle, artifact, &recipe, meter.as_ref())?;
            check_content(bundle, artifact, &recipe, derived.content)?;
            derived
        }
        // Its bytes were compared with its digest when it was opened, and nothing is derived from them.
        Carried::Detached { .. } => {
            bundle.beside(artifact, meter.as_ref())?;
            Derived { images: Vec::new(), content: None }
        }
        Carried::Exported => return Err(not_provable(bundle, artifact)),
    };
    meter.done("proved");
    Ok(derived.images)
}

/// The error for an artifact whose original is not in the bundle: nothing binds its images to what was signed.
pub(super) fn not_provable(bundle: &Bundle, artifact: &CarriedArtifact) -> Error {
    Error::integrity("the bundle was made without its originals: they cannot be compared with their digests")
        .fact("path", bundle.path().display())
        .fact("artifact", &artifact.name)
        .hint(format_args!(
            "check it with {} and its signature beside it, or ask for a bundle made without --no-originals",
            shell_word(&checksum_beside(bundle.path()))
        ))
}

/// The error for an artifact that is not what was signed.
pub(super) fn wrong(bundle: &Bundle, artifact: &CarriedArtifact, why: impl std::fmt::Display) -> Error {
    Error::integrity("the bundle is not what its signed manifest pins")
        .fact("path", bundle.path().display())
        .fact("file", &artifact.name)
        .fact("reason", why)
        .hint(format_args!(
            "get the bundle again from its publisher, with {}.{EXTENSION} beside it if there is one",
            shell_word(&checksum_beside(bundle.path()))
        ))
}

/// Reads `original` to its end and compares it with the artifact's digest; what is returned was read from no other bytes.
fn derive(
    bundle: &Bundle,
    artifact: &CarriedArtifact,
    original: impl Read + Send,
    meter: &dyn Meter,
) -> Result<Derived> {
    let unreadable = |cause: io::Error| match (Mismatch::behind(&cause).copied(), cause.downcast::<Error>()) {
        (_, Ok(ours)) => ours,
        (Some(mismatch), _) => wrong(bundle, artifact, mismatch),
        (None, Err(cause)) => wrong(bundle, artifact, "its content cannot be read").fact("cause", cause),
    };
    let mut original = VerifyingReader::new(MeteredReader { inner: original, meter }, artifact.descriptor());
    let derived = derive_from(artifact, bundle.index().platform, &mut original);
    // Where the bytes are not those that were pinned, what they hold says nothing.
    original.finish().map_err(unreadable)?;
    derived.map_err(|cause| match cause {
        Unread::Io(cause) => unreadable(cause),
        // What could not be read like this was not bundled: the index says another platform.
        Unread::Ours(error) if error.class() == Class::Failed => {
            wrong(bundle, artifact, error.title()).caused_by(error)
        }
        Unread::Ours(error) => error,
    })
}

/// Why nothing could be derived.
enum Unread {
    Io(io::Error),
    Ours(Error),
}

impl From<io::Error> for Unread {
    fn from(cause: io::Error) -> Self {
        Unread::Io(cause)
    }
}

fn derive_from(artifact: &CarriedArtifact, platform: Platform, original: impl Read + Send) -> Result<Derived, Unread> {
    let mut derived = Derived { images: Vec::new(), content: None };
    let is_image = artifact.kind == Kind::Image;
    if is_image || !artifact.carried.is_file() {
        let stored = BufReader::with_capacity(4 * PIECE, original);
        let mut content = HashingReader::new(image::content_of(stored)?);
        if is_image {
            derived.images = image::images_in(&mut content, artifact.name.as_str(), platform).map_err(Unread::Ours)?;
        } else {
            io::copy(&mut content, &mut io::sink())?;
        }
        derived.content = Some(content.finish().1);
    }
    Ok(derived)
}

/// Rebuilds the original on another thread and derives from it what [`derive()`] does.
fn rebuild_and_derive(
    bundle: &Bundle,
    artifact: &CarriedArtifact,
    recipe: &Recipe,
    meter: &dyn Meter,
) -> Result<Derived> {
    let name = artifact.name.as_str();
    let failed = |cause| Error::io("rebuild", Path::new(name), cause);
    workers::piped(
        |feed| image::rebuild(name, recipe, &CarriedBlobs(bundle), feed),
        |reader| derive(bundle, artifact, reader, meter),
        failed,
    )
}

/// Checks that the content which is written without compressing (`pack cat --decompress`) is what is in the original.
fn check_content(
    bundle: &Bundle,
    artifact: &CarriedArtifact,
    recipe: &Recipe,
    content: Option<Descriptor>,
) -> Result<()> {
    let Some(content) = content else { return Ok(()) };
    let mut written = VerifyingWriter::new(io::sink(), content);
    let outcome = image::write_content(artifact.name.as_str(), recipe, &CarriedBlobs(bundle), &mut written);
    let why = "its recipe has another decompressed content than the file";
    match (outcome, written.finish()) {
        (Ok(()), Ok(_)) => Ok(()),
        (Ok(()), Err(mismatch)) => Err(wrong(bundle, artifact, why).fact("mismatch", mismatch)),
        (Err(error), _) => Err(wrong(bundle, artifact, why).fact("cause", error.title()).caused_by(error)),
    }
}

/// Tells a meter what is read through it.
struct MeteredReader<'a, R> {
    inner: R,
    meter: &'a dyn Meter,
}

impl<R: Read> Read for MeteredReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}
