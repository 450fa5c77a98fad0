//! The host's logrotate keeps the product's log files small.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::instance::Instance;
use crate::error::Result;
use crate::own_file;
use crate::staged_file::StagedFile;

fn file_of(instance: &Instance) -> PathBuf {
    Path::new("/etc/logrotate.d").join(instance.name())
}

/// Tells the host's logrotate, if it has one, of the product's log files: a week of them stays, packed.
///
/// # Errors
/// An I/O error.
pub(super) fn prepare(instance: &Instance) -> Result<()> {
    let file = file_of(instance);
    if instance.product().logs.is_empty() || !file.parent().is_some_and(Path::is_dir) {
        return Ok(());
    }
    let mut text = String::new();
    for log in &instance.product().logs {
        let path = log.below(instance.install_dir());
        // The program that writes it has it open: it is copied and cut.
        let rules = ["daily", "rotate 7", "dateext", "compress", "copytruncate", "missingok", "notifempty"];
        let _ = writeln!(text, "{} {{\n    {}\n}}", path.display(), rules.join("\n    "));
    }
    StagedFile::write(&file, text.as_bytes(), 0o644)
}

/// Takes that away.
///
/// # Errors
/// An I/O error.
pub(super) fn forget(instance: &Instance) -> Result<()> {
    if instance.product().logs.is_empty() { Ok(()) } else { own_file::remove(&file_of(instance)) }
}
