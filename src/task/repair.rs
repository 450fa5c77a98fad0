//! Repairing a bundle where it lies: from parity, from a good copy, or with a patch; only what is wrong is written.
//!
//! ```text
//! find what is wrong ─▶ write only that ─▶ sync ─▶ check every byte by the digests in the bundle
//! ```
//!
//! Killed anywhere, the bundle has some of its damage left, and the same command goes on. What parity, copy or patch gave
//! is not believed: the bundle is verified as any other afterwards, with the key where one is given.

mod from_copy;
mod from_parity;
mod with_patch;

use std::path::{Path, PathBuf};

use super::trust::Trust;
use super::verify;
use crate::bundle;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::parity::target::Target;
use crate::path::shell_word;
use crate::progress::Progress;

/// Where the right bytes come from.
#[derive(Debug, Clone)]
pub enum RepairSource {
    /// The parity beside the bundle.
    Parity,
    /// A copy of the bundle that is whole.
    Copy(PathBuf),
    /// A patch that was cut out of such a copy.
    Patch(PathBuf),
}

/// What to repair.
#[derive(Debug)]
pub struct Options {
    /// The bundle.
    pub bundle: PathBuf,
    /// Where the right bytes come from.
    pub source: RepairSource,
    /// What the repaired bundle must stand up to.
    pub trust: Trust,
}

/// A bundle that is whole again.
#[derive(Debug)]
pub struct Report {
    /// How many bytes were written.
    pub written: u64,
    /// The length that was set right, where it was wrong, in bytes.
    pub length_was: Option<u64>,
    /// What is wrong with the parity, in a line each.
    pub flaws: Vec<String>,
    /// How the bundle stands now.
    pub verified: verify::BundleReport,
}

/// What one source did.
struct Done {
    /// The length that the bundle must have, in bytes.
    length: u64,
    /// What is wrong with the parity, in a line each.
    flaws: Vec<String>,
    /// How many bytes could not be repaired.
    lost: u64,
}

/// Repairs a bundle.
///
/// # Errors
/// The source is another bundle's, is damaged, or does not have all that is lost: what could be repaired is then. The
/// bundle cannot be written, or is afterwards not what was signed.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let path = &options.bundle;
    let mut target = Target::open(path)?;
    if bundle::is_in_volumes(target.file()) {
        return Err(Error::usage("only a bundle in one file is repaired, and this one is in volumes")
            .fact("path", path.display())
            .hint(format_args!(
                "copy the volume again that is damaged, from where it is whole; which one it is says: pack verify {}",
                shell_word(path)
            )));
    }
    let length = target.length()?;
    progress.phase("repairing");
    let done = match &options.source {
        RepairSource::Parity => from_parity::repair(path, &mut target, progress)?,
        RepairSource::Copy(copy) => from_copy::repair(path, copy, &mut target, progress)?,
        RepairSource::Patch(patch) => with_patch::repair(path, patch, &mut target)?,
    };
    // What stays damaged keeps its length: only a bundle that is whole is known to have the right one.
    target.finish(if done.lost == 0 { done.length } else { target.length()? })?;
    let written = target.written();
    drop(target);
    if done.lost > 0 {
        return Err(beyond_parity(path, written, &done));
    }
    let verified = verify::bundle(path, &options.trust, progress)?;
    match verified.damage.first() {
        None => Ok(Report {
            written,
            length_was: Some(length).filter(|&length| length != done.length),
            flaws: done.flaws,
            verified,
        }),
        Some(first) => Err(Error::integrity("the bundle is still damaged")
            .fact("path", path.display())
            .fact("repaired", format_args!("{written} bytes"))
            .fact("reason", first)
            .hint(cut_hint(path))),
    }
}

fn beyond_parity(path: &Path, written: u64, done: &Done) -> Error {
    let error = Error::integrity("more is damaged than the parity can repair")
        .fact("path", path.display())
        .fact("repaired", format_args!("{written} bytes"))
        .fact("left", format_args!("{} bytes", done.lost));
    let error = done.flaws.iter().fold(error, |error, flaw| error.fact("parity", flaw));
    error.hint(cut_hint(path))
}

/// How to get the rest from where the bundle is whole.
fn cut_hint(path: &Path) -> String {
    let word = shell_word(path);
    let own = shell_word(Path::new(path.file_name().unwrap_or(path.as_os_str())));
    format!(
        "list what is wrong: pack verify --map damage.json {word}; where the bundle is whole: pack cut {own} --map \
         damage.json -o damage.patch; and here: pack repair {word} --with damage.patch"
    )
}

/// Checks that a copy or a patch is of the bundle that is repaired, where that can be told.
fn check_seal(target: &Target, bundle: &Path, source: &Path, expected: Digest) -> Result<()> {
    match bundle::seal(target.file()).filter(|seal| *seal != expected) {
        None => Ok(()),
        Some(seal) => Err(Error::integrity("this is of another bundle, and nothing was repaired")
            .fact("bundle", bundle.display())
            .fact("path", source.display())
            .fact("expected", seal)
            .fact("actual", expected)
            .hint(format_args!("see which bundle is damaged: pack inspect {}", shell_word(bundle)))),
    }
}
