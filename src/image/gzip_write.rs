//! Writing a gzip file again from its content and records, on all cores.

use std::io::{self, Read, Write};

use super::limits::SMALL_RECIPE;
use super::recipe::Record;
use crate::error::{Error, Result};
use crate::workers;
use redeflate::{Context, LOOKAHEAD, Reconstruction, WINDOW, truncated};

/// The most chunks that are compressed at a time. Each takes some 24 MiB with its content, and what waits for its turn
/// half of that: on a host of many cores this stays within the 300 MiB that a site is promised.
const AT_A_TIME: usize = 4;

/// On how many cores a file with a recipe of so many bytes is rebuilt.
pub(super) fn cores_beside(recipe: u64) -> usize {
    if recipe > SMALL_RECIPE { 1 } else { workers::cores().min(AT_A_TIME) }
}

/// Writes the gzip file that `records` describe, on `cores`; its content comes from `content`.
pub(super) fn write(
    cores: usize,
    records: &[Record],
    mut content: impl Read + Send,
    out: &mut dyn Write,
    fault: &(dyn Fn(io::Error) -> Error + Sync),
) -> Result<()> {
    enum WriteJob<'a> {
        Verbatim(&'a [u8]),
        Chunk { reconstruction: &'a Reconstruction, context: Context },
    }
    let mut joined = Joiner::new(out);
    workers::ordered(
        cores,
        |emit| {
            // The content at hand: from before, and what was looked at ahead.
            let (mut at_hand, mut history, mut offset) = (Vec::new(), 0, 0);
            for (place, record) in records.iter().enumerate() {
                let reconstruction = match record {
                    Record::Verbatim(bytes) => {
                        (at_hand, history, offset) = (Vec::new(), 0, 0);
                        emit(WriteJob::Verbatim(bytes))?;
                        continue;
                    }
                    Record::Chunk(reconstruction) => reconstruction,
                };
                let own = reconstruction.content_size as usize;
                let ahead = match records.get(place + 1) {
                    Some(Record::Chunk(next)) => (next.content_size as usize).min(LOOKAHEAD),
                    _ => 0,
                };
                let wanted = history + own + ahead;
                let missing = (wanted - at_hand.len().min(wanted)) as u64;
                (&mut content).take(missing).read_to_end(&mut at_hand).map_err(fault)?;
                if at_hand.len() != wanted {
                    return Err(fault(truncated()));
                }
                let from = (history + own).saturating_sub(WINDOW);
                let kept = at_hand[from..].to_vec();
                emit(WriteJob::Chunk { reconstruction, context: Context { content: at_hand, history, own, offset } })?;
                (at_hand, history) = (kept, history + own - from);
                offset += own as u64;
            }
            // Content that no record uses is not in the file, even if it is read elsewhere.
            match (&mut content).take(1).read_to_end(&mut Vec::new()).map_err(fault)? {
                0 => Ok(()),
                _ => {
                    Err(fault(io::Error::new(io::ErrorKind::InvalidData, "the content is longer than its records use")))
                }
            }
        },
        |job| match job {
            WriteJob::Verbatim(bytes) => Ok((bytes.to_vec(), None)),
            WriteJob::Chunk { reconstruction, context } => {
                let bytes = reconstruction.write(&context).ok_or_else(|| {
                    fault(io::Error::new(io::ErrorKind::InvalidData, "the corrections do not fit the content"))
                })?;
                Ok((bytes, Some((reconstruction.first_bit, reconstruction.bits))))
            }
        },
        |(bytes, place)| {
            match place {
                None => joined.verbatim(&bytes),
                Some((first_bit, bits)) => joined.chunk(bytes, first_bit, bits),
            }
            .map_err(fault)
        },
    )?;
    joined.finish().map(drop).map_err(fault)
}

/// Joins chunks that begin and end within bytes.
pub(super) struct Joiner<W> {
    out: W,
    begun: Option<u8>,
}

impl<W: Write> Joiner<W> {
    pub(super) fn new(out: W) -> Self {
        Joiner { out, begun: None }
    }

    fn flush_begun(&mut self) -> io::Result<()> {
        match self.begun.take() {
            Some(byte) => self.out.write_all(&[byte]),
            None => Ok(()),
        }
    }

    pub(super) fn verbatim(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush_begun()?;
        self.out.write_all(bytes)
    }

    pub(super) fn chunk(&mut self, mut bytes: Vec<u8>, first_bit: u32, bits: u64) -> io::Result<()> {
        if first_bit == 0 {
            self.flush_begun()?;
        } else if let (Some(begun), Some(first)) = (self.begun.take(), bytes.first_mut()) {
            *first |= begun;
        }
        if !(u64::from(first_bit) + bits).is_multiple_of(8) {
            self.begun = bytes.pop();
        }
        self.out.write_all(&bytes)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.flush_begun()?;
        Ok(self.out)
    }
}
