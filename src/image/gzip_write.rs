//! Writing a gzip file again from its text and records, on all cores.

use std::io::{self, Read, Write};

use super::bit_reader::cut_short;
use super::corrections::Corrected;
use super::inflate::WINDOW;
use super::recipe::Record;
use crate::error::{Error, Result};
use crate::workers;

/// Writes the gzip file that `records` describe, on all cores; its text comes from `text`.
pub(super) fn write(
    records: &[Record],
    mut text: impl Read + Send,
    out: &mut dyn Write,
    fault: &(dyn Fn(io::Error) -> Error + Sync),
) -> Result<()> {
    enum Job<'a> {
        Verbatim(&'a [u8]),
        Piece { corrected: &'a Corrected, text: Vec<u8>, history: usize },
    }
    let mut joined = Joiner::new(out);
    workers::ordered(
        workers::cores(),
        |emit| {
            let mut history = Vec::new();
            for record in records {
                match record {
                    Record::Verbatim(bytes) => {
                        history.clear();
                        emit(Job::Verbatim(bytes))?;
                    }
                    Record::Piece(corrected) => {
                        let mut all = std::mem::take(&mut history);
                        let before = all.len();
                        let read = (&mut text).take(corrected.text).read_to_end(&mut all).map_err(fault)?;
                        if read as u64 != corrected.text {
                            return Err(fault(cut_short()));
                        }
                        history = all[all.len() - all.len().min(WINDOW)..].to_vec();
                        emit(Job::Piece { corrected, text: all, history: before })?;
                    }
                }
            }
            Ok(())
        },
        |job| match job {
            Job::Verbatim(bytes) => Ok((bytes.to_vec(), None)),
            Job::Piece { corrected, text, history } => {
                let bytes = corrected.write(&text, history).ok_or_else(|| {
                    fault(io::Error::new(io::ErrorKind::InvalidData, "the corrections do not fit the text"))
                })?;
                Ok((bytes, Some((corrected.first_bit, corrected.bits))))
            }
        },
        |(bytes, place)| {
            match place {
                None => joined.verbatim(&bytes),
                Some((first_bit, bits)) => joined.piece(bytes, first_bit, bits),
            }
            .map_err(fault)
        },
    )?;
    joined.finish().map(drop).map_err(fault)
}

/// Joins pieces that begin and end within bytes.
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

    pub(super) fn piece(&mut self, mut bytes: Vec<u8>, first_bit: u32, bits: u64) -> io::Result<()> {
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
