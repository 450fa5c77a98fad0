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
