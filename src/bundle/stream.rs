//! Reading an entry as a stream, and blobs by their digest.

use std::io::{self, Read};
use std::sync::Arc;

use super::carried::CarriedArtifact;
use super::frame_cache::damaged;
use super::layout::PayloadEntry;
use super::read::Bundle;
use crate::digest::{Digest, Mismatch, VerifyingReader};
use crate::error::{Error, Result};
use crate::image::{self, BlobSource, Recipe, RecipeFault};

/// The content of an entry, a frame at a time; each is checked before it is unpacked.
pub struct EntryReader<'a> {
    bundle: &'a Bundle,
    /// Where reading goes on, and where it ends, in the tar stream.
    at: u64,
    end: u64,
    /// The frame at hand and where it begins in the tar stream.
    frame: Option<(Arc<Vec<u8>>, u64)>,
}

impl Bundle {
    /// Reads the content of `entry` from its first byte. Each frame is compared with its digest; the content as a
    /// whole is not.
    pub(super) fn stream<'a>(&'a self, entry: &PayloadEntry) -> EntryReader<'a> {
        EntryReader { bundle: self, at: entry.offset, end: entry.end(), frame: None }
    }

    /// How an artifact that is made from blobs is made.
    ///
    /// # Errors
    /// The recipe is missing, damaged, or for another file.
    pub(super) fn recipe_of(&self, artifact: &CarriedArtifact) -> Result<Recipe> {
        let path = image::recipe_path(&artifact.digest);
        let recipe = self.index().entry(&path).ok_or_else(|| damaged(self.path(), "it lacks a recipe"))?;
        let limits = image::ImageLimits::DEFAULT;
        self.frames.leave_room(recipe.size.min(limits.recipe_bytes));
        let mut content = VerifyingReader::new(self.stream(recipe), recipe.descriptor());
        let read = Recipe::read(&mut content, recipe.size, &limits);
        let damage = |cause: io::Error| match cause.downcast::<Error>() {
            Ok(ours) => ours,
            Err(cause) => self.entry_damaged(recipe, Mismatch::behind(&cause)),
        };
        // Nothing is said of bytes that were not compared.
        if !matches!(read, Err(RecipeFault::Unread(_))) && recipe.size <= limits.recipe_bytes {
            content.finish().map_err(damage)?;
        }
        let recipe = read.map_err(|fault| match fault {
            RecipeFault::Unread(cause) => damage(cause),
            RecipeFault::Wrong(why) => {
                damaged(self.path(), format_args!("a recipe in it is wrong: {why}")).fact("file", &path)
            }
        })?;
        if recipe.original == artifact.descriptor() {
            return Ok(recipe);
        }
        Err(damaged(self.path(), "a recipe in it is for another file").fact("file", &path))
    }
}

impl Read for EntryReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.end || buffer.is_empty() {
            return Ok(0);
        }
        // A frame that was read is let go before the next is asked for.
        let at_hand = self.frame.take().filter(|(raw, begin)| self.at < begin + raw.len() as u64);
        let (raw, begin) = match at_hand {
            Some(at_hand) => at_hand,
            // The class of the error must not be lost on the way through I/O.
            None => self
                .bundle
                .frames
                .at(self.at, self.end)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?,
        };
        let from = (self.at - begin) as usize;
        let count = (raw.len() - from).min(buffer.len()).min((self.end - self.at) as usize);
        buffer[..count].copy_from_slice(&raw[from..from + count]);
        self.at += count as u64;
        self.frame = Some((raw, begin));
        Ok(count)
    }
}

/// A bundle's blobs, for what proves them.
pub(super) struct CarriedBlobs<'a>(pub(super) &'a Bundle);

impl BlobSource for CarriedBlobs<'_> {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        self.0.blob(digest)
    }
}

impl Bundle {
    /// Reads the blob with this digest.
    ///
    /// # Errors
    /// The bundle lacks it.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        let index = self.index();
        let entry =
            [image::blob_path(digest), image::other_blob_path(digest)].iter().find_map(|path| index.entry(path));
        match entry {
            Some(entry) => Ok(Box::new(self.stream(entry))),
            None => Err(damaged(self.path(), "it lacks a blob that its index needs").fact("blob", digest)),
        }
    }
}
