//! The error for files of a folder that are not what is pinned.

use super::{Folder, Row, State};
use crate::digest::Digest;
use crate::error::Error;
use crate::language::tr;

/// All of `wrong` are named, with what was expected, what was found, and where to get each. Where files are missing and no
/// other is there in the place of one, that is no fault of integrity. The caller adds what to do.
pub fn not_as_pinned(folder: &Folder, wrong: &[(Row, Option<String>)]) -> Error {
    let title = tr!("files that are needed are missing from the folder, or are not the right ones");
    let is_stale = wrong.iter().any(|(row, _)| row.state != State::Missing);
    let error = if is_stale { Error::integrity(title) } else { Error::failed(title) };
    let error = error.fact("folder", folder.root().display());
    wrong.iter().fold(error, |error, (row, url)| {
        let error = error.fact("file", format_args!("{}: {}", row.name, found(row)));
        url.iter().fold(error, |error, url| error.fact("url", url))
    })
}

/// What was expected, and what was found.
fn found(row: &Row) -> String {
    let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
    let size = row.expected_size.map_or_else(String::new, |size| tr!("{} bytes, ", size));
    let expected = tr!("expected {}{}", size, digest(row.expected_digest));
    match (&row.state, row.actual_digest, row.actual_size) {
        (State::Missing, ..) => tr!("missing; {expected}", expected),
        (State::Unreadable, ..) => {
            tr!("it cannot be read ({}); {expected}", row.cause.as_deref().unwrap_or_default(), expected)
        }
        (_, Some(actual), _) => tr!("{expected}; found {actual}", expected, actual),
        (_, None, Some(size)) => tr!("{expected}; found {} bytes", size, expected),
        (_, None, None) => tr!("{expected}; found what is not a file", expected),
    }
}
