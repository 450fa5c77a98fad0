//! An artifact's content without its outer compression, readable from any place.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use lzma_rust2::XzReader;

use super::archive::Compression;
use super::gzip::{Point, TextReader};
use super::limits::Limits;

/// How a whole artifact is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outer {
    Plain,
    Gzip,
    Zstd,
    Xz,
}

impl Outer {
    /// What the first bytes of a file say.
    pub(super) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Outer::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Outer::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Outer::Xz,
            _ => Outer::Plain,
        }
    }

    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Outer::Plain => "none",
            Outer::Gzip => "gzip",
            Outer::Zstd => "zstd",
            Outer::Xz => "xz",
        }
    }

    /// The content of `source` read from its begin, for the forms that need nothing more.
    pub(super) fn reader<'a>(
        self,
        source: impl Read + Send + 'a,
        limits: &Limits,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Outer::Plain => Box::new(source),
            Outer::Gzip => Box::new(flate2::read::MultiGzDecoder::new(source)),
            Outer::Zstd => Box::new(zstd::stream::read::Decoder::new(source)?),
            Outer::Xz => Box::new(XzReader::new_mem_limit(source, true, limits.xz_memory_kib)),
        })
    }
}

/// Where an artifact's content can be read.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) outer: Outer,
    /// For gzip: from where reading can begin.
    pub(super) points: Vec<Point>,
    pub(super) limits: Limits,
}

impl Text {
    /// The content from byte `offset` on.
    pub(super) fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        match self.outer {
            Outer::Plain => {
                file.seek(SeekFrom::Start(offset))?;
                Ok(Box::new(file))
            }
            Outer::Gzip => Ok(Box::new(TextReader::open(file, &self.points, offset)?)),
            other => {
                let mut reader = other.reader(BufReader::with_capacity(256 << 10, file), &self.limits)?;
                io::copy(&mut (&mut reader).take(offset), &mut io::sink())?;
                Ok(reader)
            }
        }
    }
}

/// `source` without its compression.
pub(super) fn unpacked<'a>(
    source: Box<dyn Read + Send + 'a>,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(source)?),
    })
}

/// The content of an archive without the compression around it, whatever that is; `source` is read from its begin.
///
/// # Errors
/// It cannot be read, or its compression asks for too much memory.
pub fn without_compression<'a>(mut source: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let outer = Outer::of(source.fill_buf()?);
    outer.reader(source, &Limits::DEFAULT)
}
