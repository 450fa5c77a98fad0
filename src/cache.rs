//! Artifacts kept between folders and versions, each under its digest.
//!
//! ```text
//! $XDG_CACHE_HOME/pack/
//!   sha256/<digest>    the bytes
//!   sha256/.incoming-… bytes that nobody has pinned yet
//!   used/<digest>      an empty file; its time of change says when the bytes were last used
//! ```
//!
//! Nothing in it is trusted: bytes that are taken out are hashed again, and an entry whose bytes are not
//! what its name says is thrown away. Large entries are not on the disk twice, here and in a folder: `cache/share.rs` says how.

mod share;
mod unpinned;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use unpinned::{Edition, Incoming};

use crate::digest::Digest;
use crate::error::{IoContext, Result};
use crate::manifest::Kind;
use crate::own_file;

/// The cache at one place; its folders are made when something is kept.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// One kept artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// What its bytes should hash to.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last kept or taken.
    pub used: SystemTime,
}

/// A file in the cache's folder that nobody has touched for a day: a run that was interrupted left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// What [`Cache::prune`] threw away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// What was kept until now.
    pub entries: Vec<CacheEntry>,
    /// What was of no use anyway.
    pub strays: Vec<Stray>,
}

/// How long nobody must have written to a file without a digest for a name before it counts as a stray: until
/// then somebody may be at work on it, or about to go on with it.
const FORSAKEN: Duration = Duration::from_secs(24 * 60 * 60);

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

    /// The kept bytes for `digest`, unchecked.
    ///
    /// # Errors
    /// `NotFound` where there are none; else what has the entry's name cannot be read, or is not a file of this user's.
    pub fn open(&self, digest: &Digest) -> io::Result<File> {
        let file = own_file::open_shared(&self.path_of(digest))?;
        self.touch(digest);
        Ok(file)
    }

    /// Gives the entry for `digest`, an artifact of that kind, the new name `to`; returns it, open and unchecked.
    ///
    /// # Errors
    /// There is no entry, it is small or of a kind that people edit, it may be written to, or `to` is on another file system
    /// or taken.
    pub fn link(&self, digest: &Digest, kind: Kind, to: &Path) -> io::Result<File> {
        let file = share::link(&self.path_of(digest), kind, to)?;
        self.touch(digest);
        Ok(file)
    }

    /// Keeps the file at `path`, an artifact of that kind, whose bytes the caller has just checked against `digest`.
    /// Where the file system cannot share blocks, a large one is read-only after that.
    ///
    /// # Errors
    /// The file cannot be read, or the cache not be written.
    pub fn keep(&self, digest: &Digest, path: &Path, kind: Kind) -> Result<()> {
        let entry = self.path_of(digest);
        if let Err(error) = own_file::open_shared(&entry) {
            let blobs = self.blobs_dir();
            fs::create_dir_all(&blobs).doing("create the folder", &blobs)?;
            if error.kind() != io::ErrorKind::NotFound {
                own_file::remove(&entry)?;
            }
            share::put(path, kind, &entry)?;
        }
        self.touch(digest);
        Ok(())
    }

    /// The unpinned partial download of the URL with this digest.
    ///
    /// # Errors
    /// The disk refuses, or another run is fetching it.
    pub fn incoming(&self, url: &Digest) -> Result<Incoming> {
        let blobs = self.blobs_dir();
        fs::create_dir_all(&blobs).doing("create the folder", &blobs)?;
        Incoming::at(self.incoming_path(url))
    }

    /// Removes the partial download of that URL, unless another run is fetching it.
    pub fn forget_incoming(&self, url: &Digest) {
        let path = self.incoming_path(url);
        if path.exists()
            && let Ok(mut incoming) = Incoming::at(path)
        {
            incoming.discard();
        }
    }

    /// Keeps the received file under the digest that it has.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn take(&self, incoming: Incoming) -> Result<()> {
        let digest = incoming.descriptor().digest;
        if incoming.place(&self.path_of(&digest))? {
            self.touch(&digest);
        }
        Ok(())
    }

    /// Throws away the entry for `digest`, if there is one.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn discard(&self, digest: &Digest) -> Result<()> {
        for path in [self.path_of(digest), self.use_of(digest)] {
            own_file::remove(&path)?;
        }
        Ok(())
    }

    /// Everything kept, what was used longest ago first.
    ///
    /// # Errors
    /// The cache's folder cannot be read; one that does not exist holds nothing.
    pub fn list(&self) -> Result<Vec<CacheEntry>> {
        let mut entries = Vec::new();
        for item in self.items()? {
            let Some(digest) = digest_of(&item) else { continue };
            let metadata = item.metadata().doing("look at", &item.path())?;
            let used = fs::metadata(self.use_of(&digest)).or(Ok(metadata.clone())).and_then(|time| time.modified());
            entries.push(CacheEntry { digest, size: metadata.len(), used: used.unwrap_or(SystemTime::UNIX_EPOCH) });
        }
        entries.sort_by_key(|entry| (entry.used, entry.digest));
        Ok(entries)
    }

    /// What runs that were interrupted more than a day ago left behind.
    ///
    /// # Errors
    /// The cache's folder cannot be read; one that does not exist holds nothing.
    pub fn strays(&self) -> Result<Vec<Stray>> {
        let now = SystemTime::now();
        let mut strays = Vec::new();
        for item in self.items()?.into_iter().filter(|item| digest_of(item).is_none()) {
            // What is gone by now was not forsaken.
            let Some(metadata) = item.metadata().ok().filter(fs::Metadata::is_file) else { continue };
            let age = metadata.modified().ok().and_then(|written| now.duration_since(written).ok());
            if age.is_some_and(|age| age > FORSAKEN) {
                strays.push(Stray { path: item.path(), size: metadata.len() });
            }
        }
        strays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(strays)
    }

    /// Throws away all strays, what was not used since `used_before`, then what was used longest ago until
    /// at most `keep_bytes` are left.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn prune(&self, used_before: Option<SystemTime>, keep_bytes: Option<u64>) -> Result<Pruned> {
        let strays = self.strays()?;
        for stray in &strays {
            own_file::remove(&stray.path)?;
        }
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
        Ok(Pruned { entries: gone, strays })
    }

    /// Everything among the blobs, whatever it is called.
    fn items(&self) -> Result<Vec<fs::DirEntry>> {
        let blobs = self.blobs_dir();
        match fs::read_dir(&blobs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.and_then(Iterator::collect).doing("list", &blobs),
        }
    }

    fn blobs_dir(&self) -> PathBuf {
        self.root.join("sha256")
    }

    /// Where the bytes with this digest are, if they are kept.
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        self.blobs_dir().join(digest.hex())
    }

    fn incoming_path(&self, url: &Digest) -> PathBuf {
        self.blobs_dir().join(format!(".incoming-{}", url.hex()))
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
            .and_then(|()| own_file::open_or_create(&path))
            .and_then(|file| file.set_modified(SystemTime::now()));
    }
}

/// The digest that an entry's name tells.
fn digest_of(item: &fs::DirEntry) -> Option<Digest> {
    format!("sha256:{}", item.file_name().to_str()?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_after_a_day() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::at(folder.path());
        let url = Digest::of(b"a URL");
        let mut incoming = cache.incoming(&url).expect("begun");
        let edition = Edition { place: url, size: None, validator: "\"x\"".to_owned() };
        incoming.restart(Some(edition)).expect("begun");
        incoming.append(b"half").expect("written");
        drop(incoming);
        let half = cache.blobs_dir().join(format!(".incoming-{}", url.hex()));
        let copy = cache.blobs_dir().join(format!(".{}.partial", Digest::of(b"x").hex()));
        fs::write(&copy, "more").expect("written");
        assert_eq!(cache.strays().expect("listed"), [], "somebody may be working on them");
        let day = Duration::from_secs(25 * 60 * 60);
        for path in [&half, &half.with_extension("journal"), &copy] {
            let file = File::options().write(true).open(path).expect("there");
            file.set_modified(SystemTime::now() - day).expect("dated back");
        }
        let entry = folder.path().join("entry");
        fs::write(&entry, "x").expect("written");
        cache.keep(&Digest::of(b"x"), &entry, Kind::Image).expect("kept");
        assert_eq!(cache.strays().expect("listed").len(), 3);
        let pruned = cache.prune(None, None).expect("pruned");
        assert_eq!((pruned.entries.len(), pruned.strays.len()), (0, 3));
        assert!(!half.exists() && !copy.exists());
        assert_eq!(cache.list().expect("listed").len(), 1, "entries are no strays");
    }

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
            cache.keep(digest, &file, Kind::Image).expect("kept");
            let used = now - Duration::from_secs(1_000 * u64::from(age));
            File::open(cache.use_of(digest)).and_then(|mark| mark.set_modified(used)).expect("marked");
        }
        let order: Vec<Digest> = cache.list().expect("listed").iter().map(|entry| entry.digest).collect();
        assert_eq!(order, digests);
        let gone = cache.prune(Some(now - Duration::from_secs(2_500)), None).expect("pruned");
        assert_eq!(gone.entries.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [digests[0]]);
        cache.open(&digests[1]).expect("there: and used just now");
        let gone = cache.prune(None, Some(250)).expect("pruned");
        assert_eq!(gone.entries.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [digests[2]]);
        assert_eq!(cache.list().expect("listed").len(), 2);
    }
}
