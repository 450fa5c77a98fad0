//! An artifact's decompressed content, readable from any place.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use lzma_rust2::XzReader;
use serde::{Deserialize, Serialize};

use super::gzip::{ContentReader, Point};
use super::limits::ImageLimits;

/// The size of the pieces in which compressed files are read, in bytes.
const BUFFER: usize = 256 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
}

impl Codec {
    /// What the first bytes of a file say; `None` where it is not compressed.
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, ..] => Some(Codec::Gzip),
            // A skippable frame may come first, as pzstd writes it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Codec::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Codec::Xz),
            _ => None,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Xz => "xz",
        }
    }

    /// The decompressed content of `source`, from its first byte on.
    pub(super) fn decoder<'a>(
        self,
        source: impl Read + Send + 'a,
        limits: &ImageLimits,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        // Boxed, so that a program has each decoder once, whatever it reads from.
        let source: Box<dyn Read + Send + 'a> = Box::new(source);
        let source = BufReader::with_capacity(BUFFER, Uninterrupted(source));
        Ok(match self {
            Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Codec::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
            Codec::Xz => Box::new(XzReader::new_mem_limit(source, true, limits.xz_memory_kib)),
        })
    }
}

/// Reads again when reading was interrupted: not every decoder can go on after that.
struct Uninterrupted<R>(R);

impl<R: Read> Read for Uninterrupted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

/// Where an artifact's decompressed content can be read.
#[derive(Debug, Clone)]
pub(super) struct ArtifactContent {
    pub(super) path: PathBuf,
    /// How the artifact is compressed; `None` where it is not.
    pub(super) codec: Option<Codec>,
    /// For gzip: from where reading can start.
    pub(super) points: Vec<Point>,
    pub(super) limits: ImageLimits,
}

impl ArtifactContent {
    /// Opens the content at byte `offset`.
    ///
    /// # Errors
    /// The artifact cannot be read, or its compressed bytes are wrong.
    pub(super) fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        match self.codec {
            None => {
                file.seek(SeekFrom::Start(offset))?;
                Ok(Box::new(file))
            }
            Some(Codec::Gzip) => Ok(Box::new(ContentReader::open(file, &self.points, offset)?)),
            Some(codec) => {
                let mut reader = codec.decoder(file, &self.limits)?;
                io::copy(&mut (&mut reader).take(offset), &mut io::sink())?;
                Ok(reader)
            }
        }
    }
}

/// The content of a file exactly as [`super::analyse()`] reads it: unlike [`without_compression`] it takes zeros after
/// the last member of a gzip file, as `gzip -d` does. `source` is read from its first byte.
///
/// # Errors
/// It cannot be read, or its compression needs too much memory.
pub fn content_of<'a>(mut source: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    match Codec::of(peek(&mut source)?) {
        // Boxed, as above.
        Some(Codec::Gzip) => Ok(Box::new(ContentReader::start(Box::new(source) as Box<dyn Read + Send + 'a>)?)),
        Some(codec) => codec.decoder(source, &ImageLimits::DEFAULT),
        None => Ok(Box::new(source)),
    }
}

/// The content of a file without its compression, if it has one of those that are known. `source` is read from its
/// first byte.
///
/// # Errors
/// It cannot be read, or its compression needs too much memory.
pub fn without_compression<'a>(mut source: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let codec = Codec::of(peek(&mut source)?);
    match codec {
        Some(codec) => codec.decoder(source, &ImageLimits::DEFAULT),
        None => Ok(Box::new(source)),
    }
}

/// The first bytes of `source`, which are read again after this.
fn peek(source: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = source.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    source.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::interrupting::Interrupting;

    /// "abc", a thousand times, as `xz` compresses it.
    const XZ: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a3e00bb700185d00309888ad4b3712a33185ddfa5304edebdf42b812c33b59d800ba03e5b57e0d8f26000134b81700000095bdc7b1b1c467fb020000000004595a";

    #[test]
    fn an_interrupted_read_fails_no_decoder() {
        use std::io::Write;
        let content = b"abc".repeat(1_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).expect("memory");
        let hex = |at: usize| u8::from_str_radix(&XZ[at..at + 2], 16).expect("hexadecimal");
        let xz: Vec<u8> = (0..XZ.len()).step_by(2).map(hex).collect();
        for packed in [gzip.finish().expect("memory"), zstd::bulk::compress(&content, 1).expect("memory"), xz] {
            let codec = Codec::of(&packed).expect("compressed");
            let mut decoder = codec.decoder(Interrupting::new(&packed), &ImageLimits::DEFAULT).expect("memory enough");
            let mut found = Vec::new();
            decoder.read_to_end(&mut found).unwrap_or_else(|error| panic!("{}: {error}", codec.name()));
            assert!(found == content, "{}", codec.name());
        }
    }
}
