//! What an installation leaves on the host besides the product: `pack` itself, and a unit that recovers at boot.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::place::make_folder;
use crate::error::{IoContext, Result};
use crate::staged_file::StagedFile;

/// Where this program is kept.
pub const INSTALLED: &str = "/usr/local/lib/pack/pack";
/// The name under which people find it.
const COMMAND: &str = "/usr/local/bin/pack";
const UNIT: &str = "/etc/systemd/system/pack-recover.service";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/pack-recover.service";

const UNIT_TEXT: &str = "\
[Unit]
Description=Brings a change of an installed product to its end that a power cut broke off
After=docker.service
Wants=docker.service

[Service]
Type=oneshot
ExecStart=/usr/local/lib/pack/pack site recover
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
";

/// Keeps this program on the host. A `pack` that somebody else put into the path stays.
///
/// # Errors
/// An I/O error.
pub fn keep_pack() -> Result<()> {
    let own = Path::new("/proc/self/exe");
    let installed = Path::new(INSTALLED);
    if !same(own, installed) {
        make_folder(Path::new("/usr/local/lib/pack"), 0o755)?;
        let mut staged = StagedFile::create(installed)?;
        let mut source = File::open(own).doing("read the program", own)?;
        io::copy(&mut source, staged.file()).doing("write", installed)?;
        staged.place(0o755)?;
    }
    let command = Path::new(COMMAND);
    if fs::symlink_metadata(command).is_err() {
        make_folder(Path::new("/usr/local/bin"), 0o755)?;
        symlink(INSTALLED, command).doing("make the link", command)?;
    }
    keep_unit()
}

/// A host without systemd recovers at the next run.
fn keep_unit() -> Result<()> {
    if !Path::new("/etc/systemd/system").is_dir() {
        return Ok(());
    }
    let unit = Path::new(UNIT);
    if fs::read_to_string(unit).is_ok_and(|text| text == UNIT_TEXT) && fs::symlink_metadata(WANTED).is_ok() {
        return Ok(());
    }
    StagedFile::write(unit, UNIT_TEXT.as_bytes(), 0o644)?;
    make_folder(Path::new("/etc/systemd/system/multi-user.target.wants"), 0o755)?;
    if fs::symlink_metadata(WANTED).is_err() {
        symlink(UNIT, WANTED).doing("make the link", Path::new(WANTED))?;
    }
    Ok(())
}

fn same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::read(one), fs::read(other)) else { return false };
    one == other
}
