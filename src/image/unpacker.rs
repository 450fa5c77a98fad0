//! The digest of a member's decompressed content, found while the compressed bytes are pushed in.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::content::Codec;
use super::sniff::HEAD;
use crate::digest::{BoundedWriter, Descriptor, HashingWriter};

type Output = HashingWriter<BoundedWriter<Head>>;

/// The decompressed content of a member.
#[derive(Debug, Clone)]
pub(super) struct Decompressed {
    /// How the member is compressed.
    pub(super) codec: Codec,
    /// Digest and size of the content.
    pub(super) content: Descriptor,
    /// The codec of a second compression inside; `None` where there is none.
    pub(super) inner: Option<Codec>,
}

/// Keeps the first bytes of what is written.
struct Head(Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend(bytes.iter().take(HEAD - self.0.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses what is pushed in and keeps nothing but its digest and size.
pub(super) struct Unpacker {
    decoder: Decoder,
    failed: Option<String>,
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Output>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Output>>),
}

impl Unpacker {
    /// The unpacker for a file that is compressed like this, and has at most `limit` bytes of content.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub(super) fn new(codec: Codec, limit: u64) -> Result<Self, String> {
        let output = HashingWriter::new(BoundedWriter::new(Head(Vec::new()), limit));
        let decoder = match codec {
            Codec::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(output))),
            Codec::Zstd => {
                Decoder::Zstd(Box::new(zstd::stream::write::Decoder::new(output).map_err(|error| error.to_string())?))
            }
            Codec::Xz => return Err("it is compressed with xz, and layers are read under gzip and zstd".to_owned()),
        };
        Ok(Unpacker { decoder, failed: None })
    }

    fn codec(&self) -> Codec {
        match self.decoder {
            Decoder::Gzip(_) => Codec::Gzip,
            Decoder::Zstd(_) => Codec::Zstd,
        }
    }

    /// Takes the next bytes of the file.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let outcome = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.write_all(bytes),
            Decoder::Zstd(decoder) => decoder.write_all(bytes),
        };
        self.failed = outcome.err().map(|error| error.to_string());
    }

    /// The content, when the whole file was pushed in; or the reason why there is none.
    pub(super) fn finish(self) -> Result<Decompressed, String> {
        let codec = self.codec();
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let output = match self.decoder {
            Decoder::Gzip(decoder) => decoder.finish().map_err(|error| error.to_string())?,
            Decoder::Zstd(mut decoder) => {
                decoder.flush().map_err(|error| error.to_string())?;
                decoder.into_inner()
            }
        };
        let (head, content) = output.finish();
        Ok(Decompressed { codec, content, inner: Codec::of(&head.into_inner().0) })
    }
}
