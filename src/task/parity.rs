//! Making parity beside a bundle, by which it can be repaired.

use std::path::{Path, PathBuf};

use super::whole_bundle::{expect_one_file, expect_whole};
use crate::bundle::{self, Bundle};
use crate::error::{Error, IoContext, Result};
use crate::medium::file_system::FileSystem;
use crate::own_file;
use crate::parity::encode::{Subject, encode};
use crate::parity::layout::{Asked, LONGEST, Layout};
use crate::parity::sidecar;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::room;
use crate::small_file;

/// What is kept free for what a file system needs beside the bytes of files: receipts, folders, lists of blocks.
pub(super) const SLACK: u64 = 1 << 20;

/// Parity that was made.
#[derive(Debug)]
pub struct Report {
    /// The parity file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// How the bundle is divided.
    pub layout: Layout,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// Parity was made.
    Made(Report),
    /// None was made: all that there is room for was asked for, and there a second copy fits.
    SecondCopyFits,
}

/// Makes the parity of a bundle, of which every byte is checked first.
///
/// # Errors
/// The bundle is damaged or cannot be read, there is no room, or the parity cannot be written.
pub fn run(path: &Path, amount: Asked, progress: &dyn Progress) -> Result<Outcome> {
    let bundle = Bundle::open(path)?;
    let name = path.file_name().map_or(path, Path::new);
    expect_one_file(
        &bundle,
        "parity covers a bundle in one file, and this one is in volumes",
        format_args!(
            "carry every volume twice; or, where the bundle is one file and the stick takes that: pack parity {}",
            shell_word(name)
        ),
    )?;
    expect_whole(&bundle, "made", progress)?;
    of_whole(path, amount, progress)
}

/// As [`run`], for a bundle that was just written.
///
/// # Errors
/// The bundle cannot be read, there is no room, or the parity cannot be written.
pub(super) fn of_whole(path: &Path, amount: Asked, progress: &dyn Progress) -> Result<Outcome> {
    progress.phase("making parity");
    let file = small_file::open(path).doing("open the bundle", path)?;
    let seal = bundle::seal(&file).ok_or_else(|| {
        Error::failed("the bundle changed while its parity was made")
            .fact("path", path.display())
            .hint(format_args!("once nobody writes to it: pack parity {}", shell_word(path)))
    })?;
    let size = file.metadata().doing("look at the bundle", path)?.len();
    let target = sidecar::beside(path);
    let room = match amount {
        Asked::Percent(_) => u64::MAX,
        Asked::Fill => {
            // What it replaces takes the room that it needs.
            own_file::remove(&target)?;
            let takes = FileSystem::at(folder_of(path))?.kind.longest_file().unwrap_or(u64::MAX);
            room::free(path).unwrap_or(u64::MAX).saturating_sub(SLACK).min(takes)
        }
    };
    let Some(layout) = layout(path, size, amount, room)? else { return Ok(Outcome::SecondCopyFits) };
    let length = encode(&Subject { file: &file, path, seal }, layout, &target, progress)?;
    Ok(Outcome::Made(Report { path: target, length, layout }))
}

/// How the bundle at `path`, which has `size` bytes, is divided for that much parity, where there is room for `room` bytes;
/// `None` where that is all that there is room for, and the bundle fits there again.
///
/// # Errors
/// The bundle is too large for parity, or there is no room for any.
pub(super) fn layout(path: &Path, size: u64, amount: Asked, room: u64) -> Result<Option<Layout>> {
    let found = match amount {
        Asked::Fill if room >= size => return Ok(None),
        Asked::Fill if size <= LONGEST => {
            Layout::filling(size, |layout| sidecar::length(layout) <= room).ok_or_else(|| {
                Error::failed("there is no room for parity beside the bundle")
                    .fact("path", path.display())
                    .fact("free", room::shown(room))
                    .hint(format_args!("remove what is not needed there: ls -l {}", shell_word(folder_of(path))))
            })?
        }
        Asked::Percent(amount) if size <= LONGEST => match Layout::new(size, amount) {
            Some(layout) => layout,
            None => return Err(too_large(path, size)),
        },
        _ => return Err(too_large(path, size)),
    };
    Ok(Some(found))
}

/// What to do instead where a second copy fits, in a sentence with a command. `bundle` is what is copied to where the bundle
/// `there` lies.
pub fn offer_second_copy(bundle: &Path, there: &Path) -> String {
    let copy = folder_of(there).join("copy");
    let name = there.file_name().map_or(there, Path::new);
    format!(
        "a second copy of the bundle fits there, and repairs more than parity: mkdir {0} && pack transfer {1} {0}; where the \
         first is damaged: pack repair {2} --from {3}",
        shell_word(&copy),
        shell_word(bundle),
        shell_word(there),
        shell_word(&copy.join(name))
    )
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn too_large(path: &Path, size: u64) -> Error {
    Error::failed("the bundle is too large for parity")
        .fact("path", path.display())
        .fact("size", size)
        .fact("limit", LONGEST)
        .hint("carry a second copy of it")
}
