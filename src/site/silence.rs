//! Commands of `docker` that take as long as they take. Where the engine neither reads nor writes for a while, and answers
//! no question either, the wait for it ends.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::question::{expect_answers, run_it};
use crate::error::{Error, Result};
use crate::language::tr;

/// How long a command may do nothing before the engine is asked whether it answers at all. One that unpacks a layer onto a
/// slow disk neither reads nor writes meanwhile, and answers.
const LONGEST: Duration = Duration::from_secs(600);

/// How often to look whether a command has ended: what it started may hold its output open.
const LOOK: Duration = Duration::from_millis(100);

/// How much of what a command says is kept, in bytes.
const MOST_SAID: usize = 4_096;

/// A command of `docker` that is waited for.
pub(super) struct Silence {
    what: &'static str,
    longest: Duration,
    answers: fn() -> Result<()>,
    since: Instant,
}

impl Silence {
    /// `docker` with the word `what` begins now.
    pub(super) fn of(what: &'static str) -> Self {
        Self::with(what, LONGEST, expect_answers)
    }

    /// As [`Silence::of`]: after this time without a byte, `answers` asks the engine.
    pub(super) fn with(what: &'static str, longest: Duration, answers: fn() -> Result<()>) -> Self {
        Silence { what, longest, answers, since: Instant::now() }
    }

    /// The command has read or written something.
    pub(super) fn is_broken(&mut self) {
        self.since = Instant::now();
    }

    /// Waits for a moment, or until one of these is ready.
    ///
    /// # Errors
    /// The command has been silent for long, and the engine does not answer.
    pub(super) fn wait(&mut self, pipes: &mut [PollFd<'_>]) -> Result<()> {
        let left = self.longest.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            (self.answers)().map_err(|answer| self.error(&answer))?;
            self.is_broken();
            return Ok(());
        }
        match poll(pipes, Timespec::try_from(left.min(LOOK)).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(cause) => Err(not_awaited(cause.into())),
        }
    }

    /// Waits until `child` ends, and keeps the beginning of what it writes to `pipe`, which must be one of [`quiet()`].
    ///
    /// # Errors
    /// As [`Silence::wait`], or the pipe cannot be read.
    pub(super) fn until_the_end(
        &mut self,
        child: &mut Child,
        mut pipe: Option<impl Read + AsFd>,
        said: &mut Vec<u8>,
    ) -> Result<ExitStatus> {
        loop {
            match pipe.as_mut().map(|pipe| hear(pipe, said)) {
                Some(Ok(0)) => pipe = None,
                Some(Ok(_)) => {
                    self.is_broken();
                    continue;
                }
                Some(Err(cause)) if cause.kind() != io::ErrorKind::WouldBlock => return Err(not_awaited(cause)),
                Some(Err(_)) | None => {}
            }
            if let Some(status) = child.try_wait().map_err(not_awaited)? {
                return Ok(status);
            }
            match &pipe {
                Some(pipe) => self.wait(&mut [PollFd::new(pipe, PollFlags::IN)])?,
                None => self.wait(&mut [])?,
            }
        }
    }

    fn error(&self, answer: &Error) -> Error {
        let error = Error::failed(tr!("the container engine does nothing any more, and does not answer"))
            .fact("command", format_args!("docker {}", self.what))
            .fact("waited", format_args!("{} s", self.since.elapsed().as_secs()));
        let said = answer.facts().iter().find(|(name, _)| *name == "engine");
        said.into_iter().fold(error, |error, (name, said)| error.fact(name, said)).hint(run_it())
    }
}

/// Reads what a pipe has ready and keeps the beginning of it; the number of bytes read, 0 at its end.
///
/// # Errors
/// There is nothing now, or the pipe cannot be read.
pub(super) fn hear(pipe: &mut impl Read, said: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 << 10];
    loop {
        match pipe.read(&mut piece) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Ok(count) => {
                said.extend(&piece[..count.min(MOST_SAID.saturating_sub(said.len()))]);
                return Ok(count);
            }
            outcome => return outcome,
        }
    }
}

/// Makes our end of a pipe one that never blocks.
///
/// # Errors
/// The system refuses.
pub(super) fn quiet(pipe: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?)
}

fn not_awaited(cause: io::Error) -> Error {
    Error::failed(tr!("cannot wait for 'docker'")).fact("cause", &cause).caused_by(cause).hint(run_it())
}
