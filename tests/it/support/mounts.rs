//! Small and peculiar file systems, which only root can mount.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs, unmounted when dropped.
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts a tmpfs with `options` (such as `size=1m,noexec`) at `path`; `None`, and a line that says so,
    /// where this user may not.
    pub fn mount(path: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(path).expect("a mount point");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Tmpfs { path: path.to_owned() });
        }
        super::skip("mounting a tmpfs needs root");
        None
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Mounts it again with other options, such as `ro`.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.path).status().expect("mount runs");
        assert!(status.success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// An XFS with reflinks in a file, unmounted when dropped.
pub struct Xfs {
    path: PathBuf,
}

impl Xfs {
    /// Makes one below `scratch` and mounts it; `None`, and a line that says so, where this user may not.
    pub fn mount(scratch: &Path) -> Option<Self> {
        let (image, path) = (scratch.join("xfs.img"), scratch.join("xfs"));
        std::fs::create_dir_all(&path).expect("a mount point");
        // The smallest that mkfs.xfs makes; hardly any of it is ever written.
        std::fs::File::create(&image).and_then(|file| file.set_len(320 << 20)).expect("a sparse file");
        let ran = |command: &mut Command| command.status().is_ok_and(|status| status.success());
        if ran(Command::new("mkfs.xfs").arg("-q").args(["-m", "reflink=1"]).arg(&image))
            && ran(Command::new("mount").args(["-o", "loop"]).args([&image, &path]))
        {
            return Some(Xfs { path });
        }
        super::skip("a file system with reflinks needs root and mkfs.xfs");
        None
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Xfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// A file system as sticks have it in a file behind a loop device, unmounted when dropped: FAT32 where the kernel has it,
/// else ext4.
pub struct Stick {
    image: PathBuf,
    path: PathBuf,
    kind: &'static str,
}

impl Stick {
    /// Makes one of so many MiB, at least 34, below `scratch` and mounts it with `options`; `None`, and a line that says
    /// so, where this user may not.
    pub fn mount(scratch: &Path, name: &str, mib: u64, options: &str) -> Option<Self> {
        let (image, path) = (scratch.join(format!("{name}.img")), scratch.join(name));
        std::fs::create_dir_all(&path).expect("a mount point");
        std::fs::File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("a sparse file");
        let ran = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let options = format!("loop,{options}");
        for (kind, system, make) in [("FAT", "vfat", "mkfs.vfat -F 32"), ("ext", "ext4", "mkfs.ext4 -q -m 0")] {
            let mut words = make.split(' ');
            let mut command = Command::new(words.next().expect("a program"));
            if ran(command.args(words).arg(&image))
                && ran(Command::new("mount").args(["-t", system, "-o", &options]).args([&image, &path]))
            {
                // What mkfs made for itself is no file of the stick's.
                let _ = std::fs::remove_dir(path.join("lost+found"));
                return Some(Stick { image, path, kind });
            }
        }
        super::skip("a file system of a stick needs root, mkfs and a loop device");
        None
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file behind the loop device: what is written to it is beneath every cache of the file system.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// What `pack` calls the file system.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
