//! An artifact's images on their way into the engine: counted, and compared with what it has afterwards.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::engine::{self, Store};
use super::kept::as_it_is;
use super::loading::{Loading, Refusal};
use super::order::Chain;
use crate::bundle::{BundleAccess, PayloadEntry};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{BlobSource, Image, manifest_digest};
use crate::image_ref::ImageRef;
use crate::language::tr;
use crate::path::shell_word;
use crate::progress::{Meter, Progress};
use crate::release::ProvedFile;

/// The images of one artifact.
pub(super) struct Job<'a> {
    pub(super) name: String,
    pub(super) images: Vec<Image>,
    /// The archive as it is, where it goes to the engine so.
    pub(super) whole: Option<Archive<'a>>,
}

/// An archive as it is.
pub(super) enum Archive<'a> {
    /// A file of a bundle's payload.
    Carried(&'a PayloadEntry, &'a BundleAccess<'a>),
    /// A file in a folder.
    File(Arc<ProvedFile>),
}

impl Archive<'_> {
    fn size(&self) -> u64 {
        match self {
            Archive::Carried(entry, _) => entry.size,
            Archive::File(file) => file.size(),
        }
    }

    /// Reads it from its first byte; what is not what it should be is not given out.
    fn reader(&self) -> Box<dyn Read + Send + '_> {
        match self {
            Archive::Carried(entry, access) => Box::new(access.stream(entry)),
            Archive::File(file) => Box::new(file.reader()),
        }
    }
}

impl Job<'_> {
    /// The ID that an engine with such a store gives `image`. One that is carried as it is has a manifest that nobody has
    /// seen: there its config's digest.
    ///
    /// # Errors
    /// The image's config cannot be read from `blobs`, or its digest is not the image's ID.
    pub(super) fn id_of(&self, image: &Image, store: Store, blobs: &dyn BlobSource) -> Result<Digest> {
        match (store, &self.whole) {
            (Store::Containerd, None) => manifest_digest(image, blobs),
            _ => Ok(image.id),
        }
    }

    pub(super) fn chains(&self) -> Vec<Chain> {
        self.images.iter().map(Image::diff_ids).collect()
    }

    /// The bytes that go to the engine without the layers in `skip`, about.
    pub(super) fn size(&self, skip: &HashSet<Digest>) -> u64 {
        match &self.whole {
            Some(archive) => archive.size(),
            None => {
                let mut seen = HashSet::new();
                let layers = self.images.iter().flat_map(|image| &image.layers);
                layers
                    .filter(|layer| !skip.contains(&layer.diff_id) && seen.insert(layer.diff_id))
                    .map(|layer| layer.size)
                    .sum()
            }
        }
    }
}

/// A meter that never counts more than was expected: what is around the layers belongs to no size that is told.
pub(super) struct Counter {
    meter: Box<dyn Meter>,
    expected: Cell<u64>,
    counted: Cell<u64>,
}

impl Counter {
    pub(super) fn start(job: &Job<'_>, expected: u64, progress: &dyn Progress) -> Self {
        let meter = progress.start(&job.name, Some(expected));
        Counter { meter, expected: Cell::new(expected), counted: Cell::new(0) }
    }

    fn add(&self, bytes: u64) {
        let counts = bytes.min(self.expected.get() - self.counted.get());
        self.counted.set(self.counted.get() + counts);
        self.meter.add(counts);
    }

    /// Everything is sent again, `expected` bytes.
    pub(super) fn restart(&self, expected: u64) {
        self.meter.retract(self.counted.replace(0));
        self.meter.expect(expected);
        self.expected.set(expected);
    }

    pub(super) fn done(&self) {
        self.meter.done("loaded");
    }
}

/// What goes to the engine. It remembers whether it was the engine that took no more.
pub(super) struct Outgoing<'a> {
    engine: Loading,
    counter: Option<&'a Counter>,
    refused: bool,
}

impl<'a> Outgoing<'a> {
    /// From now on `counter` counts.
    pub(super) fn count_for(&mut self, counter: &'a Counter) {
        self.counter = Some(counter);
    }
}

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.engine.write(bytes).inspect_err(|_| self.refused = true)?;
        if let Some(counter) = self.counter {
            counter.add(count as u64);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why something did not reach the engine.
pub(super) struct Unsent {
    pub(super) error: Error,
    /// It was the engine that would not have it.
    pub(super) by_engine: bool,
}

/// Starts a load, lets `write` send the archive, and waits until the engine has taken it. `what` is named in errors.
pub(super) fn send<'a>(what: &str, write: impl FnOnce(&mut Outgoing<'a>) -> Result<()>) -> Result<(), Unsent> {
    let ours = |error| Unsent { error, by_engine: false };
    let engine = Loading::start(what).map_err(ours)?;
    let mut out = Outgoing { engine, counter: None, refused: false };
    let outcome = write(&mut out);
    let unsent = |refusal| match refusal {
        Refusal::Refused(error) => Unsent { error, by_engine: true },
        Refusal::Silent(error) => ours(error),
    };
    match outcome {
        Ok(()) => out.engine.finish().map_err(unsent),
        Err(_) if out.refused => Err(unsent(out.engine.refusal())),
        Err(error) => Err(ours(error)),
    }
}

/// Sends the archive of a job that is carried as it is.
pub(super) fn send_whole(job: &Job<'_>, out: &mut dyn Write) -> Result<()> {
    match &job.whole {
        Some(archive) => as_it_is(&job.images, BufReader::new(archive.reader()), out),
        None => Ok(()),
    }
}

/// By what an image is known to be the one that was loaded.
pub(super) enum SameBy {
    /// This ID.
    Id(String),
    /// Its layers, where the ID is of a manifest that nobody has seen.
    Layers,
}

/// The engine must have exactly this image now.
pub(super) fn compare(artifact: &str, image: &Image, same_by: &SameBy) -> Result<()> {
    let is_same = |known: &engine::Known| match same_by {
        SameBy::Id(id) => same_id(&known.id, id),
        SameBy::Layers => known.layers == image.diff_ids(),
    };
    let expected = match same_by {
        SameBy::Id(id) => id.clone(),
        SameBy::Layers => image.id.to_string(),
    };
    let names: Vec<&str> = match (&image.tags[..], same_by) {
        ([], SameBy::Layers) if engine::all()?.iter().any(is_same) => return Ok(()),
        ([], _) => vec![expected.as_str()],
        (tags, _) => tags.iter().map(ImageRef::as_str).collect(),
    };
    for name in names {
        let known = engine::look_up(name)?;
        if !known.as_ref().is_some_and(is_same) {
            return Err(Error::integrity(tr!("the container engine has another image than was loaded"))
                .fact("artifact", artifact)
                .fact("image", name)
                .fact("expected", &expected)
                .fact("actual", known.map_or_else(|| tr!("no such image"), |known| known.id))
                .hint(tr!("see what it has: docker image inspect {}", shell_word(Path::new(name)))));
        }
    }
    Ok(())
}

/// Whether two image IDs are the same: podman, where it stands behind the name docker, leaves out the algorithm.
fn same_id(one: &str, other: &str) -> bool {
    let bare = |id: &'_ str| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// What a meter shows, and the most that it ever showed.
    static SHOWN: AtomicU64 = AtomicU64::new(0);
    static MOST: AtomicU64 = AtomicU64::new(0);

    struct Watched;

    impl Meter for Watched {
        fn add(&self, bytes: u64) {
            let shown = SHOWN.fetch_add(bytes, Ordering::Relaxed) + bytes;
            MOST.fetch_max(shown, Ordering::Relaxed);
        }
        fn retract(&self, bytes: u64) {
            SHOWN.fetch_sub(bytes, Ordering::Relaxed);
        }
        fn expect(&self, _bytes: u64) {}
        fn done(&self, _how: &str) {}
    }

    #[test]
    fn what_is_shown_is_never_more_than_was_expected() {
        let counter = Counter { meter: Box::new(Watched), expected: Cell::new(1_000), counted: Cell::new(0) };
        counter.add(600);
        counter.add(600); // with headers
        assert_eq!(SHOWN.load(Ordering::Relaxed), 1_000);
        counter.restart(500);
        assert_eq!(SHOWN.load(Ordering::Relaxed), 0);
        counter.add(512);
        assert_eq!((SHOWN.load(Ordering::Relaxed), MOST.load(Ordering::Relaxed)), (500, 1_000));
    }
}
