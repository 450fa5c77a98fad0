//! The payload: sources written as one tar stream, cut into pieces of a frame's size.
//!
//! The stream is plain POSIX tar (ustar, GNU's long names where a path needs them), with nothing in it
//! that differs between two runs: no owner, no time but one fixed date.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::buffer_pool::BufferPool;
use super::layout::PayloadEntry;
use crate::digest::{Descriptor, Mismatch, VerifyingReader};
use crate::error::{Error, IoContext, Result};
use crate::path::RelPath;
use crate::progress::Progress;

/// 1980-01-01 00:00 UTC: a date every archiver accepts without a warning.
const MTIME: u64 = 315_532_800;
/// The unit of a tar stream, in bytes.
const BLOCK: u64 = 512;
/// A source with more bytes than this is large.
const LARGE: u64 = 1 << 20;

/// One file for the payload.
pub struct PayloadFile {
    /// Its path in the tar stream.
    pub path: RelPath,
    /// Its permission bits.
    pub mode: u32,
    /// The size and digest that its content must turn out to have.
    pub descriptor: Descriptor,
    /// Where its bytes are.
    pub content: FileContent,
}

/// Opens a stream of bytes.
pub type OpenStream = dyn Fn() -> Result<Box<dyn Read + Send>> + Send + Sync;

/// Where a source's bytes are.
pub enum FileContent {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file.
    File(PathBuf),
    /// Elsewhere; each call opens it from the first byte.
    Stream(Box<OpenStream>),
}

/// Writes `files` as a tar stream and emits it in pieces of `frame_bytes`; the pieces are buffers of `pool`.
/// Shorter are the last one and the one before the first large file: what a site reads first need not be
/// unpacked together with what it may not read at all.
///
/// # Errors
/// A source cannot be read, or is not what its size and digest promise.
pub(super) fn stream(
    files: &[PayloadFile],
    frame_bytes: usize,
    pool: &BufferPool,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Vec<u8>) -> Result<()>,
) -> Result<Vec<PayloadEntry>> {
    let piece = pool.take(frame_bytes);
    let mut builder = Builder::new(Cutter { piece, frame_bytes, pool, position: 0, emit, failed: None });
    let mut entries = Vec::with_capacity(files.len());
    let first_large = files.iter().position(|source| source.descriptor.size > LARGE);
    for (place, source) in files.iter().enumerate() {
        if first_large == Some(place) {
            builder.get_mut().cut();
        }
        let outcome = append(&mut builder, source, progress);
        // An error of the cutter comes out of the tar crate as I/O; the reason itself is the better word.
        match builder.get_mut().failed.take() {
            Some(reason) => return Err(reason),
            None => entries.push(outcome?),
        }
    }
    let ended = builder.into_inner().map_err(|error| Error::failed("cannot end the payload").fact("cause", error));
    let mut cutter = ended?;
    match cutter.failed.take() {
        Some(reason) => Err(reason),
        None => cutter.finish().map(|()| entries),
    }
}

fn append(builder: &mut Builder<Cutter<'_>>, source: &PayloadFile, progress: &dyn Progress) -> Result<PayloadEntry> {
    let meter = progress.start(source.path.as_str(), Some(source.descriptor.size));
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(source.descriptor.size);
    header.set_mode(source.mode);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    builder.append_data(&mut header, source.path.as_str(), io::empty()).map_err(|cause| {
        Error::failed("cannot write a tar header").fact("artifact", &source.path).fact("cause", cause)
    })?;
    let offset = builder.get_ref().position;
    let (mut bytes, mut file, mut stream);
    let (reader, path): (&mut dyn Read, PathBuf) = match &source.content {
        FileContent::Bytes(content) => {
            bytes = content.as_slice();
            (&mut bytes, source.path.as_str().into())
        }
        FileContent::File(path) => {
            file = File::open(path).doing("open", path)?;
            (&mut file, path.clone())
        }
        FileContent::Stream(open) => {
            stream = open()?;
            (&mut stream, source.path.as_str().into())
        }
    };
    let mut reader = VerifyingReader::new(reader, source.descriptor);
    let cutter = builder.get_mut();
    loop {
        let count = cutter.fill(&mut reader);
        if let Some(reason) = cutter.failed.take() {
            return Err(reason);
        }
        match count {
            Ok(0) => break,
            Ok(count) => meter.add(count as u64),
            Err(cause) => return Err(not_read(&path, source, cause)),
        }
    }
    let padding = source.descriptor.size.next_multiple_of(BLOCK) - source.descriptor.size;
    let cut = cutter.write_all(&[0; BLOCK as usize][..padding as usize]);
    if let (Err(_), Some(reason)) = (cut, cutter.failed.take()) {
        return Err(reason);
    }
    meter.done("packed");
    let Descriptor { digest, size } = source.descriptor;
    Ok(PayloadEntry { path: source.path.clone(), offset, size, mode: source.mode, digest })
}

fn not_read(path: &Path, source: &PayloadFile, cause: io::Error) -> Error {
    if Mismatch::behind(&cause).is_none() {
        return Error::io("read", path, cause);
    }
    Error::integrity("a file to be packed is not what its digest says")
        .fact("path", path.display())
        .fact("file", &source.path)
        .fact("reason", cause)
        .hint("get what is wrong with 'pack download', let nothing write into the folder, then pack again")
}

/// Collects a stream into pieces of a frame's size.
struct Cutter<'a> {
    piece: Vec<u8>,
    frame_bytes: usize,
    pool: &'a BufferPool,
    position: u64,
    emit: &'a mut dyn FnMut(Vec<u8>) -> Result<()>,
    failed: Option<Error>,
}

impl Cutter<'_> {
    /// Reads once from `reader` straight into the piece; returns the number of bytes, 0 at the end.
    fn fill(&mut self, reader: &mut dyn Read) -> io::Result<usize> {
        const STEP: usize = 256 * 1024;
        let from = self.piece.len();
        let to = (from + STEP).min(self.frame_bytes);
        self.piece.resize(to, 0);
        let read = loop {
            match reader.read(&mut self.piece[from..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let n = *read.as_ref().unwrap_or(&0);
        self.piece.truncate(from + n);
        self.position += n as u64;
        self.cut_if_full();
        read
    }

    fn cut_if_full(&mut self) {
        if self.piece.len() == self.frame_bytes {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.piece.is_empty() {
            return;
        }
        let piece = std::mem::replace(&mut self.piece, self.pool.take(self.frame_bytes));
        if let Err(reason) = (self.emit)(piece) {
            self.failed = Some(reason);
        }
    }

    fn finish(self) -> Result<()> {
        if self.piece.is_empty() { Ok(()) } else { (self.emit)(self.piece) }
    }
}

impl Write for Cutter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.frame_bytes - self.piece.len());
        self.piece.extend(&bytes[..n]);
        self.position += n as u64;
        self.cut_if_full();
        if self.failed.is_some() { Err(io::Error::other("the frame was not taken")) } else { Ok(n) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
