//! Checking a folder: every artifact against its pin, and nothing else in it.

use std::fs::File;
use std::io;
use std::path::Path;

use walkdir::WalkDir;

use super::{Folder, is_own};
use crate::digest::{Digest, Found, Mismatch, VerifyingReader};
use crate::error::{Error, Result, printable};
use crate::manifest::Pinned;
use crate::progress::{Meter, Progress};
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

/// Checks one artifact; `meter` hears of each byte read.
pub fn check(folder: &Folder, pinned: &Pinned<'_>, meter: &dyn Meter) -> Row {
    let mut row = Row {
        name: pinned.name().to_string(),
        state: State::Ok,
        expected_size: pinned.pin.size,
        actual_size: None,
        expected_digest: Some(pinned.pin.digest),
        actual_digest: None,
        cause: None,
    };
    row.state = match examine(&folder.path_of(pinned.name()), pinned, meter, &mut row) {
        Ok(state) => state,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => State::Missing,
        Err(error) => {
            row.cause = Some(printable(&error.to_string()));
            State::Unreadable
        }
    };
    row
}

fn examine(path: &Path, pinned: &Pinned<'_>, meter: &dyn Meter, row: &mut Row) -> io::Result<State> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        // A folder, pipe or device in an artifact's place is not read: a pipe would never end.
        return Ok(State::Mismatch);
    }
    row.actual_size = Some(metadata.len());
    match pinned.pin.size {
        Some(size) if metadata.len() < size => return Ok(State::Truncated),
        Some(size) if metadata.len() > size => return Ok(State::Mismatch),
        _ => {}
    }
    let reader = VerifyingReader::new(File::open(path)?, pinned.pin.for_size(metadata.len()));
    match reader.finish_watched(|bytes| meter.add(bytes)) {
        Ok(_) => {
            row.actual_digest = Some(pinned.pin.digest);
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
        rows.push(Row {
            name: printable(&relative.to_string_lossy()),
            state: State::Unexpected,
            expected_size: None,
            actual_size: entry.metadata().ok().map(|metadata| metadata.len()),
            expected_digest: None,
            actual_digest: None,
            cause: None,
        });
    }
    Ok(rows)
}

fn below<'a>(folder: &Folder, path: &'a Path) -> &'a Path {
    path.strip_prefix(folder.root()).unwrap_or(path)
}
