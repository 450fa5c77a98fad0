//! An archive on its way into `docker load`.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};

use super::question::{not_started, run_it};
use super::silence::{Silence, hear, quiet};
use crate::error::{Error, Result};
use crate::language::tr;

/// A `docker load` that reads an archive from us.
pub(super) struct Loading {
    child: Child,
    what: String,
    silence: Silence,
    said: Vec<u8>,
    /// Why the wait for the engine ended.
    silent: Option<Error>,
}

/// Why the engine does not have an archive.
pub(super) enum Refusal {
    /// It said no.
    Refused(Error),
    /// It does nothing any more.
    Silent(Error),
}

impl Loading {
    /// Starts the command; `what` is named in errors.
    pub(super) fn start(what: &str) -> Result<Self> {
        let mut command = Command::new("docker");
        command.args(["load", "--quiet"]);
        Self::run(command, what, Silence::of("load"))
    }

    fn run(mut command: Command, what: &str, silence: Silence) -> Result<Self> {
        let named = |cause| not_started("load", cause).fact("image", what);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = spawned.map_err(named)?;
        let loading = Loading { child, what: what.to_owned(), silence, said: Vec::new(), silent: None };
        loading.child.stdin.as_ref().map_or(Ok(()), quiet).map_err(named)?;
        loading.child.stderr.as_ref().map_or(Ok(()), quiet).map_err(named)?;
        Ok(loading)
    }

    /// The archive is whole: waits until the engine has taken it.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        match self.end() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Refused(self.no())),
            Err(error) => Err(Refusal::Silent(error)),
        }
    }

    /// Why the engine took no more: what it says itself.
    pub(super) fn refusal(&mut self) -> Refusal {
        match self.silent.take().map_or_else(|| self.end().map(drop), Err) {
            Ok(()) => Refusal::Refused(self.no()),
            Err(error) => Refusal::Silent(error),
        }
    }

    /// Waits for the end of the command, and returns whether that is a good one.
    fn end(&mut self) -> Result<bool> {
        drop(self.child.stdin.take());
        let stderr = self.child.stderr.take();
        let status = self.silence.until_the_end(&mut self.child, stderr, &mut self.said);
        status.map(|status| status.success()).map_err(|error| error.fact("image", &self.what))
    }

    fn no(&self) -> Error {
        Error::failed(tr!("the container engine refused an image"))
            .fact("image", &self.what)
            .fact("engine", String::from_utf8_lossy(&self.said).trim())
            .hint(tr!("check that the engine answers: docker info"))
    }

    /// Waits until the engine reads on. What it complains of is heard meanwhile: it would wait for that.
    fn wait(&mut self) -> Result<()> {
        match self.child.stderr.as_mut().map(|stderr| hear(stderr, &mut self.said)) {
            Some(Ok(0)) => drop(self.child.stderr.take()),
            Some(Ok(_)) => self.silence.is_broken(),
            Some(Err(_)) | None => {}
        }
        let mut pipes: Vec<PollFd<'_>> = Vec::new();
        pipes.extend(self.child.stdin.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        pipes.extend(self.child.stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        self.silence.wait(&mut pipes).map_err(|error| error.fact("image", &self.what))
    }
}

impl Write for Loading {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let stdin = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            match stdin.write(bytes) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                outcome => {
                    self.silence.is_broken();
                    return outcome;
                }
            }
            if let Err(error) = self.wait() {
                self.silent = Some(error);
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        // After an error of ours the engine must not take a half image for a whole one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error for an image of which the engine takes no more.
pub(super) fn not_sent(cause: io::Error) -> Error {
    Error::failed(tr!("an image cannot be sent to the engine")).fact("cause", &cause).caused_by(cause).hint(run_it())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// A script in the place of `docker load`.
    fn loading(script: &str, longest: Duration, answers: fn() -> Result<()>) -> Loading {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Loading::run(command, "probe/one:1", Silence::with("load", longest, answers)).expect("sh starts")
    }

    fn dead() -> Result<()> {
        Err(Error::failed("the container engine does not answer").fact("engine", "Cannot connect"))
    }

    const MOMENT: Duration = Duration::from_millis(300);

    fn assert_silent(refusal: Refusal, script: &str) {
        let Refusal::Silent(error) = refusal else { panic!("{script}: not silent") };
        let said = error.to_string();
        assert!(said.contains("does nothing any more") && said.contains("docker load"), "{script}: {said}");
        assert!(said.contains("probe/one:1") && said.contains("Cannot connect"), "{script}: {said}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("docker info")), "{script}: {said}");
    }

    #[test]
    fn an_engine_that_reads_nothing_and_answers_nothing_is_given_up() {
        for script in ["exec sleep 600", "head -c 100000 >/dev/null; exec sleep 600", "echo no >&2; exec sleep 600"] {
            let mut engine = loading(script, MOMENT, dead);
            let error = engine.write_all(&vec![0; 4 << 20]).expect_err(script);
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
            assert_silent(engine.refusal(), script);
        }
    }

    #[test]
    fn an_engine_that_has_read_everything_and_does_not_end_is_given_up() {
        for script in ["cat >/dev/null; exec sleep 600", "cat >/dev/null; exec 2>&-; exec sleep 600"] {
            let mut engine = loading(script, MOMENT, dead);
            engine.write_all(&vec![0; 1 << 20]).expect("read");
            let refusal = engine.finish().expect_err(script);
            assert_silent(refusal, script);
        }
    }

    #[test]
    fn an_engine_that_is_busy_and_answers_is_waited_for() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        // It goes on when it was asked twice, before it reads and afterwards.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().join("asked");
        static PLACE: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
        PLACE.get_or_init(|| place.clone());
        fn alive() -> Result<()> {
            let times = ASKED.fetch_add(1, Ordering::Relaxed) + 1;
            let place = PLACE.get().expect("set");
            std::fs::write(place.with_extension(times.to_string()), "")
                .map_err(|cause| Error::io("write", place, cause))
        }
        let until = |times: u32| format!("until [ -e {}.{times} ]; do sleep 0.05; done", place.display());
        let script = format!("{}; cat >/dev/null; {}", until(2), until(4));
        let mut engine = loading(&script, MOMENT, alive);
        engine.write_all(&vec![0; 4 << 20]).expect("read in the end");
        assert!(engine.finish().is_ok());
        assert!(ASKED.load(Ordering::Relaxed) >= 4);
    }

    #[test]
    fn what_the_engine_complains_of_never_stops_it_and_is_told() {
        // More than a pipe holds, before it reads a byte and after the last.
        let script =
            "echo first >&2; head -c 300000 /dev/zero >&2; cat >/dev/null; head -c 300000 /dev/zero >&2; exit 1";
        let mut engine = loading(script, Duration::from_secs(60), dead);
        engine.write_all(&vec![0; 4 << 20]).expect("read");
        let Some(Refusal::Refused(error)) = engine.finish().err() else { panic!("not refused") };
        assert!(error.to_string().contains("first"), "{error}");
        let mut engine = loading("echo no room >&2; exit 1", Duration::from_secs(60), dead);
        engine.write_all(&vec![0; 4 << 20]).expect_err("nobody reads");
        let Refusal::Refused(error) = engine.refusal() else { panic!("not refused") };
        assert!(error.to_string().contains("no room"), "{error}");
    }
}
