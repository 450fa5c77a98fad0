//! Which engine this machine has, whether it answers, and what it says of an image.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{Access, access};

use super::command::{Ended, Patience, hear, shown};
use crate::error::{Error, Result};
use crate::manifest::engine_ref::EngineRef;

/// How long an answer may take. An engine that is busy with a slow disk takes minutes.
const LONGEST_ANSWER: Duration = Duration::from_secs(300);
/// How long an engine that saves an image may be silent before it is asked whether it answers at all.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
/// How much of an answer is read, in bytes.
const MOST_ANSWER: usize = 1 << 20;

/// An engine, by its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Docker,
    Podman,
}

/// What an engine says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Such as `linux/amd64`.
    pub(super) platform: String,
    /// The bytes that it takes there.
    pub(super) size: u64,
    /// How many layers it has.
    layers: usize,
    /// Whether its documents are OCI's, and would be others in Docker's form.
    is_oci: bool,
}

impl Engine {
    /// `docker`, or `podman` where there is no `docker`.
    ///
    /// # Errors
    /// There is neither.
    pub(super) fn find() -> Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_there = |engine: &Engine| env::split_paths(&path).any(|folder| folder.join(engine.program()).is_file());
        [Engine::Docker, Engine::Podman].into_iter().find(is_there).ok_or_else(|| {
            Error::failed("there is no container engine on this machine")
                .fact("looked for", "docker, podman")
                .hint("install one (apt-get install docker.io), or name the image where a registry has it: oci://…")
        })
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Engine::Docker => "docker",
            Engine::Podman => "podman",
        }
    }

    /// What it says of the image.
    ///
    /// # Errors
    /// It does not answer, or has no such image.
    pub(super) fn look_up(self, reference: &EngineRef) -> Result<Known> {
        let format = match self {
            Engine::Docker => "{{.Size}} {{len .RootFS.Layers}} {{.Os}}/{{.Architecture}}",
            Engine::Podman => "{{.Size}} {{len .RootFS.Layers}} {{.Os}}/{{.Architecture}} {{.ManifestType}}",
        };
        let name = reference.reference().as_str();
        let (ended, text) = self.ask(&["image", "inspect", "--format", format, name])?;
        if !ended.agreed {
            // One that is not reached has not said that it lacks something.
            self.expect_answers()?;
            return Err(Error::failed("the container engine has no such image")
                .fact("image", name)
                .fact("engine", self.program())
                .fact("cause", ended.complaint)
                .hint(format_args!("pull it: {0} pull {name}; what it has is shown by: {0} images", self.program())));
        }
        Known::read(&text).ok_or_else(|| {
            Error::failed("what the container engine says of an image is not understood")
                .fact("image", name)
                .fact("engine", self.program())
                .fact("found", text.trim())
                .hint(format_args!("see what it says: {} image inspect {name}", self.program()))
        })
    }

    /// Gives the archive that it makes of the image to `take`.
    ///
    /// # Errors
    /// It cannot, does not answer, or `take` fails.
    pub(super) fn save(
        self,
        reference: &EngineRef,
        known: &Known,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut command = Command::new(self.program());
        command.arg("save");
        if self == Engine::Podman {
            // In the other form it would be an image with another ID.
            command.args(["--quiet", "--format", if known.is_oci { "oci-archive" } else { "docker-archive" }]);
        }
        command.arg(reference.reference().as_str());
        let typed = shown(&command);
        let patience = Patience { longest: LONGEST_SILENCE, then: &|| self.expect_answers() };
        let ended = hear(command, &patience, take)?;
        if ended.agreed {
            return Ok(());
        }
        self.expect_answers()?;
        if known.layers == 0 {
            return Err(Error::failed("the container engine cannot save an image without layers")
                .fact("command", &typed)
                .fact("engine", ended.complaint)
                .hint("build it with a file in it, or push it to a registry and take it from there"));
        }
        Err(Error::failed("the container engine cannot save the image")
            .fact("command", &typed)
            .fact("engine", ended.complaint)
            .hint(format_args!(
                "see whether it can be saved at all: {typed} >/dev/null; if not, pull or build it again"
            )))
    }

    /// Checks that it answers.
    ///
    /// # Errors
    /// It does not, or not to this user.
    fn expect_answers(self) -> Result<()> {
        let (ended, _) = self.ask(&["version"])?;
        if ended.agreed { Ok(()) } else { Err(self.unreachable(&ended.complaint)) }
    }

    fn unreachable(self, complaint: &str) -> Error {
        let is_closed =
            |socket: &PathBuf| access(socket, Access::WRITE_OK).is_err_and(|cause| cause == rustix::io::Errno::ACCESS);
        let socket = if self == Engine::Docker { socket() } else { None };
        let (title, hint) = match socket {
            Some(socket) if is_closed(&socket) => (
                "this user may not ask the container engine",
                "run the same command with sudo, or become a member of the group 'docker' and log in again".to_owned(),
            ),
            _ => (
                "the container engine does not answer",
                format!("see that it runs: {} version; to start Docker: systemctl start docker", self.program()),
            ),
        };
        Error::failed(title)
            .fact("command", format_args!("{} version", self.program()))
            .fact("engine", complaint)
            .hint(hint)
    }

    fn ask(self, words: &[&str]) -> Result<(Ended, String)> {
        let mut command = Command::new(self.program());
        command.args(words);
        self.answer(command)
    }

    fn answer(self, command: Command) -> Result<(Ended, String)> {
        let typed = shown(&command);
        let silent = || {
            Err(Error::failed("the container engine does not answer")
                .fact("command", &typed)
                .hint(format_args!("see that it runs: {} version, then run the same command again", self.program())))
        };
        let mut said = Vec::new();
        let mut take = |bytes: &[u8]| {
            if said.len() + bytes.len() > MOST_ANSWER {
                return Err(Error::failed("the container engine says more than it should")
                    .fact("command", &typed)
                    .fact("limit", format_args!("{MOST_ANSWER} bytes"))
                    .hint(format_args!("see what it says: {typed}")));
            }
            said.extend_from_slice(bytes);
            Ok(())
        };
        let ended = hear(command, &Patience { longest: LONGEST_ANSWER, then: &silent }, &mut take)?;
        Ok((ended, String::from_utf8_lossy(&said).into_owned()))
    }
}

impl Known {
    /// What a line of the engine's says.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (size, layers) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let platform = words.next()?.to_owned();
        let is_oci = words.next().is_some_and(|media_type| media_type.starts_with("application/vnd.oci."));
        Some(Known { platform, size, layers, is_oci })
    }
}

/// The socket at which `docker` asks, where that is one of this machine.
fn socket() -> Option<PathBuf> {
    match env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => host.strip_prefix("unix://").map(PathBuf::from),
        _ => Some(PathBuf::from("/var/run/docker.sock")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_end_ends() {
        let zeros = |count: usize| {
            let mut command = Command::new("head");
            command.args(["-c", &count.to_string(), "/dev/zero"]);
            Engine::Docker.answer(command)
        };
        let (ended, text) = zeros(MOST_ANSWER).expect("just what is read");
        assert!(ended.agreed && text.len() == MOST_ANSWER);
        assert!(zeros(MOST_ANSWER + 1).expect_err("too much").title().contains("more than it should"));
    }

    #[test]
    fn what_an_engine_says_of_an_image_is_read() {
        let known = |line: &str| Known::read(line).map(|known| (known.platform, known.size, known.layers));
        assert_eq!(known("12 3 linux/arm64\n"), Some(("linux/arm64".to_owned(), 12, 3)));
        let podman =
            |kind: &str| Known::read(&format!("12 3 linux/amd64 application/vnd.{kind}\n")).map(|known| known.is_oci);
        assert_eq!(podman("oci.image.manifest.v1+json"), Some(true));
        assert_eq!(podman("docker.distribution.manifest.v2+json"), Some(false));
        assert_eq!(known("no size"), None);
    }
}
