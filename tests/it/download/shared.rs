//! Cache and folders: nothing large is on the disk twice, and an edit in one place reaches no other.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::fault::product::{Product, Watcher};
use crate::support::fault::{Reply, Server, serve};
use crate::support::mounts::{Tmpfs, Xfs};
use crate::support::noise;
use pack::digest::Digest;
use pack::fetch::Options;

const LARGE: usize = 3 << 20;
const SMALL: usize = 100_000;

/// A server whose `/SIZE` is that many bytes, and whose answers are counted.
fn server() -> Server {
    serve(|request| match request.path.trim_start_matches('/').parse() {
        Ok(size) => Reply::file(request, &noise(1, size)),
        Err(_) => Reply::new(404, ""),
    })
}

/// One artifact `a` of that kind and size, in a folder below `place`, which has a cache too.
struct Site {
    product: Product,
    options: Options,
    entry: PathBuf,
}

impl Site {
    fn new(place: &Path, kind: &'static str, size: usize) -> Self {
        let content = noise(1, size);
        let product = Product::below(place).of_kind(kind).with("a", &content, &[&size.to_string()]);
        let cache = place.join("cache");
        let entry = cache.join("sha256").join(Digest::of(&content).hex());
        Site { product, options: Options { cache: Some(cache), ..Product::hurried() }, entry }
    }

    /// Downloads and says whether the artifact came from the cache.
    fn download(&self, server: &Server) -> bool {
        let outcomes = self.product.download_with(&server.url(""), self.options.clone()).expect("downloaded");
        self.product.assert_complete();
        outcomes[0].from_cache
    }

    fn file(&self) -> PathBuf {
        self.product.path("a")
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).expect("there").ino()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[test]
fn a_large_artifact_is_one_read_only_file_in_cache_and_folders() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    // It has no reflinks, wherever the tests run.
    let Some(disk) = Tmpfs::mount(&scratch.path().join("disk"), "size=64m") else { return };
    let server = server();
    for kind in ["image", "engine", "file"] {
        let sites = [(); 3].map(|()| Site::new(disk.path(), kind, LARGE));
        let cached = [0, 1, 2].map(|number: usize| sites[number].download(&server));
        assert_eq!(cached, [kind != "image", true, true], "{kind}");
        for site in &sites {
            assert_eq!((inode(&site.file()), mode(&site.file())), (inode(&sites[0].entry), 0o444), "{kind}");
        }
    }
    assert_eq!(server.sent(), LARGE as u64);
}

#[test]
fn what_is_small_or_edited_is_a_copy_that_no_edit_leaves() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = Tmpfs::mount(&scratch.path().join("disk"), "size=64m") else { return };
    let server = server();
    for (kind, size, usual) in [
        ("image", SMALL, 0o644),
        ("script", SMALL, 0o755),
        ("script", LARGE, 0o755),
        ("unit", LARGE, 0o644),
        ("stack", LARGE, 0o644),
    ] {
        let sites = [(); 2].map(|()| Site::new(disk.path(), kind, size));
        for site in &sites {
            site.download(&server);
        }
        for site in &sites {
            assert_eq!((mode(&site.file()), mode(&site.entry)), (usual, 0o444), "{kind}");
        }
        fs::write(sites[0].file(), "edited").expect("written in place");
        fs::set_permissions(sites[0].file(), fs::Permissions::from_mode(0o600)).expect("changed");
        for other in [&sites[0].entry, &sites[1].file()] {
            assert_eq!(fs::read(other).expect("there"), noise(1, size), "{kind}: {}", other.display());
        }
        let third = Site::new(disk.path(), kind, size);
        assert!(third.download(&server), "{kind}: the entry is as it was");
    }
}

#[test]
fn a_file_system_with_reflinks_shares_blocks_and_no_file() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = Xfs::mount(scratch.path()) else { return };
    let server = server();
    let size = 32 << 20;
    let used = || {
        rustix::fs::syncfs(fs::File::open(disk.path()).expect("opened")).expect("synced");
        let room = rustix::fs::statvfs(disk.path()).expect("told");
        (room.f_blocks - room.f_bfree) * room.f_frsize
    };
    let before = used();
    let sites = [(); 3].map(|()| Site::new(disk.path(), "image", size));
    let cached = [0, 1, 2].map(|number: usize| sites[number].download(&server));
    assert_eq!(cached, [false, true, true]);
    let taken = used() - before;
    assert!(taken < 2 * size as u64, "{taken} bytes taken by four times {size}");
    for site in &sites {
        assert_eq!(mode(&site.file()), 0o644);
        assert_ne!(inode(&site.file()), inode(&site.entry));
    }
    fs::write(sites[0].file(), "edited").expect("written in place");
    for other in [&sites[0].entry, &sites[1].file()] {
        assert_eq!(fs::read(other).expect("there"), noise(1, size), "{}", other.display());
    }
}

/// Root's edit of a read-only file that the cache shares is found the next time, wherever it is used.
#[test]
fn a_shared_file_is_hashed_again_on_every_use() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = Tmpfs::mount(&scratch.path().join("disk"), "size=64m") else { return };
    let server = server();
    let sites = [(); 2].map(|()| Site::new(disk.path(), "image", LARGE));
    for site in &sites {
        site.download(&server);
    }
    let writable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(sites[0].file(), writable).expect("changed");
    fs::write(sites[0].file(), noise(2, LARGE)).expect("written in place");
    fs::set_permissions(sites[0].file(), fs::Permissions::from_mode(0o444)).expect("changed");
    assert!(!sites[1].download(&server), "the damaged entry is not used");
    assert_eq!(fs::read(&sites[1].entry).expect("there"), noise(1, LARGE));
    assert_eq!(server.sent(), 2 * LARGE as u64);
}

#[test]
fn an_entry_that_can_be_written_to_is_copied() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = Tmpfs::mount(&scratch.path().join("disk"), "size=64m") else { return };
    let server = server();
    let sites = [(); 2].map(|()| Site::new(disk.path(), "image", LARGE));
    sites[0].download(&server);
    fs::set_permissions(&sites[0].entry, fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(sites[1].download(&server));
    assert_ne!(inode(&sites[1].file()), inode(&sites[1].entry));
}

#[test]
fn what_others_put_in_an_entrys_place_is_neither_used_nor_followed() {
    let server = server();
    for planted in ["link", "pipe", "another user's file"] {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let site = Site::new(scratch.path(), "image", LARGE);
        let victim = scratch.path().join("victim");
        fs::write(&victim, noise(1, LARGE)).expect("written");
        fs::create_dir_all(site.entry.parent().expect("a folder")).expect("made");
        match planted {
            "link" => symlink(&victim, &site.entry).expect("linked"),
            "pipe" => {
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &site.entry, fifo, 0o600.into(), 0).expect("made");
            }
            _ => {
                fs::copy(&victim, &site.entry).expect("copied");
                if std::os::unix::fs::chown(&site.entry, Some(65_534), None).is_err() {
                    crate::support::skip("giving a file to another user needs root");
                    continue;
                }
            }
        }
        let watcher = Watcher::default();
        let outcomes = site.product.download_watched(&server.url(""), site.options.clone(), &watcher);
        assert!(!outcomes.expect("downloaded")[0].from_cache, "{planted}");
        let notes = watcher.notes.lock().expect("no panic");
        assert!(notes.iter().any(|note| note.contains("cannot be used")), "{planted}: {notes:?}");
        let entry = fs::symlink_metadata(&site.entry).expect("there");
        assert!(entry.is_file() && entry.uid() == rustix::process::geteuid().as_raw(), "{planted}");
        assert_eq!(fs::symlink_metadata(&victim).expect("there").nlink(), 1, "{planted}");
        assert_eq!(mode(&victim) & 0o200, 0o200, "{planted}");
    }
}
