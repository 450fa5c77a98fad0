//! A partially downloaded artifact; [`Partial::finish`] verifies it and is the only way to its final name.

use std::fs::{self, File, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::LockedFolder;
use super::background_sync::BackgroundSync;
use super::extents::Extents;
use super::journal::{Journal, Origin};
use crate::digest::{Descriptor, PrefixHasher};
use crate::error::{Error, IoContext, Result};
use crate::manifest::{Limits, Pin};
use crate::own_file;
use crate::path::RelPath;
use crate::staged_file::sync_folder_of;

/// How many bytes that arrived out of order one write reads back to hash them.
const CATCH_UP: u64 = 1 << 20;

/// An artifact's bytes so far, in a file named by the digest they must come to.
///
/// Bytes may come in any order. They are hashed in theirs: as they are written where that is the next
/// place, else read back when what was missing before them has come. No byte past the size that the
/// artifact may have is ever written.
pub struct Partial {
    file: File,
    path: PathBuf,
    journal: Journal,
    held: Extents,
    origin: Option<Origin>,
    prefix: PrefixHasher,
    pin: Pin,
    background_sync: BackgroundSync,
}

/// A file whose size and digest were checked: the only thing that can get an artifact's final name.
pub struct Verified {
    file: File,
    path: PathBuf,
    rest: Rest,
    descriptor: Descriptor,
}

/// What a verified file has besides its bytes.
enum Rest {
    /// The partial's journal. Removed only after the rename: a kill before that costs nothing but the rename.
    Journal(Journal),
    /// Other names, with which it shares its mode.
    OtherNames,
}

impl Partial {
    /// Opens what is there for `pin`, or begins it.
    ///
    /// # Errors
    /// The file cannot be opened, read or written.
    pub fn open(folder: &LockedFolder, pin: Pin) -> Result<Self> {
        let path = folder.partial_path(&pin.digest);
        let file = own_file::open_or_create(&path).doing("create", &path)?;
        let length = file.metadata().doing("look at", &path)?.len();
        let (journal, mut held, origin) = Journal::open(path.with_extension("journal"), length)?;
        held.clip(pin.size.unwrap_or(Limits::DEFAULT.artifact_bytes));
        Ok(Partial {
            file,
            path,
            journal,
            held,
            origin,
            prefix: PrefixHasher::new(),
            pin,
            background_sync: BackgroundSync::default(),
        })
    }

    /// How many bytes are there.
    pub fn length(&self) -> u64 {
        self.held.total()
    }

    /// How many bytes there can be at most: the pinned size, else the limit of an artifact.
    pub fn limit(&self) -> u64 {
        self.pin.size.unwrap_or(Limits::DEFAULT.artifact_bytes)
    }

    /// What is missing of the first `size` bytes, in order.
    pub fn gaps(&self, size: u64) -> Vec<Range<u64>> {
        self.held.gaps(size)
    }

    /// Which bytes are there.
    pub fn held(&self) -> &Extents {
        &self.held
    }

    /// Where the bytes come from, as far as it was written down.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Writes down where the bytes from now on come from.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_origin(&mut self, origin: Origin) -> Result<()> {
        if self.origin.as_ref() != Some(&origin) {
            self.journal.from(&origin)?;
            self.origin = Some(origin);
        }
        Ok(())
    }

    /// Throws away what is there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn restart(&mut self) -> Result<()> {
        self.journal.clear()?;
        self.held = Extents::default();
        self.origin = None;
        self.prefix = PrefixHasher::new();
        self.file.set_len(0).doing("empty", &self.path)
    }

    /// Takes over all blocks of `source` in place of what is there; `false`, and nothing changed, where the file system cannot, or they are too many.
    /// They are not hashed yet.
    ///
    /// # Errors
    /// An I/O error.
    pub fn share_blocks(&mut self, source: &File) -> Result<bool> {
        let size = source.metadata().doing("look at", &self.path)?.len();
        if size > self.limit() || rustix::fs::ioctl_ficlone(&self.file, source).is_err() {
            return Ok(false);
        }
        self.held = Extents::default();
        self.held.insert(0..size);
        self.journal.held(0..size)?;
        Ok(true)
    }

    /// Writes the bytes that follow the first run of what is there; `false`, and nothing written, when
    /// that would be too many.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn append(&mut self, bytes: &[u8]) -> Result<bool> {
        self.write_at(self.held.head(), bytes)
    }

    /// Writes bytes at their place; `false`, and nothing written, when they reach past the limit.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<bool> {
        let end = offset + bytes.len() as u64;
        if end > self.limit() {
            return Ok(false);
        }
        self.file.write_all_at(bytes, offset).doing("write", &self.path)?;
        self.background_sync.wrote(&self.file, bytes.len() as u64).doing("write", &self.path)?;
        self.held.insert(offset..end);
        self.journal.held(offset..end)?;
        self.prefix.wrote(offset, bytes);
        self.catch_up(CATCH_UP)?;
        Ok(true)
    }

    /// Writes the ranges that are present into the journal, so that a later run goes on from here.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn flush(&mut self) -> Result<()> {
        self.journal.flush()
    }

    /// Whether what is there is, as it is, what was pinned.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn is_pinned(&mut self) -> Result<bool> {
        let found = self.descriptor()?;
        Ok(self.held.end() == found.size && self.pin.check(found).is_ok())
    }

    /// The descriptor of the first run of what is there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn descriptor(&mut self) -> Result<Descriptor> {
        self.catch_up(u64::MAX)?;
        Ok(self.prefix.descriptor())
    }

    /// Hashes at most `most` bytes that are there and whose turn has come.
    fn catch_up(&mut self, most: u64) -> Result<()> {
        let end = self.held.head().min(self.prefix.length().saturating_add(most));
        self.prefix.catch_up(&self.file, end).doing("read", &self.path)
    }

    /// Says that no byte follows. With the pinned size and digest it becomes [`Verified`] and is on the
    /// disk; with other ones, or holes, it is thrown away, and the descriptor of its first run is returned.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(mut self) -> Result<std::result::Result<Verified, Descriptor>> {
        let pinned = self.is_pinned()?;
        let descriptor = self.prefix.descriptor();
        if !pinned {
            self.journal.remove()?;
            fs::remove_file(&self.path).doing("remove", &self.path)?;
            return Ok(Err(descriptor));
        }
        self.journal.flush()?;
        // Bytes of an earlier, longer attempt may lie behind.
        self.file.set_len(descriptor.size).doing("cut", &self.path)?;
        self.background_sync.finish().and_then(|()| self.file.sync_all()).doing("write", &self.path)?;
        Ok(Ok(Verified { file: self.file, path: self.path, rest: Rest::Journal(self.journal), descriptor }))
    }
}

/// Appends, and fails with `FileTooLarge` at the first byte past [`Partial::limit`].
impl io::Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.append(bytes) {
            Ok(true) => Ok(bytes.len()),
            Ok(false) => Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Verified {
    /// The file at `path`, which has other names too, and was found to be `descriptor`.
    pub(super) fn linked(file: File, path: PathBuf, descriptor: Descriptor) -> Self {
        Verified { file, path, rest: Rest::OtherNames, descriptor }
    }

    /// Its size and digest.
    pub fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    /// Gives the file its final name in `folder`, replacing what has that name, and the mode unless it shares that with
    /// other names.
    ///
    /// # Errors
    /// The disk refuses; the final name then still has its old content.
    pub fn place(self, folder: &LockedFolder, name: &RelPath, mode: u32) -> Result<()> {
        let target = folder.path_of(name);
        own_file::make_folders(folder.root(), Path::new(name.as_str()).parent().unwrap_or(Path::new("")))?;
        if let Rest::Journal(_) = self.rest {
            self.file.set_permissions(Permissions::from_mode(mode)).doing("set the mode of", &self.path)?;
        }
        if target.is_dir() {
            return Err(Error::failed("a folder lies where an artifact belongs")
                .fact("path", target.display())
                .hint("move it away with what is in it, then run the same command again"));
        }
        fs::rename(&self.path, &target).doing("put in place", &target)?;
        if let Rest::Journal(journal) = self.rest {
            journal.remove()?;
        }
        sync_folder_of(&target)
    }
}
