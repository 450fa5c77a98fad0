//! Checking a folder: every artifact against its pin, and nothing else in it.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use walkdir::WalkDir;

use super::proved_file::{Pieces, ProvedFile};
use super::{Folder, is_own};
use crate::digest::{Descriptor, Digest, Found, Mismatch, VerifyingReader};
use crate::error::{Error, Result, printable};
use crate::manifest::{Pin, Pinned};
use crate::path::RelPath;
use crate::progress::{Meter, Progress, Silent};
use crate::small_file;
use crate::workers;

/// How one file in the folder stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Size and digest are the pinned ones.
    Ok,
    /// It is not there.
    Missing,
    /// It has fewer bytes than pinned.
    Truncated,
    /// Its bytes are not the pinned ones.
    Mismatch,
    /// No artifact of this platform has this name.
    Unexpected,
    /// The system would not give all of its bytes.
    Unreadable,
}

impl State {
    /// The word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Missing => "missing",
            State::Truncated => "truncated",
            State::Mismatch => "mismatch",
            State::Unexpected => "unexpected",
            State::Unreadable => "unreadable",
        }
    }
}

/// One file, how it stands, and what was expected and found.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its path below the folder.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// The pinned size in bytes.
    pub expected_size: Option<u64>,
    /// The size found, in bytes.
    pub actual_size: Option<u64>,
    /// The pinned digest.
    pub expected_digest: Option<Digest>,
    /// The digest found, where the file was read to its end.
    pub actual_digest: Option<Digest>,
    /// What the system said, for an unreadable file.
    pub cause: Option<String>,
}

impl Row {
    /// The row of an artifact that is as pinned.
    pub fn ok(name: impl Display, pin: Pin) -> Self {
        Row {
            name: name.to_string(),
            state: State::Ok,
            expected_size: pin.size,
            actual_size: pin.size,
            expected_digest: Some(pin.digest),
            actual_digest: Some(pin.digest),
            cause: None,
        }
    }

    /// The row of the file at `path`, called `name`, that no artifact is.
    pub(super) fn unexpected(path: &Path, name: &str) -> Self {
        Row {
            name: printable(name),
            state: State::Unexpected,
            expected_size: None,
            actual_size: std::fs::symlink_metadata(path).ok().map(|metadata| metadata.len()),
            expected_digest: None,
            actual_digest: None,
            cause: None,
        }
    }
}

/// Checks every artifact in `selection` on all cores, then looks for files that should not be there.
/// Rows come in the selection's order, unexpected files after them by name.
///
/// # Errors
/// The folder itself cannot be listed; a file that cannot be read is a row.
pub fn verify(folder: &Folder, selection: &[Pinned<'_>], progress: &dyn Progress) -> Result<Vec<Row>> {
    progress.plan(selection.len(), selection.iter().map(|pinned| pinned.pin.size).sum());
    // The largest first keeps all cores busy to the end.
    let mut order: Vec<usize> = (0..selection.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(selection[place].pin.size));
    let mut rows: Vec<(usize, Row)> = Vec::with_capacity(order.len());
    workers::ordered(
        workers::cores(),
        |emit| order.iter().try_for_each(|&place| emit(place)),
        |place| {
            let pinned = &selection[place];
            let meter = progress.start(pinned.name().as_str(), pinned.pin.size);
            let row = check(folder, pinned, meter.as_ref());
            meter.done(row.state.as_str());
            Ok((place, row))
        },
        |row| {
            rows.push(row);
            Ok(())
        },
    )?;
    rows.sort_by_key(|(place, _)| *place);
    let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    rows.extend(unexpected(folder, selection)?);
    Ok(rows)
}

/// What an artifact's size alone says of it; nothing is read.
pub fn glance(folder: &Folder, name: &RelPath, pin: Pin) -> State {
    row(name, pin, |row| Ok(opened(&folder.path_of(name), pin, row)?.err().unwrap_or(State::Ok))).state
}

/// Checks one artifact; `meter` hears of each byte read.
pub fn check(folder: &Folder, pinned: &Pinned<'_>, meter: &dyn Meter) -> Row {
    let path = folder.path_of(pinned.name());
    row(pinned.name(), pinned.pin, |row| match opened(&path, pinned.pin, row)? {
        Ok((file, expected)) => compared(file, expected, meter, row),
        Err(state) => Ok(state),
    })
}

/// As [`check`], of the file at `path`, called `name`.
pub(super) fn row_of_file(path: &Path, name: &str, pin: Pin) -> Row {
    row(name, pin, |row| match opened(path, pin, row)? {
        Ok((file, expected)) => compared(file, expected, &Silent, row),
        Err(state) => Ok(state),
    })
}

/// As [`check`], of the artifact `name` with this pin. What is right stays open, to be read.
pub fn prove(folder: &Folder, name: &RelPath, pin: Pin, meter: &dyn Meter) -> (Row, Option<ProvedFile>) {
    let path = folder.path_of(name);
    let mut proved = None;
    let row = row(name, pin, |row| match opened(&path, pin, row)? {
        Ok((file, expected)) => {
            let mut pieces = Pieces::default();
            let state = compared(pieces.of(&file), expected, meter, row)?;
            proved = Some(ProvedFile::new(file, path.clone(), expected.size, pieces));
            Ok(state)
        }
        Err(state) => Ok(state),
    });
    let proved = proved.filter(|_| row.state == State::Ok);
    (row, proved)
}

/// What `examine` says of the artifact `name`.
fn row(name: impl Display, pin: Pin, examine: impl FnOnce(&mut Row) -> io::Result<State>) -> Row {
    let mut row = Row { actual_size: None, actual_digest: None, ..Row::ok(name, pin) };
    row.state = match examine(&mut row) {
        Ok(state) => state,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => State::Missing,
        Err(error) => {
            row.cause = Some(printable(&error.to_string()));
            State::Unreadable
        }
    };
    row
}

/// Opens what can be what is pinned, or says what it is.
fn opened(path: &Path, pin: Pin, row: &mut Row) -> io::Result<Result<(File, Descriptor), State>> {
    // A folder, pipe or device in an artifact's place is not read: a pipe would never end.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Err(State::Mismatch));
    }
    let file = small_file::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(Err(State::Mismatch)); // it has taken the place of a file meanwhile
    }
    row.actual_size = Some(found.len());
    Ok(match pin.size {
        Some(size) if found.len() < size => Err(State::Truncated),
        Some(size) if found.len() > size => Err(State::Mismatch),
        _ => Ok((file, pin.for_size(found.len()))),
    })
}

fn compared(file: impl Read, expected: Descriptor, meter: &dyn Meter, row: &mut Row) -> io::Result<State> {
    match VerifyingReader::new(file, expected).finish_watched(|bytes| meter.add(bytes)) {
        Ok(_) => {
            row.actual_digest = Some(expected.digest);
            Ok(State::Ok)
        }
        Err(error) => match Mismatch::behind(&error).map(|mismatch| mismatch.found) {
            None => Err(error),
            Some(Found::Different(digest)) => {
                row.actual_digest = Some(digest);
                Ok(State::Mismatch)
            }
            // Somebody writes to it meanwhile.
            Some(Found::Shorter(size)) => {
                row.actual_size = Some(size);
                Ok(State::Truncated)
            }
            Some(Found::Longer) => Ok(State::Mismatch),
        },
    }
}

fn unexpected(folder: &Folder, selection: &[Pinned<'_>]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let walk = WalkDir::new(folder.root()).min_depth(1).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| !is_own(below(folder, entry.path()))) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder.root()).to_owned();
            Error::io("list the folder", &path, error.into())
        })?;
        let relative = below(folder, entry.path());
        if entry.file_type().is_dir() || selection.iter().any(|pinned| Path::new(pinned.name().as_str()) == relative) {
            continue;
        }
        rows.push(Row::unexpected(entry.path(), &relative.to_string_lossy()));
    }
    Ok(rows)
}

fn below<'a>(folder: &Folder, path: &'a Path) -> &'a Path {
    path.strip_prefix(folder.root()).unwrap_or(path)
}
