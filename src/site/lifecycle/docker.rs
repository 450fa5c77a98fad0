//! Orders to the container engine: what changes something, and says why where it does not.

use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::language::tr;
use crate::site::question::{Said, listen};

/// How long an order may take.
const LONGEST: Duration = Duration::from_secs(600);
/// How much of what it complains of is read, in bytes.
const MOST_COMPLAINT: u64 = 16 << 10;

/// How much is read of what a service wrote to its standard error, in bytes.
const MOST_LOG: u64 = 16 << 20;

/// How long it may take to tell what a service wrote: somebody waits for the old version meanwhile.
const LONGEST_LOGS: Duration = Duration::from_secs(15);

/// What `docker` says to an order that it carries out.
///
/// # Errors
/// It refuses, with what it says itself; or it does not answer in ten minutes.
pub(super) fn order(words: &[&str]) -> Result<String> {
    let (said, complaint) = hear(words, LONGEST, MOST_COMPLAINT)?;
    if said.agreed {
        return Ok(said.text);
    }
    let error =
        Error::failed(tr!("Docker refused an order")).fact("command", format_args!("docker {}", name_of(words)));
    Err(because(error, &complaint))
}

/// `error`, with what the engine complains of.
fn because(error: Error, complaint: &str) -> Error {
    error
        .fact("engine", last(3, lines(complaint)).join("; "))
        .hint(tr!("see how it is: docker info; journalctl -u docker -n 50"))
}

/// The last lines that a service wrote; none where the engine does not tell.
pub(super) fn last_words(service: &str) -> Vec<String> {
    let Ok((said, errors)) = hear(&["service", "logs", "--raw", "--tail", "5", service], LONGEST_LOGS, MOST_COMPLAINT)
    else {
        return Vec::new();
    };
    // What the service wrote to its standard error comes on that of the command.
    last(5, lines(&said.text).chain(lines(&errors))).into_iter().map(str::to_owned).collect()
}

/// Passes what a service wrote on to this program's own output, its last `tail` lines and, with `follow`, whatever comes.
/// Returns whether the engine told it all.
///
/// # Errors
/// `docker` cannot be started.
pub fn pass_on_logs(service: &str, tail: u32, follow: bool) -> Result<bool> {
    let tail = tail.to_string();
    let mut command = Command::new("docker");
    command.args(["service", "logs", "--raw", "--timestamps", "--tail", &tail]);
    command.args(follow.then_some("--follow")).arg(service);
    let status = command.status().map_err(|cause| {
        Error::failed(tr!("cannot start 'docker'")).fact("cause", cause).hint(tr!("docker version"))
    })?;
    Ok(status.success())
}

/// A line that a service wrote.
#[derive(Debug, Serialize)]
pub struct LogLine {
    /// When, in RFC 3339 with nanoseconds, UTC; empty where the engine does not say.
    pub time: String,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// Without the line's end.
    pub text: String,
}

/// The last `tail` lines that each task of a service wrote, in the order of their times; of standard output 64 MiB at most,
/// of standard error 16 MiB.
///
/// # Errors
/// The engine does not tell.
pub fn log_of(service: &str, tail: u32) -> Result<Vec<LogLine>> {
    let words = ["service", "logs", "--raw", "--timestamps", "--tail", &tail.to_string(), service];
    let (said, errors) = hear(&words, LONGEST, MOST_LOG)?;
    if !said.agreed {
        let error = Error::failed(tr!("the engine does not tell what a service wrote")).fact("service", service);
        return Err(because(error, &errors));
    }
    let streams = [("stdout", &said.text), ("stderr", &errors)];
    let mut all: Vec<LogLine> = streams
        .into_iter()
        .flat_map(|(stream, text)| text.lines().map(move |line| LogLine::of(stream, line)))
        .collect();
    all.sort_by(|one, other| one.time.cmp(&other.time));
    Ok(all)
}

impl LogLine {
    fn of(stream: &'static str, line: &str) -> Self {
        let (time, text) = match line.split_once(' ') {
            Some((time, text)) if time.ends_with('Z') && time.contains('T') => (time, text),
            _ => ("", line),
        };
        LogLine { time: time.to_owned(), stream, text: text.to_owned() }
    }
}

/// Runs `docker`: what it says, and what it writes to its standard error.
fn hear(words: &[&str], longest: Duration, most_complaint: u64) -> Result<(Said, String)> {
    let cannot = |cause: std::io::Error| {
        Error::failed(tr!("cannot make a temporary file")).fact("cause", &cause).caused_by(cause)
    };
    let mut complaint = tempfile::tempfile().map_err(cannot)?;
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaint.try_clone().map_err(cannot)?);
    let said = listen(command, &name_of(words), longest)?;
    let mut text = Vec::new();
    complaint.seek(SeekFrom::Start(0)).map_err(cannot)?;
    complaint.take(most_complaint).read_to_end(&mut text).map_err(cannot)?;
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
