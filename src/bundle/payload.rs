//! The payload: sources written as one tar stream, cut into pieces of a frame's size.
//!
//! The stream is plain POSIX tar (ustar, GNU's long names where a path needs them), with nothing in it
//! that differs between two runs: no owner, no time but one fixed date.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::buffer_pool::BufferPool;
use super::layout::PayloadEntry;
use super::tar_member;
use crate::digest::{Descriptor, Mismatch, VerifyingReader};
use crate::error::{Error, IoContext, Result};
use crate::path::RelPath;
use crate::progress::Progress;

/// A file with more bytes than this is large.
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
/// unpacked together with what it may not read at all. What is in memory of a file goes when it was written.
///
/// # Errors
/// A file cannot be read, or is not what its size and digest promise.
pub(super) fn stream(
    files: Vec<PayloadFile>,
    frame_bytes: usize,
    pool: &BufferPool,
    progress: &dyn Progress,
    emit: &mut dyn FnMut(Vec<u8>) -> Result<()>,
) -> Result<Vec<PayloadEntry>> {
    let mut cutter = Cutter { piece: pool.take(frame_bytes), frame_bytes, pool, position: 0, emit };
    let mut entries = Vec::with_capacity(files.len());
    let first_large = files.iter().position(|file| file.descriptor.size > LARGE);
    for (place, file) in files.into_iter().enumerate() {
        if first_large == Some(place) {
            cutter.cut()?;
        }
        entries.push(append(&mut cutter, &file, progress)?);
    }
    cutter.put(&tar_member::END)?;
    cutter.cut()?;
    Ok(entries)
}

fn append(cutter: &mut Cutter<'_>, file: &PayloadFile, progress: &dyn Progress) -> Result<PayloadEntry> {
    let Descriptor { digest, size } = file.descriptor;
    let meter = progress.start(file.path.as_str(), Some(size));
    let header = tar_member::header(&file.path, size, file.mode).map_err(|cause| {
        Error::failed("cannot write a tar header").fact("artifact", &file.path).fact("cause", cause)
    })?;
    cutter.put(&header)?;
    let offset = cutter.position;
    let (mut bytes, mut opened, mut stream);
    let (reader, path): (&mut dyn Read, PathBuf) = match &file.content {
        FileContent::Bytes(content) => {
            bytes = content.as_slice();
            (&mut bytes, file.path.as_str().into())
        }
        FileContent::File(path) => {
            opened = File::open(path).doing("open", path)?;
            (&mut opened, path.clone())
        }
        FileContent::Stream(open) => {
            stream = open()?;
            (&mut stream, file.path.as_str().into())
        }
    };
    let mut reader = VerifyingReader::new(reader, file.descriptor);
    loop {
        let count = cutter.fill(&mut reader).map_err(|cause| not_read(&path, file, cause))?;
        if count == 0 {
            break;
        }
        cutter.cut_if_full()?;
        meter.add(count as u64);
    }
    cutter.put(tar_member::padding(size))?;
    meter.done("packed");
    Ok(PayloadEntry { path: file.path.clone(), offset, size, mode: file.mode, digest })
}

fn not_read(path: &Path, file: &PayloadFile, cause: io::Error) -> Error {
    if Mismatch::behind(&cause).is_none() {
        return Error::io("read", path, cause);
    }
    Error::integrity("a file to be packed is not what its digest says")
        .fact("path", path.display())
        .fact("file", &file.path)
        .fact("reason", cause)
        .hint("get what is wrong with 'pack download', let nothing write into the folder, then pack again")
}

/// Collects a stream into pieces of a frame's size.
struct Cutter<'a> {
    piece: Vec<u8>,
    frame_bytes: usize,
    pool: &'a BufferPool,
    /// The number of bytes in the stream so far.
    position: u64,
    emit: &'a mut dyn FnMut(Vec<u8>) -> Result<()>,
}

impl Cutter<'_> {
    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let count = bytes.len().min(self.frame_bytes - self.piece.len());
            self.piece.extend(&bytes[..count]);
            self.position += count as u64;
            bytes = &bytes[count..];
            self.cut_if_full()?;
        }
        Ok(())
    }

    /// Reads a step from `reader` straight into the piece; returns the number of bytes, 0 at the end.
    fn fill(&mut self, reader: &mut dyn Read) -> io::Result<usize> {
        const STEP: usize = 256 * 1024;
        let room = STEP.min(self.frame_bytes - self.piece.len());
        let count = reader.take(room as u64).read_to_end(&mut self.piece)?;
        self.position += count as u64;
        Ok(count)
    }

    fn cut_if_full(&mut self) -> Result<()> {
        if self.piece.len() == self.frame_bytes { self.cut() } else { Ok(()) }
    }

    /// Emits the piece, unless it is empty.
    fn cut(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, self.pool.take(self.frame_bytes));
        (self.emit)(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Gives its bytes one by one, and is interrupted before each.
    struct Interrupted(Vec<u8>, bool);

    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = self.0.len().min(buffer.len()).min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn payload_file(path: &str, content: &'static [u8]) -> PayloadFile {
        let open = move || -> Result<Box<dyn Read + Send>> { Ok(Box::new(Interrupted(content.to_vec(), false))) };
        PayloadFile {
            path: path.parse().expect("a path"),
            mode: 0o644,
            descriptor: Descriptor::of(content),
            content: FileContent::Stream(Box::new(open)),
        }
    }

    #[test]
    fn every_piece_but_the_last_is_full_wherever_a_header_or_padding_ends() {
        let long = "l".repeat(200);
        let files = || vec![payload_file("a", b"some bytes"), payload_file(&long, b""), payload_file("b", &[7; 512])];
        let pieces = |frame_bytes| {
            let mut pieces = Vec::new();
            let emit = &mut |piece| {
                pieces.push(piece);
                Ok(())
            };
            stream(files(), frame_bytes, &BufferPool::default(), &Silent, emit).expect("streamed");
            pieces
        };
        let whole = pieces(1 << 20).concat();
        assert_eq!(whole.len() % 512, 0);
        for frame_bytes in [10, 512, 700, 1_024, whole.len()] {
            let pieces = pieces(frame_bytes);
            assert_eq!(pieces.concat(), whole, "{frame_bytes}");
            assert_eq!(pieces.len(), whole.len().div_ceil(frame_bytes), "{frame_bytes}");
        }
    }
}
