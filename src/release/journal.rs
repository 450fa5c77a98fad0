//! What a partial's file holds, written down beside it.
//!
//! A download in several ranges leaves holes, so a file's length says nothing. Each line of the journal
//! is a fact that stays true; the last line may be torn by a kill and then counts for nothing:
//!
//! ```text
//! held 0 4194304              these bytes are in the file
//! from <sha256 of a URL> "etag"   where they come from, and the server's word for that state of it
//! ```
//!
//! A power cut may keep the line and lose the bytes; the digest at the end finds that.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::extents::Extents;
use crate::digest::Digest;
use crate::error::{IoContext, Result};
use crate::own_file;
use crate::staged_file::StagedFile;

/// A stream is recorded each time this many bytes were received: what a kill costs at most.
const STEP: u64 = 256 << 10;

/// Where bytes came from: the URL's digest (a URL may carry a secret) and the server's validator, an
/// `ETag` or `Last-Modified`, for that state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The SHA-256 digest of the URL's text.
    pub url: Digest,
    /// What to send as `If-Range`.
    pub validator: Option<String>,
}

/// The journal of one partial, open for appending.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Came since they were last written down; one run a stream.
    unwritten: Vec<Range<u64>>,
}

impl Journal {
    /// Reads the journal at `path` and starts a new one with what it said.
    pub(super) fn open(path: PathBuf, file_length: u64) -> Result<(Self, Extents, Option<Origin>)> {
        let (mut held, origin) = read(&path);
        held.clip(file_length);
        let mut text: String = held.iter().map(line_held).collect();
        text.extend(origin.as_ref().map(line_from));
        let mut fresh = StagedFile::create(&path)?;
        fresh.write_all(text.as_bytes()).doing("write", &path)?;
        // A power cut that loses it costs the partial and nothing else.
        let file = fresh.place_open(0o600)?;
        Ok((Journal { file, path, unwritten: Vec::new() }, held, origin))
    }

    /// These bytes are in the file now.
    pub(super) fn held(&mut self, range: Range<u64>) -> Result<()> {
        let run = match self.unwritten.iter().position(|run| run.end == range.start) {
            Some(place) => {
                self.unwritten[place].end = range.end;
                place
            }
            None => {
                self.unwritten.push(range);
                self.unwritten.len() - 1
            }
        };
        if self.unwritten[run].end - self.unwritten[run].start < STEP {
            return Ok(());
        }
        let run = self.unwritten.swap_remove(run);
        self.append(&line_held(&run))
    }

    /// The bytes from now on come from there.
    pub(super) fn from(&mut self, origin: &Origin) -> Result<()> {
        self.append(&line_from(origin))
    }

    /// Writes down everything that came.
    pub(super) fn flush(&mut self) -> Result<()> {
        let text: String = std::mem::take(&mut self.unwritten).iter().map(line_held).collect();
        self.append(&text)
    }

    /// Nothing is held any more.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.unwritten.clear();
        self.file.set_len(0).and_then(|()| self.file.rewind()).doing("empty", &self.path)
    }

    /// Removes the journal's file.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).doing("remove", &self.path)
    }

    fn append(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).doing("write", &self.path)
    }
}

fn line_held(range: &Range<u64>) -> String {
    format!("held {} {}\n", range.start, range.end)
}

fn line_from(origin: &Origin) -> String {
    format!("from {} {}\n", origin.url.hex(), origin.validator.as_deref().unwrap_or_default())
}

/// What the lines say; one that cannot be read ends the reading, for what follows it is not to be trusted.
fn read(path: &Path) -> (Extents, Option<Origin>) {
    let (mut held, mut origin) = (Extents::default(), None);
    let mut text = String::new();
    // What cannot be read, or is another's, says nothing.
    if own_file::open(path).and_then(|mut file| file.read_to_string(&mut text)).is_err() {
        return (held, origin);
    }
    for line in text.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else { break };
        if let Some((url, validator)) = line.strip_prefix("from ").and_then(|rest| rest.split_once(' ')) {
            let Ok(url) = format!("sha256:{url}").parse() else { break };
            origin = Some(Origin { url, validator: Some(validator.to_owned()).filter(|known| !known.is_empty()) });
        } else if let Some((start, end)) = line.strip_prefix("held ").and_then(|rest| rest.split_once(' ')) {
            let (Ok(start), Ok(end)) = (start.parse(), end.parse()) else { break };
            held.insert(start..end);
        } else {
            break;
        }
    }
    (held, origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_counts_for_nothing_and_spoils_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.journal");
        let origin = Origin { url: Digest::of(b"u"), validator: Some("\"a b\"".into()) };
        let (mut journal, held, none) = Journal::open(path.clone(), 100).expect("opened");
        assert_eq!((held.total(), none), (0, None));
        journal.held(0..10).expect("taken in");
        journal.held(50..60).expect("taken in");
        journal.held(10..20).expect("taken in");
        journal.from(&origin).expect("written");
        journal.flush().expect("written");
        journal.append("held 20 40").expect("written");
        let (mut journal, held, known) = Journal::open(path.clone(), 55).expect("opened");
        assert_eq!(held.iter().cloned().collect::<Vec<_>>(), [0..20, 50..55], "clipped to the file's length");
        assert_eq!(known, Some(origin));
        journal.append("held 20 30\n").expect("written");
        assert_eq!(Journal::open(path, 100).expect("opened").1.head(), 30);
    }

    #[test]
    fn a_stream_is_recorded_each_time_a_step_of_it_was_received() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.journal");
        let (mut journal, ..) = Journal::open(path.clone(), 0).expect("opened");
        let recorded = || fs::read_to_string(&path).expect("read");
        let start = 3 * STEP;
        journal.held(start..start + STEP - 1).expect("taken in");
        assert_eq!(recorded(), "");
        journal.held(start + STEP - 1..start + STEP).expect("written");
        let first = line_held(&(start..start + STEP));
        assert_eq!(recorded(), first);
        journal.held(start + STEP..start + STEP + 1).expect("taken in");
        assert_eq!(recorded(), first, "the next step begins where this one ended");
        journal.held(start + STEP + 1..start + 3 * STEP).expect("written");
        assert_eq!(recorded(), first + &line_held(&(start + STEP..start + 3 * STEP)));
    }
}
