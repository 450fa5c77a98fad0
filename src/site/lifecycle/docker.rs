//! Orders to the container engine: what changes something, and says why where it does not.

use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::site::question::{Said, listen};

/// How long an order may take.
const LONGEST: Duration = Duration::from_secs(600);
/// How much of what it complains of is read, in bytes.
const MOST_COMPLAINT: u64 = 16 << 10;

/// How long it may take to tell what a service wrote: somebody waits for the old version meanwhile.
const LONGEST_LOGS: Duration = Duration::from_secs(15);

/// What `docker` says to an order that it carries out.
///
/// # Errors
/// It refuses, with what it says itself; or it does not answer in ten minutes.
pub(super) fn order(words: &[&str]) -> Result<String> {
    let (said, complaint) = hear(words, LONGEST)?;
    if said.agreed {
        return Ok(said.text);
    }
    let last = last(3, lines(&complaint)).join("; ");
    Err(Error::failed("Docker refused an order")
        .fact("command", format_args!("docker {}", name_of(words)))
        .fact("engine", last)
        .hint("see how it is: docker info; journalctl -u docker -n 50"))
}

/// The last lines that a service wrote; none where the engine does not tell.
pub(super) fn last_words(service: &str) -> Vec<String> {
    let Ok((said, errors)) = hear(&["service", "logs", "--raw", "--tail", "5", service], LONGEST_LOGS) else {
        return Vec::new();
    };
    // What the service wrote to its standard error comes on that of the command.
    last(5, lines(&said.text).chain(lines(&errors))).into_iter().map(str::to_owned).collect()
}

/// Runs `docker`: what it says, and what it writes to its standard error.
fn hear(words: &[&str], longest: Duration) -> Result<(Said, String)> {
    let cannot =
        |cause: std::io::Error| Error::failed("cannot make a temporary file").fact("cause", &cause).caused_by(cause);
    let mut complaint = tempfile::tempfile().map_err(cannot)?;
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaint.try_clone().map_err(cannot)?);
    let said = listen(command, &name_of(words), longest)?;
    let mut text = Vec::new();
    complaint.seek(SeekFrom::Start(0)).map_err(cannot)?;
    complaint.take(MOST_COMPLAINT).read_to_end(&mut text).map_err(cannot)?;
    Ok((said, String::from_utf8_lossy(&text).into_owned()))
}

fn name_of(words: &[&str]) -> String {
    words.iter().take(2).copied().collect::<Vec<_>>().join(" ")
}

/// The last so many of some lines.
pub(super) fn last<'a>(count: usize, lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut lines: Vec<&str> = lines.collect();
    lines.split_off(lines.len().saturating_sub(count))
}

/// The lines of an answer that are not empty.
pub(super) fn lines(answer: &str) -> impl Iterator<Item = &str> {
    answer.lines().map(str::trim).filter(|line| !line.is_empty())
}
