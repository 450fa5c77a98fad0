//! What came so far of an artifact, and the one way from there to its final name.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Folder;
use crate::atomic::sync_folder_of;
use crate::digest::{Digest, Hasher};
use crate::error::{IoContext, Result};
use crate::manifest::{Limits, Pin};
use crate::path::RelPath;

/// An artifact's bytes so far, in a file named by the digest they must come to.
///
/// Every byte is hashed as it is written, and one more byte than the artifact may have is never written.
pub struct Partial {
    file: File,
    path: PathBuf,
    hasher: Hasher,
    pin: Pin,
}

/// A file whose size and digest were checked: the only thing that can get an artifact's final name.
#[derive(Debug)]
pub struct Verified {
    file: File,
    path: PathBuf,
    size: u64,
    digest: Digest,
}

/// What came is complete, and is not what was pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// How many bytes came; one more than the limit when there was no end to them.
    pub size: u64,
    /// Their digest, when all of them were taken in.
    pub digest: Option<Digest>,
}

impl Partial {
    /// Opens what is there for `pin`, hashing it again, or begins it.
    ///
    /// # Errors
    /// The file cannot be opened, read or written.
    pub fn open(folder: &Folder, pin: Pin) -> Result<Self> {
        let path = folder.partial_path(&pin.digest);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .doing("create", &path)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let n = std::io::Read::read(&mut file, &mut buffer).doing("read", &path)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
        }
        let mut partial = Partial { file, path, hasher, pin };
        if partial.length() > partial.limit() {
            partial.restart()?;
        }
        Ok(partial)
    }

    /// How many bytes are there.
    pub fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// How many bytes there can be at most: the pinned size, else the limit of an artifact.
    pub fn limit(&self) -> u64 {
        self.pin.size.unwrap_or(Limits::DEFAULT.artifact_bytes)
    }

    /// Throws away what is there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).doing("empty", &self.path)?;
        self.file.seek(SeekFrom::Start(0)).doing("rewind", &self.path)?;
        self.hasher = Hasher::new();
        Ok(())
    }

    /// Writes and hashes the next bytes; `false`, and nothing written, when that would be too many.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn append(&mut self, bytes: &[u8]) -> Result<bool> {
        if self.length() + bytes.len() as u64 > self.limit() {
            return Ok(false);
        }
        if let Err(error) = self.file.write_all(bytes) {
            // Part of the bytes may be in the file; what is hashed and what is there must stay one.
            let _ = self.file.set_len(self.length());
            let _ = self.file.seek(SeekFrom::Start(self.length()));
            return Err(error).doing("write", &self.path);
        }
        self.hasher.update(bytes);
        Ok(true)
    }

    /// Says that no byte follows. With the pinned size and digest it becomes [`Verified`] and is on the
    /// disk; with other ones it is thrown away and the mismatch told.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(mut self) -> Result<std::result::Result<Verified, Mismatch>> {
        let size = self.length();
        let digest = self.hasher.clone().finish();
        if self.pin.size.is_some_and(|pinned| pinned != size) || digest != self.pin.digest {
            self.restart()?;
            drop(self.file);
            fs::remove_file(&self.path).doing("remove", &self.path)?;
            return Ok(Err(Mismatch { size, digest: Some(digest) }));
        }
        self.file.sync_all().doing("write", &self.path)?;
        Ok(Ok(Verified { file: self.file, path: self.path, size, digest }))
    }
}

impl Verified {
    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Gives the file its final name in `folder`, replacing what has that name.
    ///
    /// # Errors
    /// The disk refuses; the final name then still has its old content.
    pub fn place(self, folder: &Folder, name: &RelPath, mode: u32) -> Result<()> {
        let target = folder.path_of(name);
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).doing("create the folder", parent)?;
        self.file.set_permissions(Permissions::from_mode(mode)).doing("set the mode of", &self.path)?;
        fs::rename(&self.path, &target).doing("put in place", &target)?;
        sync_folder_of(&target)
    }
}
