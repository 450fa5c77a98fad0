//! Images of an engine of this machine, saved into files beside the manifest: there everybody else gets them from.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest_url::manifest_url;
use crate::daemon;
use crate::digest::{Descriptor, HashingWriter};
use crate::error::{Error, IoContext, Result};
use crate::manifest::engine_ref::EngineRef;
use crate::manifest::{Artifact, Pin};
use crate::path::shell_word;
use crate::progress::Progress;
use crate::release::pin_again;
use crate::small_file;
use crate::staged_file::StagedFile;

/// An artifact whose file is made anew from the engine's image.
#[derive(Debug)]
pub(super) struct Unsaved<'a> {
    pub(super) artifact: &'a Artifact,
    pub(super) reference: EngineRef,
    /// What the manifest pins: a file of that content is one that was saved before, and may be replaced.
    pub(super) before: Option<Pin>,
    /// Whether the engine's image must be the one that is pinned.
    pub(super) is_fixed: bool,
}

impl<'a> Unsaved<'a> {
    /// The artifact, where it comes from an engine and is to be pinned.
    pub(super) fn open(artifact: &'a Artifact, before: Option<Pin>) -> Option<Self> {
        Some(Unsaved { artifact, reference: artifact.engine_ref()?, before, is_fixed: artifact.pin.is_some() })
    }

    /// The artifact, where it is pinned and nothing but the engine has it: its file is not there.
    pub(super) fn lost(artifact: &'a Artifact, manifest: &Path) -> Option<Self> {
        let reference = artifact.engine_ref().filter(|_| artifact.urls.len() == 1)?;
        let is_there = file_of(artifact, manifest).symlink_metadata().is_ok();
        (!is_there).then_some(Unsaved { artifact, reference, before: artifact.pin, is_fixed: true })
    }

    /// Saves it.
    ///
    /// # Errors
    /// The engine has no such image, or not the one that is pinned; or a file is in its place that nobody saved.
    pub(super) fn save(&self, manifest: &Path, progress: &dyn Progress) -> Result<()> {
        let path = file_of(self.artifact, manifest);
        let folder = path.parent().unwrap_or(Path::new("."));
        let is_new = !folder.exists();
        fs::create_dir_all(folder).doing("create the folder", folder)?;
        let saved = self.save_at(&path, manifest, progress);
        if is_new && saved.is_err() {
            // One that is not empty is somebody's, and stays.
            let _ = fs::remove_dir(folder);
        }
        saved
    }

    fn save_at(&self, path: &Path, manifest: &Path, progress: &dyn Progress) -> Result<()> {
        let mut file = StagedFile::create(path)?;
        let found = self.write(path, &mut file, progress)?;
        if self.is_fixed
            && let Some(pin) = self.before
            && pin.check(found).is_err()
        {
            return Err(self.other_image(pin, found, manifest));
        }
        match small_file::open_regular(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => file.place(0o644),
            there => match Descriptor::of_reader(there.doing("open", path)?).doing("read", path)? {
                there if there == found => Ok(()),
                there if self.before.is_some_and(|pin| pin.check(there).is_ok()) => file.place(0o644),
                _ => Err(self.in_the_way(path)),
            },
        }
    }

    /// What the archive of the engine's image is now; nothing is kept of it.
    ///
    /// # Errors
    /// The engine does not answer, or has no such image.
    pub(super) fn found(&self, progress: &dyn Progress) -> Result<Descriptor> {
        let name = self.artifact.id.name.parts().last().unwrap_or_default();
        self.write(&std::env::temp_dir().join(name), &mut io::sink(), progress)
    }

    fn write(&self, path: &Path, out: &mut dyn Write, progress: &dyn Progress) -> Result<Descriptor> {
        let meter = progress.start(self.artifact.id.name.as_str(), None);
        let mut out = HashingWriter::new(out);
        daemon::save(self.artifact, &self.reference, path, meter.as_ref(), &mut out)
            .map_err(|error| error.fact("artifact", &self.artifact.id.name))?;
        meter.done("saved");
        Ok(out.finish().1)
    }

    fn other_image(&self, pin: Pin, found: Descriptor, manifest: &Path) -> Error {
        let again = manifest_url(Some(manifest.as_os_str())).map(|url| pin_again(&url)).unwrap_or_default();
        Error::integrity("the engine has another image than the one that is pinned")
            .fact("artifact", &self.artifact.id.name)
            .fact("source", &self.reference)
            .fact("expected digest", pin.digest)
            .fact("actual digest", found.digest)
            .hint(format_args!("get that image into the engine; if this one is meant, pin it with: {again}"))
    }

    fn in_the_way(&self, path: &Path) -> Error {
        let word = shell_word(path);
        Error::failed("a file is in the place of an image that is to be saved, and is neither that nor what was pinned")
            .fact("path", path.display())
            .fact("source", &self.reference)
            .hint(format_args!(
                "nothing was written; move it away and run the same command again: mv {word} {word}.old"
            ))
    }
}

/// Where the file of an image from an engine lies.
fn file_of(artifact: &Artifact, manifest: &Path) -> PathBuf {
    artifact.id.name.below(manifest.parent().unwrap_or(Path::new(".")))
}
