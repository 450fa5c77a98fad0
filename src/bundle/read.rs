//! Opening a bundle and reading any part of it, each frame checked before it is unpacked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::carried::CarriedArtifact;
use super::format::{End, TRAILER_LENGTH, Trailer, find_trailer, index_json};
use super::frame_cache::{BundleFile, DecodedFrame, FrameCache, FrameSlice, damaged, differing};
use super::in_volumes::InVolumes;
use super::index::Index;
use super::layout::PayloadEntry;
use super::next_step::{compare_bundle, verify_by_itself};
use super::parts::Parts;
use super::proved_files::ProvedFiles;
use super::volume_table::VolumeTable;
use crate::digest::{Descriptor, Mismatch, VerifyingReader, VerifyingWriter};
use crate::error::{Class, Error, IoContext, Result};
use crate::manifest::{FILE_NAME, Limits, Manifest, Pinned, SIGNATURE_NAME};
use crate::path::shell_word;
use crate::signature;
use crate::small_file;
use crate::workers;

/// What unpacking may take, in bytes, with 20 MiB left for everything else of the 300 MiB that a site is promised.
const MEMORY: u64 = 280 << 20;
/// How much of a file's end is searched for a trailer that something was appended to.
const SEARCHED: u64 = 1 << 20;

/// An open bundle whose trailer and index are right.
#[derive(Debug)]
pub struct Bundle {
    pub(super) file: Arc<BundleFile>,
    /// The end of the bundle in one file, whether or not it is in one.
    pub(super) trailer: Trailer,
    /// The volumes that it lies in, and the file that it is known by.
    pub(super) in_volumes: Option<InVolumes>,
    /// For those who read entries as streams.
    pub(super) frames: FrameCache,
    /// The files beside it that it takes for its own.
    pub(super) beside: ProvedFiles,
}

impl Bundle {
    /// Opens the bundle at `path`: checks its length, trailer and index, of volumes their sizes and beginnings, and reads
    /// nothing else.
    ///
    /// # Errors
    /// The file cannot be read, is no bundle, or is a damaged one; or volumes are not there.
    pub fn open(path: &Path) -> Result<Self> {
        let file = small_file::open(path).doing("open the bundle", path)?;
        let length = file.metadata().doing("look at the bundle", path)?;
        if !length.is_file() {
            let error = Error::failed("this is no bundle: not a regular file").fact("path", path.display());
            return Err(if length.is_dir() {
                let path = shell_word(path);
                error.hint(format_args!("for a folder: pack verify {path}, or make a bundle of it: pack bundle {path}"))
            } else {
                error.hint(NAME_ONE)
            });
        }
        let length = length.len();
        let trailer = trailer(&file, length, path)?;
        let file = Arc::new(file);
        let main = Parts::one(file.clone(), length, path);
        let frame = index_frame_of(&main, &trailer, path)?;
        let judged = |error: Error| {
            // What contradicts itself is damaged; what is refused otherwise is newer.
            let is_wrong = error.class() == Class::Integrity;
            let hint = if is_wrong { compare_bundle(path) } else { verify_by_itself(path) };
            error.fact("path", path.display()).hint(hint)
        };
        let Some(table) = VolumeTable::read(json_of(&frame, path)?).map_err(judged)? else {
            let index = Index::read(json_of(&frame, path)?, trailer.index_offset).map_err(judged)?;
            return Ok(Self::of_parts(main, path, index, trailer, None));
        };
        drop(frame);
        // In the file itself the index lies where the payload would begin, just before the table.
        let header = trailer.index_offset.checked_sub(table.index_size);
        let header = header.ok_or_else(|| damaged(path, "its table of volumes points outside of it"))?;
        let whole = table.whole(header);
        let frame = index_frame_of(&main, &Trailer { index_offset: header, ..whole }, path)?;
        let index = Index::read(json_of(&frame, path)?, whole.index_offset).map_err(judged)?;
        let in_volumes = InVolumes { table, main, file };
        let parts = in_volumes.parts(path, &index, whole)?;
        Ok(Self::of_parts(parts, path, index, whole, Some(in_volumes)))
    }

    fn of_parts(parts: Parts, path: &Path, index: Index, trailer: Trailer, in_volumes: Option<InVolumes>) -> Self {
        let file = Arc::new(BundleFile::new(parts, path.to_owned(), index));
        let frames = FrameCache::new(file.clone());
        Bundle { frames, file, trailer, in_volumes, beside: ProvedFiles::default() }
    }

    /// What the bundle holds.
    pub fn index(&self) -> &Index {
        &self.file.index
    }

    /// The bundle's file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The bundle's length in bytes, in one file.
    pub fn length(&self) -> u64 {
        self.file.parts.length()
    }

    /// The manifest the bundle was made from.
    ///
    /// # Errors
    /// It is damaged, or does not say what the index says: then the bundle was not made by `pack`.
    pub fn manifest(&self) -> Result<Manifest> {
        let text = String::from_utf8(self.manifest_bytes()?)
            .map_err(|_| damaged(self.path(), "its manifest.json is not UTF-8"))?;
        let manifest = Manifest::parse(text, &format!("{} in {}", FILE_NAME, self.path().display()))?;
        let index = self.index();
        let selection = manifest.select(index.platform)?;
        let differs =
            |what: &str| damaged(self.path(), "its manifest and its index do not say the same").fact("differs", what);
        if manifest.name().as_str() != index.name || *manifest.version() != index.version {
            return Err(differs("the product's name or version"));
        }
        if manifest.run() != index.run.as_ref() {
            return Err(differs("what is run"));
        }
        if selection.len() != index.artifacts.len() {
            return Err(differs("the number of artifacts"));
        }
        let says_the_same = |pinned: &Pinned<'_>, carried: &CarriedArtifact| {
            *pinned.name() == carried.name
                && pinned.artifact.kind == carried.kind
                && pinned.pin.digest == carried.digest
                && pinned.pin.size.is_none_or(|size| size == carried.size)
        };
        match selection.iter().zip(&index.artifacts).find(|(pinned, carried)| !says_the_same(pinned, carried)) {
            Some((_, carried)) => Err(differs("an artifact").fact("artifact", &carried.name)),
            None => Ok(manifest),
        }
    }

    /// The bytes of the manifest, not parsed yet.
    ///
    /// # Errors
    /// It is missing, too large or damaged.
    pub(super) fn manifest_bytes(&self) -> Result<Vec<u8>> {
        let entry = self.index().entry(FILE_NAME).ok_or_else(|| damaged(self.path(), "it has no manifest.json"))?;
        self.content(entry, Limits::DEFAULT.manifest_bytes)
    }

    /// The text of the signature of its manifest, if it has one.
    ///
    /// # Errors
    /// It is too large or damaged.
    pub fn signature(&self) -> Result<Option<String>> {
        let entry = self.index().entry(SIGNATURE_NAME);
        let bytes = entry.map(|entry| self.content(entry, signature::LIMIT)).transpose()?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A small entry's whole content.
    ///
    /// # Errors
    /// It has more than `limit` bytes, or is damaged.
    pub(super) fn content(&self, entry: &PayloadEntry, limit: u64) -> Result<Vec<u8>> {
        if entry.size > limit {
            return Err(damaged(self.path(), "a file in it is larger than it can be")
                .fact("file", &entry.path)
                .fact("size", entry.size)
                .fact("limit", limit));
        }
        let mut content = VerifyingWriter::new(Vec::with_capacity(entry.size as usize), entry.descriptor());
        self.read(&[entry], |_, piece| {
            content.write_all(&piece).map_err(|cause| self.entry_damaged(entry, Mismatch::behind(&cause)))
        })?;
        content.finish().map_err(|mismatch| self.entry_damaged(entry, Some(&mismatch)))
    }

    /// Gives the content of `entries`, which must be in the stream's order, to `sink` in slices: the entry's place in
    /// the list, and its next bytes. Only frames that hold some of it are read, on all cores; each is compared with
    /// its digest before it is unpacked. `sink` is called on this thread.
    ///
    /// # Errors
    /// A frame is damaged or cannot be read, or the sink fails.
    pub(super) fn read(
        &self,
        entries: &[&PayloadEntry],
        mut sink: impl FnMut(usize, FrameSlice) -> Result<()>,
    ) -> Result<()> {
        let wanted = self.frames_of(entries);
        let mut next = 0;
        workers::ordered(
            self.cores().min(wanted.len()),
            |emit| wanted.iter().try_for_each(|&job| emit(job)),
            |(number, raw_offset)| Ok((raw_offset, self.file.unpack(number)?)),
            |(raw_offset, raw)| {
                let raw_end = raw_offset + raw.len() as u64;
                let raw = DecodedFrame::new(raw, self.file.clone());
                // Entries that end in this frame are passed; the last one may go on in the next.
                while let Some(entry) = entries.get(next) {
                    if entry.offset >= raw_end && entry.size > 0 {
                        break;
                    }
                    let from = entry.offset.max(raw_offset);
                    let to = entry.end().min(raw_end);
                    if from < to {
                        sink(next, raw.piece((from - raw_offset) as usize..(to - raw_offset) as usize))?;
                    }
                    if entry.end() > raw_end {
                        break;
                    }
                    next += 1;
                }
                Ok(())
            },
        )
    }

    /// On how many cores frames are unpacked, so that unpacking stays within [`MEMORY`]: four unpacked frames more
    /// than cores are in memory at a time, the sink's included, and a stored one a core.
    pub(super) fn cores(&self) -> usize {
        let frames = &self.file.index.frames;
        let raw = frames.iter().map(|frame| frame.raw_size).max().unwrap_or(1).max(1);
        let stored = frames.iter().map(|frame| frame.size).max().unwrap_or(1).max(1);
        workers::cores().min((MEMORY.saturating_sub(4 * raw) / (raw + stored)).max(1) as usize)
    }

    /// Number and offset in the tar stream of every frame that holds some of `entries`.
    fn frames_of(&self, entries: &[&PayloadEntry]) -> Vec<(usize, u64)> {
        let mut wanted = Vec::new();
        let mut raw_offset = 0;
        for (number, frame) in self.file.index.frames.iter().enumerate() {
            let raw_end = raw_offset + frame.raw_size;
            let first = entries.partition_point(|entry| entry.end() <= raw_offset);
            let holds = |entry: &&PayloadEntry| entry.size > 0 && entry.offset < raw_end && entry.end() > raw_offset;
            if entries[first..].iter().take_while(|entry| entry.offset < raw_end).any(holds) {
                wanted.push((number, raw_offset));
            }
            raw_offset = raw_end;
        }
        wanted
    }

    /// Returns the content of frame `number`, whose stored bytes are compared with their digest first.
    ///
    /// # Errors
    /// The frame cannot be read, or is damaged.
    pub(super) fn decode(&self, number: usize) -> Result<Vec<u8>> {
        self.file.unpack(number)
    }

    /// The descriptor of `size` of the file's bytes from `offset` on; where the file ends before, of what is there.
    /// `watch` gets the number of bytes of each piece.
    pub(super) fn stored(&self, offset: u64, size: u64, watch: impl Fn(u64)) -> io::Result<Descriptor> {
        Descriptor::of_reader_watched(self.file.parts.section(offset, size), watch)
    }

    /// The error for an entry whose frames are right and whose content is not what the index says.
    pub(super) fn entry_damaged(&self, entry: &PayloadEntry, mismatch: Option<&Mismatch>) -> Error {
        let error = damaged(self.path(), "a file in it is not what the index says").fact("file", &entry.path);
        match mismatch {
            Some(mismatch) => differing(error, mismatch),
            None => error,
        }
    }
}

/// The JSON in an index frame.
fn json_of<'a>(frame: &'a [u8], path: &Path) -> Result<&'a [u8]> {
    index_json(frame).ok_or_else(|| damaged(path, "its index is not in a frame of its own"))
}

/// Reads the index frame and compares it with the trailer.
fn index_frame_of(file: &Parts, trailer: &Trailer, path: &Path) -> Result<Vec<u8>> {
    let expected = Descriptor { digest: trailer.index_digest, size: trailer.index_size };
    let section = file.section(trailer.index_offset, trailer.index_size);
    let mut frame = Vec::with_capacity(trailer.index_size as usize);
    match VerifyingReader::new(section, expected).read_to_end(&mut frame) {
        Ok(_) => Ok(frame),
        Err(cause) => Err(match Mismatch::behind(&cause) {
            Some(mismatch) => {
                let error = damaged(path, "its index is not what its trailer says");
                differing(error.fact("offset", trailer.index_offset), mismatch)
            }
            None => Error::io("read the bundle's index", path, cause),
        }),
    }
}

/// What to do with a file that is no bundle.
const NAME_ONE: &str = "name a file that 'pack bundle' made: its name ends in .run";

fn trailer(file: &File, length: u64, path: &Path) -> Result<Trailer> {
    let kept = TRAILER_LENGTH.min(length);
    let mut bytes = vec![0; kept as usize];
    file.read_exact_at(&mut bytes, length - kept).doing("read the bundle's end", path)?;
    let trailer = match Trailer::read(&bytes) {
        End::Trailer(trailer) => trailer,
        // A later format would hardly have every field of this one right: then one byte is wrong.
        End::Format(_, fields) if fields.total == length => {
            return Err(damaged(path, "the format in its trailer is wrong"));
        }
        End::Format(format, _) => {
            return Err(Error::failed("the bundle has a later format than this pack reads")
                .fact("path", path.display())
                .fact("format", format)
                .hint(verify_by_itself(path)));
        }
        End::Other => return Err(no_trailer(file, length, path)),
    };
    if trailer.total != length {
        return Err(damaged(path, "its length is wrong").fact("expected", trailer.total).fact("actual", length));
    }
    let fits = trailer.index_offset.checked_add(trailer.index_size) == Some(length - TRAILER_LENGTH);
    if !fits || trailer.index_size > Limits::DEFAULT.index_bytes {
        return Err(damaged(path, "its trailer points outside of it")
            .fact("index offset", trailer.index_offset)
            .fact("index size", trailer.index_size));
    }
    Ok(trailer)
}

/// Tells a bundle that was cut or appended to from a file that never was one.
fn no_trailer(file: &File, length: u64, path: &Path) -> Error {
    let searched = SEARCHED.min(length);
    let mut end = vec![0; searched as usize];
    let mut head = vec![0; 4096.min(length) as usize];
    if file.read_exact_at(&mut end, length - searched).is_err() || file.read_exact_at(&mut head, 0).is_err() {
        return damaged(path, "its end cannot be read");
    }
    if let Some(at) = find_trailer(&end) {
        let extra = (end.len() - at) as u64 - TRAILER_LENGTH;
        return damaged(path, "bytes follow after its end").fact("appended", format_args!("{extra} bytes"));
    }
    if head.starts_with(b"#!/bin/sh\n# pack bundle") {
        return damaged(path, "its end is missing or wrong: it was cut short, or never copied whole")
            .fact("size", format_args!("{length} bytes"));
    }
    Error::failed("this is no bundle")
        .fact("path", path.display())
        .fact("size", format_args!("{length} bytes"))
        .hint(NAME_ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    /// The trailer of a file of holes that this one ends.
    fn read_back(trailer: Trailer, format: u8, length: u64) -> Result<Trailer> {
        let file = tempfile::tempfile().expect("a file");
        let mut bytes = trailer.to_bytes();
        bytes[16] = format;
        file.write_all_at(&bytes, length - TRAILER_LENGTH).expect("written");
        super::trailer(&file, length, Path::new("x.run"))
    }

    #[test]
    fn a_trailer_must_point_at_what_lies_before_it() {
        let limit = Limits::DEFAULT.index_bytes;
        let end = |index_size: u64| {
            let total = 100 + index_size + TRAILER_LENGTH;
            Trailer { index_offset: 100, index_size, index_digest: Digest::of(b""), total }
        };
        let right = end(limit);
        assert_eq!(read_back(right, 1, right.total).expect("as large as the limit"), right);
        let larger = end(limit + 1);
        assert!(read_back(larger, 1, larger.total).is_err());
        for index_offset in [99, 101, u64::MAX] {
            let error = read_back(Trailer { index_offset, ..right }, 1, right.total).expect_err("beside it");
            assert_eq!(error.class(), Class::Integrity, "{error}");
        }
        // One wrong byte, or a format that has other fields there.
        assert_eq!(read_back(right, 2, right.total).expect_err("damaged").class(), Class::Integrity);
        assert_eq!(read_back(right, 2, right.total + 1).expect_err("later").class(), Class::Failed);
    }
}
