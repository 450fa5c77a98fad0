//! The digest of a member's decompressed content, found while the compressed bytes are pushed in.

use std::io::{Sink, Write, sink};

use flate2::write::MultiGzDecoder;

use super::content::Codec;
use crate::digest::{BoundedWriter, Descriptor, HashingWriter};

type Output = HashingWriter<BoundedWriter<Sink>>;

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
    /// The unpacker for a file that starts with `first`; `None` where it is not compressed, or not with a codec that
    /// layers have. At most `limit` bytes of content are taken.
    pub(super) fn for_content(first: &[u8], limit: u64) -> Option<Self> {
        let output = HashingWriter::new(BoundedWriter::new(sink(), limit));
        let decoder = match Codec::of(first)? {
            Codec::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(output))),
            Codec::Zstd => Decoder::Zstd(Box::new(zstd::stream::write::Decoder::new(output).ok()?)),
            Codec::Xz => return None,
        };
        Some(Unpacker { decoder, failed: None })
    }

    /// How the file is compressed.
    pub(super) fn codec(&self) -> Codec {
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

    /// Digest and size of the content, when the whole file was pushed in; or the reason why there is none.
    pub(super) fn finish(self) -> Result<Descriptor, String> {
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
        Ok(output.finish().1)
    }
}
