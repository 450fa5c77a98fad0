//! Images into the container engine: a stream from the bundle or folder into `docker load`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use crate::bundle::Bundle;
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::folder::Folder;
use crate::manifest::{Kind, Pinned};
use crate::progress::Progress;

/// Loads the images of a bundle, or those of them that `names` lists; the names that were loaded.
///
/// # Errors
/// A name is no image of the bundle, the bundle is damaged, or the engine refuses.
pub fn load_from_bundle(bundle: &Bundle, names: &[String], progress: &dyn Progress) -> Result<Vec<String>> {
    let index = bundle.index();
    let images =
        index.artifacts.iter().filter(|artifact| artifact.kind == Kind::Image).map(|image| image.name.as_str());
    let chosen = choose(images, names, &format!("pack inspect {}", bundle.path().display()))?;
    let entries: Vec<_> = chosen.iter().filter_map(|name| index.entry(name)).collect();
    progress.plan(entries.len(), Some(entries.iter().map(|entry| entry.size).sum()));
    for entry in entries {
        let meter = progress.start(entry.path.as_str(), Some(entry.size));
        let mut engine = Engine::start(entry.path.as_str())?;
        bundle.read(&[entry], |_, piece| {
            meter.add(piece.len() as u64);
            engine.write(piece)
        })?;
        engine.finish()?;
        meter.done("loaded");
    }
    Ok(chosen)
}

/// Loads the images of a folder, or those of them that `names` lists; the names that were loaded. Each is
/// compared with its pin before the engine sees a byte of it.
///
/// # Errors
/// A name is no image of the folder, an image is not what was pinned, or the engine refuses.
pub fn load_from_folder(
    folder: &Folder,
    selection: &[Pinned<'_>],
    names: &[String],
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let images: Vec<_> = selection.iter().filter(|pinned| pinned.artifact.kind == Kind::Image).collect();
    let known = images.iter().map(|pinned| pinned.name().as_str());
    let chosen = choose(known, names, &format!("pack verify {}", folder.root().display()))?;
    progress.plan(chosen.len(), images.iter().map(|pinned| pinned.pin.size).sum());
    for pinned in images.iter().filter(|pinned| chosen.iter().any(|name| name == pinned.name().as_str())) {
        let path = folder.path_of(pinned.name());
        let mut file = File::open(&path).doing("open the image", &path)?;
        let (size, digest) = Digest::of_reader(&mut file).doing("read the image", &path)?;
        if digest != pinned.pin.digest {
            return Err(Error::integrity("an image is not what the manifest pins: it was not loaded")
                .fact("path", path.display())
                .fact("expected", pinned.pin.digest)
                .fact("actual", format_args!("{digest} ({size} bytes)"))
                .hint("get it again with: pack download"));
        }
        let meter = progress.start(pinned.name().as_str(), Some(size));
        let mut engine = Engine::start(pinned.name().as_str())?;
        let mut file = File::open(&path).doing("open the image", &path)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = file.read(&mut buffer).doing("read the image", &path)?;
            if n == 0 {
                break;
            }
            engine.write(&buffer[..n])?;
            meter.add(n as u64);
        }
        engine.finish()?;
        meter.done("loaded");
    }
    Ok(chosen)
}

fn choose<'a>(known: impl Iterator<Item = &'a str>, names: &[String], look: &str) -> Result<Vec<String>> {
    let known: Vec<&str> = known.collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::failed("there is no such image")
            .fact("name", unknown)
            .fact("known", known.join(", "))
            .hint(format_args!("see what there is with: {look}")));
    }
    Ok(known
        .into_iter()
        .filter(|name| names.is_empty() || names.iter().any(|asked| asked == name))
        .map(Into::into)
        .collect())
}

/// A `docker load` that reads an image from us.
struct Engine {
    child: Child,
    image: String,
}

impl Engine {
    fn start(image: &str) -> Result<Self> {
        let spawned = Command::new("docker")
            .args(["load", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        match spawned {
            Ok(child) => Ok(Engine { child, image: image.to_owned() }),
            Err(cause) => Err(Error::failed("cannot start 'docker load'")
                .fact("image", image)
                .fact("cause", &cause)
                .hint("check that Docker is installed: docker version")
                .caused_by(cause)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.child.stdin {
            Some(stdin) => stdin.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|_| self.refused())
    }

    fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(self.refused()),
        }
    }

    /// Why the engine took no more: what it says itself.
    fn refused(&mut self) -> Error {
        drop(self.child.stdin.take());
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // Half of what it says is better than nothing.
            let _ = stderr.take(4_096).read_to_string(&mut said);
        }
        let _ = self.child.wait();
        Error::failed("the container engine refused an image")
            .fact("image", &self.image)
            .fact("engine", said.trim())
            .hint("check that the engine answers: docker info")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After an error of ours the engine must not take a half image for a whole one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
