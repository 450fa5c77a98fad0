//! Questions to the container engine, which answers in a time that has an end. A refusal is no absence: it is asked again.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::error::{Error, Result};
use crate::language::tr;

/// What to do where it does not answer.
pub(super) fn run_it() -> String {
    tr!("see that the engine runs with 'docker info', then run the same command again: what it has stays")
}

/// How much of an answer is read, in bytes.
const MOST_ANSWER: usize = 64 << 20;

/// How long an answer may take. An engine that unpacks layers onto a slow disk takes minutes.
const LONGEST: Duration = Duration::from_secs(300);

/// What a command says, and whether it ends well.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) agreed: bool,
}

/// What `docker` answers to a question, which changes nothing; `None` when the engine says no twice, and answers otherwise.
///
/// # Errors
/// The engine does not answer.
pub(super) fn ask(words: &[&str]) -> Result<Option<String>> {
    for _ in 0..2 {
        if let Some(answer) = ask_once(words)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// As [`ask`], for what changes something: it is not repeated.
///
/// # Errors
/// The engine does not answer.
pub(super) fn ask_once(words: &[&str]) -> Result<Option<String>> {
    let said = hear(words)?;
    Ok(said.agreed.then_some(said.text))
}

/// As [`ask`], of several things at once: what it can tell, and whether that is all.
///
/// # Errors
/// The engine does not answer.
pub(super) fn ask_of_several(words: &[&str]) -> Result<(String, bool)> {
    let mut said = hear(words)?;
    if !said.agreed {
        said = hear(words)?;
    }
    Ok((said.text, said.agreed))
}

/// Checks that the engine answers: one that is not reached has not said that it lacks something.
///
/// # Errors
/// It does not.
pub(super) fn expect_answers() -> Result<()> {
    let mut command = docker(&["version"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let said = listen(command, "version", LONGEST)?;
    if said.agreed {
        return Ok(());
    }
    let text: String = said.text.trim().chars().take(4_096).collect();
    Err(silent("version").fact("engine", text))
}

/// The error for a command of `docker` that does not start.
pub(super) fn not_started(what: &str, cause: io::Error) -> Error {
    Error::failed(tr!("cannot start 'docker'"))
        .fact("command", format_args!("docker {what}"))
        .fact("cause", &cause)
        .hint(tr!("check that Docker is installed: docker version"))
        .caused_by(cause)
}

fn docker(words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(words).stdin(Stdio::null());
    command
}

/// What the engine says; where it does not agree, it is known to answer.
fn hear(words: &[&str]) -> Result<Said> {
    let mut command = docker(words);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let said = listen(command, &words.join(" "), LONGEST)?;
    if !said.agreed {
        expect_answers()?;
    }
    Ok(said)
}

fn silent(what: &str) -> Error {
    Error::failed(tr!("the container engine does not answer"))
        .fact("command", format_args!("docker {what}"))
        .hint(run_it())
}

/// Runs a command to its end, and reads that stream of it which is a pipe.
pub(super) fn listen(mut command: Command, what: &str, longest: Duration) -> Result<Said> {
    let mut child = command.spawn().map_err(|cause| not_started(what, cause))?;
    let deadline = Instant::now() + longest;
    let mut bytes = Vec::new();
    let heard = match (child.stdout.take(), child.stderr.take()) {
        // The pipe is closed after this: a command that says more than is read ends by that.
        (Some(stdout), _) => read(stdout, deadline, &mut bytes),
        (None, Some(stderr)) => read(stderr, deadline, &mut bytes),
        (None, None) => Ok(()),
    };
    let ended = heard.and_then(|()| end_of(&mut child, deadline));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    match ended {
        Ok(agreed) => Ok(Said { text: String::from_utf8_lossy(&bytes).into_owned(), agreed }),
        Err(cause) if cause.kind() == io::ErrorKind::TimedOut => {
            Err(silent(what).fact("waited", format_args!("{} s", longest.as_secs())))
        }
        Err(cause) => Err(silent(what).fact("cause", &cause).caused_by(cause)),
    }
}

/// Reads to the end.
fn read(mut pipe: impl Read + AsFd, deadline: Instant, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(cause) => return Err(cause.into()),
        }
        let count = match pipe.read(&mut piece) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        };
        if count == 0 {
            return Ok(());
        }
        if bytes.len() + count > MOST_ANSWER {
            return Err(io::Error::other(tr!("it says more than {} bytes", MOST_ANSWER)));
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// Whether the command ends well.
fn end_of(child: &mut Child, deadline: Instant) -> io::Result<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // It has closed its output, so its end is near.
        thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(script: &str, longest: Duration) -> Result<Said> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        listen(command, "ls", longest)
    }

    #[test]
    fn an_answer_that_does_not_come_is_told_after_a_while() {
        // Without a word; after half of it; and after all of it.
        for script in ["exec sleep 600", "echo half; exec sleep 600", "echo all; exec >&-; exec sleep 600"] {
            let error = of(script, Duration::from_millis(300)).err().expect(script);
            let said = error.to_string();
            assert!(said.contains("does not answer") && said.contains("docker ls"), "{said}");
        }
    }

    #[test]
    fn an_answer_without_end_ends() {
        let error = of("exec cat /dev/zero", LONGEST).err().expect("too much");
        assert!(error.to_string().contains("more than 67108864 bytes"), "{error}");
        let said = of(&format!("head -c {MOST_ANSWER} /dev/zero"), LONGEST).expect("just what is read");
        assert!(said.agreed && said.text.len() == MOST_ANSWER);
    }
}
