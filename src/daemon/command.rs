//! A command of an engine, heard to its end. How long that takes nobody knows; how long it may be silent, the caller says.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Result};

/// How often to look whether a command has ended that has nothing more to say.
const LOOK: Duration = Duration::from_millis(10);
/// How much of what a command complains of is shown, in bytes.
const MOST_COMPLAINT: u64 = 4_096;
/// The size of the pieces that are read at a time, in bytes.
const PIECE: usize = 256 << 10;

/// How long a command may be silent.
pub(super) struct Patience<'a> {
    pub(super) longest: Duration,
    /// What is asked then: where it is answered, the time begins again.
    pub(super) then: &'a dyn Fn() -> Result<()>,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) agreed: bool,
    /// The beginning of what it wrote to its standard error.
    pub(super) complaint: String,
}

/// A command under way; where it is given up, it is killed.
struct Running {
    child: Child,
    complaint: File,
    since: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs `command` and gives what it says to `take`.
///
/// # Errors
/// It does not start, is silent for too long, or `take` fails.
pub(super) fn hear(
    mut command: Command,
    patience: &Patience<'_>,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Ended> {
    let shown = shown(&command);
    let not_run = |cause: io::Error| {
        Error::failed("a command of the container engine cannot be run")
            .fact("command", &shown)
            .fact("cause", &cause)
            .caused_by(cause)
            .hint(format_args!("see whether it runs at all: {shown}"))
    };
    // A file and no pipe: nobody has to read it while the other is read.
    let complaint = tempfile::tempfile().map_err(not_run)?;
    let theirs = complaint.try_clone().map_err(not_run)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(theirs).spawn().map_err(not_run)?;
    let mut running = Running { child, complaint, since: Instant::now() };
    if let Some(mut pipe) = running.child.stdout.take() {
        let mut piece = vec![0; PIECE];
        while let Some(count) = running.read(&mut pipe, &mut piece, patience, &not_run)? {
            take(&piece[..count])?;
            running.since = Instant::now();
        }
    }
    let status = running.end(patience, &not_run)?;
    let mut said = Vec::new();
    let complaint = &mut running.complaint;
    complaint
        .seek(SeekFrom::Start(0))
        .and_then(|_| complaint.take(MOST_COMPLAINT).read_to_end(&mut said))
        .map_err(not_run)?;
    let complaint = String::from_utf8_lossy(&said).trim().to_owned();
    Ok(Ended { agreed: status.success(), complaint })
}

/// The command as it would be typed.
pub(super) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

impl Running {
    /// The number of bytes that it has said; `None` at the end.
    fn read(
        &mut self,
        pipe: &mut (impl Read + AsFd),
        piece: &mut [u8],
        patience: &Patience<'_>,
        not_run: &dyn Fn(io::Error) -> Error,
    ) -> Result<Option<usize>> {
        loop {
            let left = patience.longest.saturating_sub(self.since.elapsed());
            let left = Timespec::try_from(left).map_err(|_| not_run(io::ErrorKind::InvalidInput.into()))?;
            match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&left)) {
                Ok(0) => self.ask(patience)?,
                Ok(_) => match pipe.read(piece) {
                    Ok(0) => return Ok(None),
                    Ok(count) => return Ok(Some(count)),
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                    Err(cause) => return Err(not_run(cause)),
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(cause) => return Err(not_run(cause.into())),
            }
        }
    }

    /// Waits until it has ended: what it started may hold its output open, and it may close that early.
    fn end(&mut self, patience: &Patience<'_>, not_run: &dyn Fn(io::Error) -> Error) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait().map_err(not_run)? {
                return Ok(status);
            }
            if self.since.elapsed() >= patience.longest {
                self.ask(patience)?;
            }
            thread::sleep(LOOK);
        }
    }

    fn ask(&mut self, patience: &Patience<'_>) -> Result<()> {
        let waited = self.since.elapsed().as_secs_f32();
        (patience.then)().map_err(|error| error.fact("waited", format_args!("{waited:.0} s")))?;
        self.since = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_it_says_and_how_it_ends_is_heard() {
        let never = Patience { longest: Duration::from_secs(600), then: &|| Ok(()) };
        let mut said = Vec::new();
        let mut take = |bytes: &[u8]| {
            said.extend_from_slice(bytes);
            Ok(())
        };
        let ended = hear(sh("printf out; printf ' why \n' >&2; exit 3"), &never, &mut take).expect("it ends");
        assert_eq!((&said[..], ended.agreed, &ended.complaint[..]), (&b"out"[..], false, "why"));
    }

    #[test]
    fn a_silent_command_is_given_up_where_the_engine_does_not_answer() {
        let asked = Cell::new(0);
        let then = || {
            asked.set(asked.get() + 1);
            if asked.get() < 3 { Ok(()) } else { Err(Error::failed("the engine is gone")) }
        };
        let patience = Patience { longest: Duration::from_millis(50), then: &then };
        // Silent from the start; after a word; with its output closed.
        for script in ["exec sleep 600", "echo half; exec sleep 600", "exec >&-; exec sleep 600"] {
            asked.set(0);
            let error = hear(sh(script), &patience, &mut |_| Ok(())).expect_err(script);
            assert_eq!((error.title(), asked.get()), ("the engine is gone", 3), "{script}");
        }
    }

    #[test]
    fn what_is_too_much_for_the_caller_ends_it() {
        let patience = Patience { longest: Duration::from_secs(600), then: &|| Ok(()) };
        let error = hear(sh("exec cat /dev/zero"), &patience, &mut |_| Err(Error::failed("enough")));
        assert_eq!(error.expect_err("too much").title(), "enough");
    }
}
