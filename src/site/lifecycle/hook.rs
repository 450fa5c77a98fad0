//! A product's own script, for what only the product knows: bounded in time and in what it says.

use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::docker::{last, lines};
use super::instance::Instance;
use super::left_over;
use super::observe::observe;
use super::place::Place;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::language::spoken;
use crate::language::tr;
use crate::product::{HookVerb, typed_text};

/// How much a hook may say, in bytes.
const MOST_SAID: usize = 1 << 20;

/// A hook of an instance.
pub(super) struct Hook<'a> {
    instance: &'a Instance,
    verb: HookVerb,
    script: PathBuf,
}

impl<'a> Hook<'a> {
    /// That which does `verb`, where the product has one.
    pub(super) fn of(instance: &'a Instance, verb: HookVerb) -> Option<Self> {
        instance.files.hook(verb).map(|script| Hook { instance, verb, script })
    }

    /// Runs it with `args` after the verb and returns what it said.
    ///
    /// # Errors
    /// It cannot be started, does not end with 0 in its time, says too much, or a signal has come. It and what it
    /// started have ended then.
    pub(super) fn run(&self, args: &[&str], watch: Watch<'_>) -> Result<String> {
        let limit = match self.verb {
            HookVerb::Dump | HookVerb::Restore | HookVerb::External => Duration::from_secs(3_600),
            HookVerb::Health | HookVerb::Doctor => Duration::from_secs(60),
        };
        let failed = |what: String, said: &[u8]| {
            let text = String::from_utf8_lossy(said);
            let last = last(5, lines(&text));
            let error = Error::failed(tr!("the product's hook '{}' failed", self.verb.as_str()))
                .fact("script", self.script.display())
                .fact("reason", what);
            if last.is_empty() { error } else { error.fact("it said", last.join(" | ")) }
        };
        let started = self.start(args);
        let (mut child, mut pipe) =
            started.map_err(|cause| failed(tr!("it cannot be started: {cause}", cause), &[]))?;
        let mut said = Vec::new();
        let outcome = follow(&mut child, &mut pipe, &mut said, Instant::now() + limit, watch);
        if outcome.is_err() {
            end(&mut child);
        }
        match outcome {
            Ok(0) => Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(code) => Err(failed(tr!("exit code {code}", code), &said)),
            Err(Ended::Late) => Err(failed(tr!("it did not end within {} s", limit.as_secs()), &said)),
            Err(Ended::TooMuch) => Err(failed(tr!("it said more than {} bytes", MOST_SAID), &said)),
            Err(Ended::Interrupted) => Err(failed(tr!("a signal ended it"), &said)),
            Err(Ended::Failed(cause)) => Err(failed(cause.to_string(), &said)),
        }
    }

    fn start(&self, args: &[&str]) -> io::Result<(Child, PipeReader)> {
        let place = Place::named(self.instance.name()).map_err(|error| io::Error::other(error.to_string()))?;
        let input = left_over::end(&place).map_err(|error| io::Error::other(error.to_string()))?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.script);
        command.arg(self.verb.as_str()).args(args).current_dir(self.instance.files.root());
        // Its own process group: whatever it starts ends with it.
        command.stdin(input).stdout(writer.try_clone()?).stderr(writer).process_group(0);
        let deployed = self.instance.deployed();
        command
            .env("PACK_LANG", spoken().tag())
            .env("PACK_NAME", self.instance.name())
            .env("PACK_VERSION", deployed.version.to_string())
            .env("PACK_INSTALL_DIR", self.instance.install_dir());
        for (name, value) in &deployed.options {
            command.env(format!("PACK_OPTION_{}", variable(name)), typed_text(value));
        }
        for (service, image) in self.instance.images()? {
            command.env(format!("PACK_IMAGE_{}", variable(&service)), image);
        }
        let observed = observe(self.instance.name()).map_err(|error| io::Error::other(error.to_string()))?;
        for (service, container) in observed.running() {
            command.env(format!("PACK_CONTAINER_{}", variable(service)), &container.id);
        }
        Ok((command.spawn()?, reader))
    }
}

/// A name as a part of a shell's variable.
fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// Why a hook was ended.
enum Ended {
    Late,
    TooMuch,
    Interrupted,
    Failed(io::Error),
}

impl From<io::Error> for Ended {
    fn from(cause: io::Error) -> Self {
        Ended::Failed(cause)
    }
}

/// Reads what it says until it ends; its exit code.
fn follow(
    child: &mut Child,
    pipe: &mut PipeReader,
    said: &mut Vec<u8>,
    deadline: Instant,
    watch: Watch<'_>,
) -> std::result::Result<i32, Ended> {
    let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut is_open = true;
    loop {
        let status = child.try_wait()?;
        if is_open {
            // What it left running may keep the pipe open: after its end only what is there already is read.
            let wait = if status.is_some() { Timespec { tv_sec: 0, tv_nsec: 0 } } else { tenth };
            let ready = match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&wait)) {
                Ok(count) => count > 0,
                Err(rustix::io::Errno::INTR) => continue,
                Err(cause) => return Err(Ended::Failed(cause.into())),
            };
            if ready {
                let mut piece = [0; 16 << 10];
                let count = pipe.read(&mut piece)?;
                said.extend_from_slice(&piece[..count]);
                is_open = count > 0;
                if said.len() > MOST_SAID {
                    return Err(Ended::TooMuch);
                }
                if is_open && status.is_some() {
                    continue;
                }
            }
        } else if status.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(status) = status {
            return Ok(status.code().unwrap_or(-1));
        }
        if Instant::now() >= deadline {
            return Err(Ended::Late);
        }
        if watch.is_interrupted() {
            return Err(Ended::Interrupted);
        }
    }
}

fn end(child: &mut Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // Where it has just ended, there is nobody to be told.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(300);

    /// What a script says that is followed as a hook is, which may take as long as `limit`.
    fn followed(script: &str, limit: Duration) -> std::result::Result<usize, Ended> {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        // Whatever of it lives has this one open.
        let (gone, lives) = io::pipe().expect("a pipe");
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(lives).stdout(writer).process_group(0);
        let mut child = command.spawn().expect("started");
        drop(command);
        let mut said = Vec::new();
        let watch = Watch { interruption: None, timeout: None, progress: &Silent };
        let outcome = follow(&mut child, &mut reader, &mut said, Instant::now() + limit, watch);
        end(&mut child);
        let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&gone, PollFlags::IN)], Some(&minute)).expect("polled");
        assert_eq!(ended, 1, "something of it lives: {script}");
        outcome.map(|code| {
            assert_eq!(code, 0);
            said.len()
        })
    }

    #[test]
    fn a_hook_may_say_as_much_as_the_limit() {
        assert!(matches!(followed(&format!("head -c {MOST_SAID} /dev/zero"), LONG), Ok(MOST_SAID)));
        assert!(matches!(followed(&format!("head -c {} /dev/zero", MOST_SAID + 1), LONG), Err(Ended::TooMuch)));
        assert!(matches!(followed("exec cat /dev/zero", LONG), Err(Ended::TooMuch)));
    }

    #[test]
    fn a_hook_that_hangs_is_ended_with_all_that_it_started() {
        for script in [
            "exec 3<&0; sleep 7200 & wait",
            "exec sleep 7200",
            // Its output is closed.
            "exec >&- 2>&-; sleep 7200",
            // It is never silent.
            "while :; do echo; sleep 0.01; done",
        ] {
            assert!(matches!(followed(script, SHORT), Err(Ended::Late)), "{script}");
        }
    }
}
