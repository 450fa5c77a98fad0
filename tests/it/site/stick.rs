//! A bundle on a stick, and somebody else's machine to run it on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{expect, file, interruptible, portable, small_product};

/// The shells that must do.
pub(super) const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

/// A bundle on a stick.
pub(super) struct Site {
    _folder: tempfile::TempDir,
    /// The stick: the bundle is there.
    pub(super) stick: PathBuf,
    /// Where the bundle unpacks to, and must leave nothing.
    pub(super) tmp: PathBuf,
    pub(super) bundle: PathBuf,
}

pub(super) fn site_of(product: impl FnOnce(&Path)) -> Site {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (stick, tmp) = (folder.path().join("stick"), folder.path().join("tmp"));
    fs::create_dir(&stick).expect("a folder");
    fs::create_dir(&tmp).expect("a folder");
    product(folder.path());
    expect(0, folder.path(), &["bundle", "-o", "stick/x.run", "-q"]);
    let bundle = stick.join("x.run");
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o644)).expect("a mode");
    Site { _folder: folder, stick, tmp, bundle }
}

pub(super) fn site() -> Site {
    site_of(|folder| {
        small_product(folder);
    })
}

/// A product whose run script is `script`.
pub(super) fn site_with(script: impl Into<Vec<u8>>) -> Site {
    site_of(|folder| {
        portable(folder, &[file("run.sh", "script", script), file("data", "file", "some data\n")]);
    })
}

impl Site {
    pub(super) fn command(&self, shell: &[&str]) -> Command {
        let mut command = interruptible(shell[0]);
        command.args(&shell[1..]).arg(&self.bundle).current_dir(&self.stick);
        command.env_remove("PACK_TMPDIR").env("TMPDIR", &self.tmp).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, shell: &[&str], words: &[&str]) -> Output {
        self.command(shell).args(words).output().expect("the shell runs")
    }

    #[track_caller]
    pub(super) fn nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(&self.tmp).expect("read").map(|entry| entry.expect("read").path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// Takes the launcher's own list of places out of it.
    pub(super) fn offer_only_tmpdir(&self) {
        let mut bytes = fs::read(&self.bundle).expect("read");
        let list = b"/tmp /var/tmp /run /dev/shm \"${HOME:-}\"";
        let at = bytes.windows(list.len()).position(|window| window == list).expect("the list is there");
        bytes[at..at + list.len()].fill(b' ');
        fs::write(&self.bundle, bytes).expect("written");
    }
}
