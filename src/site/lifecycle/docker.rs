//! Orders to the container engine: what changes something, and says why where it does not.

use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::site::question::listen;

/// How long an order may take.
const LONGEST: Duration = Duration::from_secs(600);
/// How much of what it complains of is read, in bytes.
const MOST_COMPLAINT: u64 = 16 << 10;

/// What `docker` says to an order that it carries out.
///
/// # Errors
/// It refuses, with what it says itself; or it does not answer in ten minutes.
pub(super) fn order(words: &[&str]) -> Result<String> {
    let what: String = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    let cannot =
        |cause: std::io::Error| Error::failed("cannot make a temporary file").fact("cause", &cause).caused_by(cause);
    let mut complaint = tempfile::tempfile().map_err(cannot)?;
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaint.try_clone().map_err(cannot)?);
    let said = listen(command, &what, LONGEST)?;
    if said.agreed {
        return Ok(said.text);
    }
    let mut text = Vec::new();
    complaint.seek(SeekFrom::Start(0)).map_err(cannot)?;
    complaint.take(MOST_COMPLAINT).read_to_end(&mut text).map_err(cannot)?;
    let text = String::from_utf8_lossy(&text);
    let last: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = last[last.len().saturating_sub(3)..].join("; ");
    Err(Error::failed("Docker refused an order")
        .fact("command", format_args!("docker {what}"))
        .fact("engine", last)
        .hint("see how it is: docker info; journalctl -u docker -n 50"))
}

/// The lines of an answer that are not empty.
pub(super) fn lines(answer: &str) -> impl Iterator<Item = &str> {
    answer.lines().map(str::trim).filter(|line| !line.is_empty())
}
