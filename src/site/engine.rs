//! The container engine, asked and fed through the host's `docker` command.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// How much of what the engine says is read.
const MOST_ANSWER: u64 = 64 << 20;

/// What the engine says an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Its ID: the digest of its config, or of its manifest where the engine keeps images in containerd.
    pub(super) id: String,
    /// The digests of its layers, base first.
    pub(super) layers: Vec<Digest>,
}

/// What the engine knows of `image`, a tag or an ID; `None` when it has no such image.
pub(super) fn look_up(image: &str) -> Result<Option<Known>> {
    Ok(inspect(&[image])?.into_iter().next())
}

/// Every image the engine has. An engine that does not answer has none: loading will tell why.
pub(super) fn all() -> Vec<Known> {
    let Ok(Some(ids)) = ask(&["image", "ls", "--all", "--quiet", "--no-trunc"]) else { return Vec::new() };
    let mut ids: Vec<&str> = ids.lines().collect();
    ids.sort_unstable();
    ids.dedup();
    ids.chunks(200).flat_map(|some| inspect(some).unwrap_or_default()).collect()
}

fn inspect(images: &[&str]) -> Result<Vec<Known>> {
    let mut words = vec!["image", "inspect", "--format", "{{.Id}} {{json .RootFS.Layers}}"];
    words.extend(images);
    let answer = ask(&words)?.unwrap_or_default();
    let read = |line: &str| {
        let (id, layers) = line.split_once(' ')?;
        // An image without layers has `null` there.
        let layers: Option<Vec<Digest>> = serde_json::from_str(layers).ok()?;
        Some(Known { id: id.to_owned(), layers: layers.unwrap_or_default() })
    };
    Ok(answer.lines().filter_map(read).collect())
}

/// Whether the engine keeps its images in containerd, and so gives them other IDs.
pub(super) fn keeps_images_in_containerd() -> bool {
    matches!(ask(&["info", "--format", "{{json .DriverStatus}}"]), Ok(Some(status)) if status.contains("containerd.snapshotter"))
}

/// What `docker` answers; `None` when it says no.
fn ask(words: &[&str]) -> Result<Option<String>> {
    let mut child = Command::new("docker")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| not_started(&words.join(" "), cause))?;
    let mut answer = String::new();
    if let Some(stdout) = &mut child.stdout {
        // An answer cut short does not parse, which is what a missing one does.
        let _ = stdout.take(MOST_ANSWER).read_to_string(&mut answer);
    }
    let ended = child.wait().is_ok_and(|status| status.success());
    Ok(ended.then_some(answer))
}

fn not_started(what: &str, cause: io::Error) -> Error {
    Error::failed("cannot start 'docker'")
        .fact("command", format_args!("docker {what}"))
        .fact("cause", &cause)
        .hint("check that Docker is installed: docker version")
        .caused_by(cause)
}

/// A `docker load` that reads an archive from us.
pub(super) struct Loading {
    child: Child,
    what: String,
}

impl Loading {
    /// Starts the command; `what` is named in errors.
    pub(super) fn start(what: &str) -> Result<Self> {
        let spawned = Command::new("docker")
            .args(["load", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        match spawned {
            Ok(child) => Ok(Loading { child, what: what.to_owned() }),
            Err(cause) => Err(not_started("load", cause).fact("image", what)),
        }
    }

    /// The archive is whole: waits until the engine has taken it.
    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(self.refused()),
        }
    }

    /// Why the engine took no more: what it says itself.
    pub(super) fn refused(&mut self) -> Error {
        drop(self.child.stdin.take());
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // Half of what it says is better than nothing.
            let _ = stderr.take(4_096).read_to_string(&mut said);
        }
        let _ = self.child.wait();
        Error::failed("the container engine refused an image")
            .fact("image", &self.what)
            .fact("engine", said.trim())
            .hint("check that the engine answers: docker info")
    }
}

impl Write for Loading {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.child.stdin {
            Some(stdin) => stdin.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
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
