//! What is mounted at a place, by `statfs` and the kernel's list of mounts.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use serde::{Serialize, Serializer};

use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;

/// A sort of file system, as far as it matters to a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// FAT: every system reads it, and no file is 4 GiB long.
    Fat,
    /// exFAT: Linux reads it since 5.4.
    ExFat,
    /// NTFS, through the kernel's driver.
    Ntfs,
    /// Through FUSE, which is how older systems have NTFS and exFAT.
    Fuse,
    /// ext2, ext3 or ext4.
    Ext,
    /// Anything else, by its magic number.
    Other(u64),
}

/// The longest file on FAT, in bytes.
pub const LONGEST_ON_FAT: u64 = u32::MAX as u64;

impl Kind {
    fn of_magic(magic: u64) -> Self {
        // linux/magic.h, and NTFS's and exFAT's own.
        match magic {
            0x4d44 => Kind::Fat,
            0x2011_bab0 => Kind::ExFat,
            0x7366_746e | 0x5346_544e => Kind::Ntfs,
            0x6573_5546 => Kind::Fuse,
            0xef53 => Kind::Ext,
            other => Kind::Other(other),
        }
    }

    /// The longest file that it takes, in bytes, where that may matter.
    pub fn longest_file(self) -> Option<u64> {
        (self == Kind::Fat).then_some(LONGEST_ON_FAT)
    }

    /// What a site may have to say about it; `None` where every Linux reads it.
    pub fn caution(self) -> Option<&'static str> {
        match self {
            Kind::ExFat => {
                Some("CentOS 7 cannot read exFAT, nor can other Linux before 5.4; FAT32 and ext4 every site reads")
            }
            Kind::Ntfs | Kind::Fuse => Some(
                "CentOS 7 cannot read NTFS without ntfs-3g, nor can other Linux before 5.15; FAT32 and ext4 every site reads",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Fat => f.write_str("FAT"),
            Kind::ExFat => f.write_str("exFAT"),
            Kind::Ntfs => f.write_str("NTFS"),
            Kind::Fuse => f.write_str("FUSE"),
            Kind::Ext => f.write_str("ext"),
            Kind::Other(magic) => write!(f, "other ({magic:#x})"),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A file system and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSystem {
    /// Its sort.
    pub kind: Kind,
    /// Its device or other source, as the kernel names it.
    pub source: String,
    /// Where it is mounted.
    pub mounted_at: PathBuf,
    /// Its UUID or serial number, where the system knows one.
    pub uuid: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it can only be read.
    #[serde(skip)]
    pub read_only: bool,
}

/// Folders in which media are mounted: a folder in one of them that is on another file system is a medium; one that is
/// not has nothing mounted on it.
const FOR_MEDIA: [&str; 3] = ["/media", "/mnt", "/run/media"];

impl FileSystem {
    /// The file system at `folder`, which is there.
    ///
    /// # Errors
    /// The folder is not one, cannot be looked at, or is a mount point with nothing mounted on it.
    pub fn at(folder: &Path) -> Result<Self> {
        let there = folder.canonicalize().doing("find the folder", folder)?;
        if !there.is_dir() {
            return Err(Error::usage("the destination is not a folder")
                .fact("path", folder.display())
                .hint("name the folder that the medium is mounted on"));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let table = fs::read_to_string("/etc/fstab").unwrap_or_default();
        let (mounted_at, source) = mount_of(&mounts, &there);
        if let Some(point) = unmounted(&there, &mounted_at, &table) {
            return Err(Error::failed("nothing is mounted there: the file would land on this machine's own disk")
                .fact("path", folder.display())
                .fact("mount point", point.display())
                .fact("belongs to", mounted_at.display())
                .hint(format_args!("see what is mounted: findmnt; mount the stick: mount {}", shell_word(&point))));
        }
        let system = statfs(&there).map_err(std::io::Error::from).doing("look at the file system of", folder)?;
        let flags = statvfs(&there).map_err(std::io::Error::from).doing("look at the file system of", folder)?;
        Ok(FileSystem {
            kind: Kind::of_magic(u64::from_le_bytes((system.f_type as i64).to_le_bytes()) & 0xffff_ffff),
            uuid: uuid_of(&source),
            source,
            mounted_at,
            size: flags.f_blocks.saturating_mul(flags.f_frsize),
            read_only: flags.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }
}

/// The last mount that `path` lies on, and its source.
fn mount_of(mounts: &str, path: &Path) -> (PathBuf, String) {
    let mut found = (PathBuf::from("/"), "unknown".to_owned());
    for line in mounts.lines() {
        // proc(5): number, parent, device, root, mount point, options, …, "-", type, source
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(source)) = (before.split(' ').nth(4), after.split(' ').nth(1)) else { continue };
        let point = PathBuf::from(unescaped(point));
        if path.starts_with(&point) && point.as_os_str().len() >= found.0.as_os_str().len() {
            found = (point, unescaped(source));
        }
    }
    found
}

/// `\040` and its like are spaces and other characters that end a field.
fn unescaped(field: &str) -> String {
    let mut text = field.to_owned();
    for (code, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(code, character);
    }
    text
}

/// The mount point that `path` is on or below, if nothing is mounted there.
fn unmounted(path: &Path, mounted_at: &Path, table: &str) -> Option<PathBuf> {
    let listed = table.lines().filter(|line| !line.trim_start().starts_with('#'));
    let listed = listed.filter_map(|line| line.split_whitespace().nth(1)).map(|point| PathBuf::from(unescaped(point)));
    let media = FOR_MEDIA.iter().map(Path::new).filter(|root| path.starts_with(root)).map(|root| {
        let below = path.strip_prefix(root).unwrap_or(Path::new(""));
        below.components().next().map_or_else(|| root.to_path_buf(), |first| root.join(first))
    });
    let points = listed.filter(|point| point.is_absolute() && point != Path::new("/")).chain(media);
    // A mount on the point itself or below it is one; a mount above it is the machine's own disk.
    points.filter(|point| path.starts_with(point)).find(|point| {
        let root = FOR_MEDIA.iter().map(Path::new).find(|root| point.starts_with(root));
        !mounted_at.starts_with(point) && root.is_none_or(|root| !mounted_at.starts_with(root))
    })
}

/// The UUID of a device, by the links that udev makes.
fn uuid_of(source: &str) -> Option<String> {
    let device = Path::new(source).canonicalize().ok().filter(|path| path.starts_with("/dev"))?;
    let links = fs::read_dir("/dev/disk/by-uuid").ok()?.flatten();
    let mut named = links.filter(|link| link.path().canonicalize().is_ok_and(|path| path == device));
    named.next().map(|link| link.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 21 8:17 / /media/with\\040space rw - vfat /dev/sdb1 rw
31 21 8:33 / /media/me/STICK rw - vfat /dev/sdc1 rw
32 21 0:40 / /mnt/deep/er rw - tmpfs tmpfs rw
";

    #[test]
    fn the_mount_of_a_path_is_the_nearest_above() {
        for (path, point, source) in [
            ("/home/x", "/", "/dev/sda1"),
            ("/media/with space/folder", "/media/with space", "/dev/sdb1"),
            ("/media/with", "/", "/dev/sda1"),
            ("/media/me/STICK", "/media/me/STICK", "/dev/sdc1"),
        ] {
            assert_eq!(mount_of(MOUNTS, Path::new(path)), (PathBuf::from(point), source.to_owned()), "{path}");
        }
    }

    #[test]
    fn a_mount_point_with_nothing_mounted_on_it_is_found() {
        let table = "# a comment /srv/none\n/dev/sdd1 /srv/stick vfat noauto 0 0\n/dev/sda1 / ext4\nUUID=1 none swap\n";
        let found = |path: &str| {
            let path = Path::new(path);
            unmounted(path, &mount_of(MOUNTS, path).0, table).map(|point| point.display().to_string())
        };
        for whole in ["/home/x", "/media/with space/x", "/media/me/STICK", "/mnt/deep/er", "/srv/none", "/"] {
            assert_eq!(found(whole), None, "{whole}");
        }
        assert_eq!(found("/srv/stick/folder").as_deref(), Some("/srv/stick"));
        assert_eq!(found("/media/other").as_deref(), Some("/media/other"));
        assert_eq!(found("/mnt").as_deref(), Some("/mnt"));
    }

    #[test]
    fn a_magic_number_is_a_file_system() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let found = FileSystem::at(folder.path()).expect("there");
        assert!(found.size > 0 && !found.read_only, "{found:?}");
        assert_eq!(Kind::of_magic(0x4d44).longest_file(), Some(4_294_967_295));
        assert!(Kind::of_magic(0x2011_bab0).caution().is_some_and(|text| text.contains("CentOS 7")));
        assert_eq!(Kind::of_magic(0xef53), Kind::Ext);
        assert!(FileSystem::at(&folder.path().join("none")).is_err());
    }
}
