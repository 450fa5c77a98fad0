//! Comparing a bundle's whole tar stream with its index, so that `tar -x` and `pack extract` write the same files.

use std::io::{self, Write};

use super::frame_cache::damaged;
use super::layout::PayloadEntry;
use super::read::Bundle;
use super::tar_member::{END, header, padding};
use crate::digest::{Mismatch, VerifyingWriter};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::workers;

/// Unpacks every frame and checks that the tar stream is what `pack` writes for the index's entries: headers, contents
/// (each against its digest), padding and the end, and nothing else.
///
/// # Errors
/// A byte is another one, is missing or is too many; or a frame is damaged or cannot be read.
pub(super) fn check_stream(bundle: &Bundle, progress: &dyn Progress) -> Result<()> {
    let index = bundle.index();
    let meter = progress.start("tar stream", Some(index.raw_size));
    let mut check = StreamCheck { bundle, entries: index.entries.iter(), at: 0, expected: Expected::Nothing };
    check.expected = check.next_entry()?;
    workers::ordered(
        bundle.cores(),
        |emit| (0..index.frames.len()).try_for_each(emit),
        |number| bundle.decode(number),
        |raw| {
            meter.add(raw.len() as u64);
            check.feed(&raw)
        },
    )?;
    check.finish()?;
    meter.done("ok");
    Ok(())
}

/// What comes next in the stream.
enum Expected<'a> {
    /// Bytes of framing, of which `seen` were compared.
    Framing { bytes: Vec<u8>, seen: usize, then: Then<'a> },
    /// `left` bytes of an entry's content.
    Content { left: u64, writer: VerifyingWriter<io::Sink>, entry: &'a PayloadEntry },
    /// Nothing: the stream has ended.
    Nothing,
}

/// What follows framing.
#[derive(Clone, Copy)]
enum Then<'a> {
    Content(&'a PayloadEntry),
    NextEntry,
    Nothing,
}

impl<'a> Then<'a> {
    fn entry(self) -> Option<&'a PayloadEntry> {
        match self {
            Then::Content(entry) => Some(entry),
            Then::NextEntry | Then::Nothing => None,
        }
    }
}

struct StreamCheck<'a> {
    bundle: &'a Bundle,
    entries: std::slice::Iter<'a, PayloadEntry>,
    /// The number of bytes compared.
    at: u64,
    expected: Expected<'a>,
}

impl<'a> StreamCheck<'a> {
    /// The header of the next entry, or the end of the stream.
    fn next_entry(&mut self) -> Result<Expected<'a>> {
        let Some(entry) = self.entries.next() else {
            return Ok(Expected::Framing { bytes: END.to_vec(), seen: 0, then: Then::Nothing });
        };
        let bytes = header(&entry.path, entry.size, entry.mode)
            .map_err(|cause| self.wrong("has a path that no tar header takes", Some(entry)).fact("cause", cause))?;
        if entry.offset != self.at + bytes.len() as u64 {
            return Err(self.wrong("has a file at another place than the index says", Some(entry)));
        }
        Ok(Expected::Framing { bytes, seen: 0, then: Then::Content(entry) })
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let count = match &mut self.expected {
                Expected::Nothing => return Err(self.wrong("is followed by other bytes", None)),
                Expected::Framing { bytes: framing, seen, then } => {
                    let count = bytes.len().min(framing.len() - *seen);
                    if bytes[..count] != framing[*seen..*seen + count] {
                        let entry = then.entry();
                        return Err(self.wrong("has another tar header, padding or end than pack writes", entry));
                    }
                    *seen += count;
                    count
                }
                Expected::Content { left, writer, entry } => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    writer
                        .write_all(&bytes[..count])
                        .map_err(|cause| self.bundle.entry_damaged(entry, Mismatch::behind(&cause)))?;
                    *left -= count as u64;
                    count
                }
            };
            self.at += count as u64;
            bytes = &bytes[count..];
            self.advance()?;
        }
        Ok(())
    }

    /// Moves on as long as everything expected has been seen.
    fn advance(&mut self) -> Result<()> {
        loop {
            match &self.expected {
                Expected::Framing { bytes, seen, .. } if *seen < bytes.len() => return Ok(()),
                Expected::Content { left, .. } if *left > 0 => return Ok(()),
                Expected::Nothing => return Ok(()),
                Expected::Framing { .. } | Expected::Content { .. } => {}
            }
            self.expected = match std::mem::replace(&mut self.expected, Expected::Nothing) {
                Expected::Framing { then: Then::Content(entry), .. } => {
                    let writer = VerifyingWriter::new(io::sink(), entry.descriptor());
                    Expected::Content { left: entry.size, writer, entry }
                }
                Expected::Content { writer, entry, .. } => {
                    writer.finish().map_err(|mismatch| self.bundle.entry_damaged(entry, Some(&mismatch)))?;
                    Expected::Framing { bytes: padding(entry.size).to_vec(), seen: 0, then: Then::NextEntry }
                }
                Expected::Framing { then: Then::NextEntry, .. } => self.next_entry()?,
                Expected::Framing { then: Then::Nothing, .. } | Expected::Nothing => Expected::Nothing,
            };
        }
    }

    fn finish(self) -> Result<()> {
        match self.expected {
            Expected::Nothing => Ok(()),
            Expected::Framing { then, .. } => Err(self.wrong("ends too early", then.entry())),
            Expected::Content { entry, .. } => Err(self.wrong("ends too early", Some(entry))),
        }
    }

    fn wrong(&self, why: &str, entry: Option<&PayloadEntry>) -> Error {
        let error = damaged(self.bundle.path(), format_args!("its tar stream {why}")).fact("offset", self.at);
        match entry {
            Some(entry) => error.fact("file", &entry.path),
            None => error,
        }
    }
}
