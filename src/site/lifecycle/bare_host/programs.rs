//! Programs of the host that are run to their end, in a time that has one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::docker::{last, lines};
use super::super::watch::Watch;

/// How much of what a program says is read, in bytes.
const MOST_SAID: u64 = 16 << 10;

/// How a program ended, and what it said on both of its outputs.
pub(super) struct Ended {
    pub(super) is_well: bool,
    pub(super) text: String,
}

impl Ended {
    /// The last of what it said, in a line.
    pub(super) fn last_words(&self) -> String {
        last(5, lines(&self.text)).join("; ")
    }
}

/// Runs a program that reads nothing.
///
/// # Errors
/// It does not start, does not end in its time, or somebody wants the run to end: it has ended then.
pub(super) fn run(command: &mut Command, longest: Duration, watch: Option<Watch<'_>>) -> io::Result<Ended> {
    let said = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
    let mut child = command.spawn()?;
    let deadline = Instant::now() + longest;
    let ended = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() >= deadline => break Err(io::ErrorKind::TimedOut.into()),
            Ok(None) if watch.is_some_and(|watch| watch.is_interrupted()) => {
                break Err(io::ErrorKind::Interrupted.into());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(Some(status)) => break Ok(status.success()),
            Err(cause) => break Err(cause),
        }
    };
    if ended.is_err() {
        end(&mut child);
    }
    Ok(Ended { is_well: ended?, text: text_of(said)? })
}

/// What a program wrote into a file, the beginning of it.
///
/// # Errors
/// An I/O error.
pub(super) fn text_of(mut said: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    said.seek(SeekFrom::Start(0))?;
    said.take(MOST_SAID).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Ends a program that may have ended by itself.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(script: &str, longest: Duration) -> io::Result<Ended> {
        run(Command::new("sh").args(["-c", script]), longest, None)
    }

    #[test]
    fn what_a_program_says_on_either_output_is_heard() {
        let ended = of("echo one; echo two >&2; exit 3", Duration::from_secs(60)).expect("it runs");
        assert_eq!((ended.is_well, ended.last_words().as_str()), (false, "one; two"));
        assert!(of("true", Duration::from_secs(60)).is_ok_and(|ended| ended.is_well));
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let error = of("exec sleep 600", Duration::from_millis(100)).err().expect("it is late");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
