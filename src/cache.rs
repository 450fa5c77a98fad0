//! Artifacts kept between folders and versions, each under its digest.
//!
//! ```text
//! $XDG_CACHE_HOME/pack/
//!   sha256/<digest>    the bytes
//!   used/<digest>      an empty file; its time of change says when the bytes were last used
//! ```
//!
//! Nothing in it is trusted: whoever takes bytes out hashes them again, and an entry whose bytes are not
//! what its name says is thrown away. Where the file system allows, an entry shares its blocks with the
//! folder's file, so keeping an artifact costs no space and no time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::atomic::WholeFile;
use crate::digest::Digest;
use crate::error::{IoContext, Result};

/// The cache at one place; its folders are made when something is kept.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// One kept artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What its bytes should hash to.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last kept or taken.
    pub used: SystemTime,
}

impl Cache {
    /// The cache at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Cache { root: root.into() }
    }

    /// Where the cache lies by convention: `$XDG_CACHE_HOME/pack`, else `~/.cache/pack` (XDG Base Directory
    /// Specification 0.8; a relative value counts as unset). `None` when there is no home either.
    pub fn default_root() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache"))).map(|cache| cache.join("pack"))
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The kept bytes for `digest`, unchecked; `None` when there are none that can be read.
    pub fn open(&self, digest: &Digest) -> Option<File> {
        let file = File::open(self.path_of(digest)).ok()?;
        self.touch(digest);
        Some(file)
    }

    /// Keeps the file at `path`, whose bytes the caller has just checked against `digest`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn keep(&self, digest: &Digest, path: &Path) -> Result<()> {
        let entry = self.path_of(digest);
        if !entry.exists() {
            let shelf = self.shelf();
            fs::create_dir_all(&shelf).doing("create the folder", &shelf)?;
            match fs::hard_link(path, &entry) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another file system, or one without links: a copy.
                Err(_) => copy(path, &entry)?,
            }
        }
        self.touch(digest);
        Ok(())
    }

    /// A file in the cache's folder for bytes whose digest is not known yet; it goes when it is dropped.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn begin(&self) -> Result<NamedTempFile> {
        let shelf = self.shelf();
        fs::create_dir_all(&shelf).doing("create the folder", &shelf)?;
        tempfile::Builder::new().prefix(".incoming-").tempfile_in(&shelf).doing("create a file in", &shelf)
    }

    /// Throws away the entry for `digest`, if there is one.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn discard(&self, digest: &Digest) -> Result<()> {
        for path in [self.path_of(digest), self.use_of(digest)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).doing("remove", &path),
                _ => {}
            }
        }
        Ok(())
    }

    /// Everything kept, what was used longest ago first.
    ///
    /// # Errors
    /// The cache's folder cannot be read; one that does not exist holds nothing.
    pub fn list(&self) -> Result<Vec<Entry>> {
        let shelf = self.shelf();
        let found = match fs::read_dir(&shelf) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.doing("list", &shelf)?,
        };
        let mut entries = Vec::new();
        for item in found {
            let item = item.doing("list", &shelf)?;
            let Some(digest) = item.file_name().to_str().and_then(|hex| format!("sha256:{hex}").parse().ok()) else {
                continue;
            };
            let metadata = item.metadata().doing("look at", &item.path())?;
            let used = fs::metadata(self.use_of(&digest)).or(Ok(metadata.clone())).and_then(|time| time.modified());
            entries.push(Entry { digest, size: metadata.len(), used: used.unwrap_or(SystemTime::UNIX_EPOCH) });
        }
        entries.sort_by_key(|entry| (entry.used, entry.digest));
        Ok(entries)
    }

    /// Throws away what was not used since `used_before`, then what was used longest ago until at most
    /// `keep_bytes` are left. Gives back what went.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn prune(&self, used_before: Option<SystemTime>, keep_bytes: Option<u64>) -> Result<Vec<Entry>> {
        let entries = self.list()?;
        let mut left: u64 = entries.iter().map(|entry| entry.size).sum();
        let mut gone = Vec::new();
        for entry in entries {
            let old = used_before.is_some_and(|before| entry.used < before);
            let too_much = keep_bytes.is_some_and(|most| left > most);
            if old || too_much {
                self.discard(&entry.digest)?;
                left -= entry.size;
                gone.push(entry);
            }
        }
        Ok(gone)
    }

    fn shelf(&self) -> PathBuf {
        self.root.join("sha256")
    }

    fn path_of(&self, digest: &Digest) -> PathBuf {
        self.shelf().join(digest.hex())
    }

    fn use_of(&self, digest: &Digest) -> PathBuf {
        self.root.join("used").join(digest.hex())
    }

    /// Remembers that the entry was used now. An entry that cannot be marked is only pruned sooner.
    fn touch(&self, digest: &Digest) {
        let path = self.use_of(digest);
        let _ = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&path))
            .and_then(|file| file.set_modified(SystemTime::now()));
    }
}

/// A copy that is whole or not there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).doing("read", from)?;
    let mut whole = WholeFile::create(to)?;
    io::copy(&mut source, whole.file()).doing("write", to)?;
    whole.place(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::at(folder.path().join("cache"));
        assert_eq!(cache.list().expect("listed"), []);
        let now = SystemTime::now();
        let digests: Vec<Digest> = (0..4u8).map(|n| Digest::of(&[n])).collect();
        for (age, digest) in (0..4).rev().zip(&digests) {
            let file = folder.path().join(digest.hex());
            fs::write(&file, [age; 100]).expect("written");
            cache.keep(digest, &file).expect("kept");
            let used = now - Duration::from_secs(1_000 * u64::from(age));
            File::open(cache.use_of(digest)).and_then(|mark| mark.set_modified(used)).expect("marked");
        }
        let order: Vec<Digest> = cache.list().expect("listed").iter().map(|entry| entry.digest).collect();
        assert_eq!(order, digests);
        let gone = cache.prune(Some(now - Duration::from_secs(2_500)), None).expect("pruned");
        assert_eq!(gone.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [digests[0]]);
        cache.open(&digests[1]).expect("there: and used just now");
        let gone = cache.prune(None, Some(250)).expect("pruned");
        assert_eq!(gone.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [digests[2]]);
        assert_eq!(cache.list().expect("listed").len(), 2);
    }
}
