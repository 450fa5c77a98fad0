//! The folder where a product's artifacts lie: partial, placed, verified.
//!
//! ```text
//! dataflux-func-portable/
//!   manifest.json            exactly as the publisher wrote it
//!   pack-site, pack-site.sha256   the program that installs a product on site, and its checksum
//!   mysql.tar.gz …           artifacts, under their final names only when verified
//!   .pack/lock               held by the one run that may write here
//!   .pack/platform           which platform's artifacts these are
//!   .pack/origin             where its manifest came from
//!   .pack/publisher.pub      the key that its manifest was checked with
//!   .pack/partial/<digest>   a partially downloaded artifact
//!   .pack/partial/<digest>.journal   which of its bytes are there
//!   .pack/partial/<digest>.link      a file of the cache that is being verified
//! ```

mod again;
mod background_sync;
mod conflicts;
mod extents;
mod journal;
mod linked;
mod origin;
mod partial;
mod pin_again;
mod proved_file;
mod site_program;
mod verify;
mod wrong;

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};

pub use background_sync::BackgroundSync;
pub use extents::Extents;
pub use journal::Origin;
pub use partial::{Partial, Verified};
pub use pin_again::pin_again;
pub use proved_file::{ProvedFile, ProvedReader};
pub use verify::{Row, State, check, glance, prove, verify};
pub use wrong::not_as_pinned;

use crate::digest::{Digest, VerifyingReader};
use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, Limits, Manifest, Pin, Pinned, SIGNATURE_NAME};
use crate::own_file;
use crate::path::{RelPath, shell_word};
use crate::platform::Platform;
use crate::small_file;
use crate::staged_file::{self, StagedFile};

/// The folder's own sub-folder.
const OWN: &str = ".pack";

/// The name of the program for the site that may lie beside the artifacts, and of its checksum.
pub const SITE_PROGRAM: &str = "pack-site";
/// See [`SITE_PROGRAM`].
pub const SITE_PROGRAM_SUM: &str = "pack-site.sha256";

/// How much is read of what says for which platform the folder is, in bytes.
const LONGEST_PLATFORM: u64 = 64;

/// The folder in it where files lie that have not their final names yet.
const PARTIAL: &str = "partial";

/// The lock's file in it.
const LOCK: &str = "lock";

/// A folder of artifacts; it need not exist yet.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// A folder that only this run may write to, until this is dropped: what changes a folder is a method of this.
#[derive(Debug)]
pub struct LockedFolder {
    folder: Folder,
    held: File,
}

impl Drop for LockedFolder {
    fn drop(&mut self) {
        // A process that another thread is starting has this file too until it is another program: closing it here
        // alone would keep the lock for as long.
        let _ = self.held.unlock();
    }
}

impl Deref for LockedFolder {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// The right to read a folder that nobody changes meanwhile, which several may have; given back when dropped.
#[derive(Debug)]
pub struct ReadLock {
    held: Option<File>,
    /// The folder's own sub-folder, where it was made for this lock: a reader leaves no trace.
    made: Option<PathBuf>,
}

impl Drop for ReadLock {
    fn drop(&mut self) {
        let (Some(held), Some(made)) = (&self.held, &self.made) else { return };
        // Others may share the lock, or have begun to write meanwhile: then it is theirs now.
        let alone = held.try_lock().is_ok() && fs::read_dir(made).is_ok_and(|entries| entries.count() == 1);
        if alone && fs::remove_file(made.join(LOCK)).is_ok() {
            // When somebody was quicker, it is not empty and stays.
            let _ = fs::remove_dir(made);
        }
    }
}

impl Folder {
    /// The folder at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Folder { root: root.into() }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the artifact of that name lies, or would lie.
    pub fn path_of(&self, name: &RelPath) -> PathBuf {
        name.below(&self.root)
    }

    /// Creates what is missing of the folder and takes its only write lock.
    ///
    /// # Errors
    /// The folder cannot be made, or another run is writing into it.
    pub fn lock(&self) -> Result<LockedFolder> {
        match fs::create_dir_all(&self.root) {
            // A file has its name: that it is no folder is told with the next.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.doing("create the folder", &self.root)?,
        }
        own_file::make_folders(&self.root, &Path::new(OWN).join(PARTIAL))?;
        let held = own_file::lock(&self.root.join(OWN).join(LOCK))?;
        Ok(LockedFolder { folder: self.clone(), held })
    }

    /// Keeps everybody from writing into the folder, which must have a manifest. Where no lock can be made (a
    /// read-only or full file system, a folder of somebody else's), it goes on without.
    ///
    /// # Errors
    /// There is no manifest, or another run is writing into the folder.
    pub fn lock_for_reading(&self) -> Result<ReadLock> {
        // Nothing is made in a folder that is none of ours.
        self.expect_manifest()?;
        let own = self.root.join(OWN);
        let made = Some(own.clone()).filter(|own| !own.exists());
        let ready = own_file::make_folders(&self.root, Path::new(OWN));
        match ready.and_then(|()| own_file::lock_shared(&own.join(LOCK))) {
            Ok(held) => Ok(ReadLock { held: Some(held), made }),
            Err(error) if cannot_be_made(&error) => {
                if let Some(made) = made {
                    // A full disk may have had room for the folder and none for the file in it.
                    let _ = fs::remove_dir(made);
                }
                Ok(ReadLock { held: None, made: None })
            }
            Err(error) => Err(error),
        }
    }

    /// The manifest in the folder; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or is not valid.
    pub fn manifest(&self) -> Result<Option<Manifest>> {
        let path = self.root.join(FILE_NAME);
        match read_manifest_text(&path) {
            Ok(text) => Manifest::parse(text, &path.display().to_string()).map(Some),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Error::io("read the manifest", &path, error)),
        }
    }

    /// The manifest in the folder, which must be there.
    ///
    /// # Errors
    /// It is missing, cannot be read or is not valid.
    pub fn expect_manifest(&self) -> Result<Manifest> {
        self.manifest()?.ok_or_else(|| {
            Error::failed("this folder has no manifest.json").fact("path", self.root.display()).hint(format_args!(
                "name the folder that 'pack download' made, or make it with: pack download --dir {}",
                shell_word(&self.root)
            ))
        })
    }

    /// The platform whose artifacts these are, where it was written down.
    ///
    /// # Errors
    /// What was written down cannot be read.
    pub fn platform(&self) -> Result<Option<Platform>> {
        let path = self.root.join(OWN).join("platform");
        let mut text = String::new();
        match small_file::open_regular(&path).and_then(|file| file.take(LONGEST_PLATFORM).read_to_string(&mut text)) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            read => read.doing("read", &path).map(|_| text.trim().parse().ok()),
        }
    }

    /// Whether a download into it has begun, whatever became of it.
    pub fn is_begun(&self) -> bool {
        self.root.join(OWN).join(origin::ORIGIN).is_file() || self.partials().is_dir()
    }

    /// Where files lie that have not their final names yet; the holder of the write lock may write there.
    pub fn partials(&self) -> PathBuf {
        self.root.join(OWN).join(PARTIAL)
    }

    /// Where the partial of that digest lies, or would lie.
    pub fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.partials().join(digest.hex())
    }
}

impl LockedFolder {
    /// Writes the manifest's exact text into the folder, and its signature, or no signature, beside it.
    ///
    /// # Errors
    /// The disk refuses; the old manifest is then still there.
    pub fn write_manifest(&self, manifest: &Manifest, signature: Option<&str>) -> Result<()> {
        let beside = self.root.join(SIGNATURE_NAME);
        match (signature, fs::remove_file(&beside)) {
            (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove the old signature", &beside, error));
            }
            (Some(signature), _) => StagedFile::write(&beside, signature.as_bytes(), 0o644)?,
            (None, _) => {}
        }
        StagedFile::write(&self.root.join(FILE_NAME), manifest.text().as_bytes(), 0o644)
    }

    /// Removes the artifacts of `old` that `selection` does not name, where they still are exactly what
    /// `old` pinned: nothing else of anybody's is touched. The names of what was removed.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_left_over(&self, old: &Manifest, selection: &[Pinned<'_>]) -> Result<Vec<RelPath>> {
        let mut removed = Vec::new();
        for artifact in old.artifacts() {
            let stays = selection.iter().any(|pinned| *pinned.name() == artifact.id.name);
            let path = self.path_of(&artifact.id.name);
            if stays || !path.is_file() {
                continue;
            }
            if still_is(&path, artifact.pin)? {
                fs::remove_file(&path).doing("remove", &path)?;
                removed.push(artifact.id.name.clone());
            }
        }
        Ok(removed)
    }

    /// Writes down the platform whose artifacts these are.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_platform(&self, platform: Platform) -> Result<()> {
        own_file::make_folders(&self.root, Path::new(OWN))?;
        StagedFile::write(&self.root.join(OWN).join("platform"), format!("{platform}\n").as_bytes(), 0o644)
    }

    /// Removes partials that none of `wanted` asks for: left over from another version.
    ///
    /// # Errors
    /// The folder cannot be read or a file not removed.
    pub fn drop_partials_except(&self, wanted: &[Digest]) -> Result<()> {
        let partials = self.partials();
        let wanted: Vec<String> = wanted.iter().map(Digest::hex).collect();
        for entry in fs::read_dir(&partials).doing("list", &partials)? {
            let entry = entry.doing("list", &partials)?;
            let name = entry.file_name();
            // A folder is not a file of ours, no matter who made it.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder && !wanted.iter().any(|digest| name.to_string_lossy().starts_with(digest.as_str())) {
                fs::remove_file(entry.path()).doing("remove", &entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether the file at `path` is exactly what was pinned; nothing is what was not.
fn still_is(path: &Path, pin: Option<Pin>) -> Result<bool> {
    let Some(pin) = pin else { return Ok(false) };
    let matches = |file: File| {
        let expected = pin.for_size(file.metadata()?.len());
        VerifyingReader::new(file, expected).matches()
    };
    File::open(path).and_then(matches).doing("read", path)
}

/// Whether a file could not be made for reasons that keep everybody like us from making one.
fn cannot_be_made(error: &Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.io_kind(), Some(PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull))
}

/// Whether a path below the root is the folder's own rather than an artifact.
fn is_own(relative: &Path) -> bool {
    // A killed run may have left a staged file; the next one that writes there removes it.
    let staged = relative.to_str().is_some_and(staged_file::is_staged);
    staged
        || [FILE_NAME, SIGNATURE_NAME, SITE_PROGRAM, SITE_PROGRAM_SUM].iter().any(|own| relative == Path::new(own))
        || relative.starts_with(OWN)
}

/// A manifest's text from a file, never more of it than a manifest may have.
///
/// # Errors
/// The file cannot be read or is no UTF-8.
pub fn read_manifest_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more, so that the manifest's own limit refuses it.
    small_file::open_regular(path)?.take(Limits::DEFAULT.manifest_bytes + 1).read_to_string(&mut text)?;
    Ok(text)
}
