//! One content in the cache and in folders: large ones are not on the disk twice, and an edit in one place never reaches
//! another.
//!
//! | | a file system with reflinks | any other |
//! | --- | --- | --- |
//! | large, and nothing that people edit | shared blocks | one read-only file with several names |
//! | small, or a script, unit or stack | shared blocks | a copy |
//!
//! A read-only file keeps ordinary edits out, not root's: so its bytes are hashed again on every use.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{IoContext, Result};
use crate::manifest::Kind;
use crate::own_file;
use crate::staged_file::StagedFile;

/// A larger file is worth one inode for several names, in bytes.
const SMALL: u64 = 1 << 20;
/// The mode of what may have several names.
const READ_ONLY: u32 = 0o444;
const WRITE_BITS: u32 = 0o222;

/// Whether an artifact of this kind and size may be one read-only file under several names.
fn may_have_several_names(kind: Kind, size: u64) -> bool {
    size > SMALL && !matches!(kind, Kind::Script | Kind::Unit | Kind::Stack | Kind::Product)
}

/// Whether nobody may write to the file, but for those who change its mode first.
fn is_read_only(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & WRITE_BITS == 0
}

/// Puts the content of `from`, an artifact of that kind in a folder, at `to` in the cache.
///
/// # Errors
/// `from` cannot be read, or `to` cannot be written.
pub(super) fn put(from: &Path, kind: Kind, to: &Path) -> Result<()> {
    let mut source = File::open(from).doing("read", from)?;
    let size = source.metadata().doing("look at", from)?.len();
    let mut staged = StagedFile::create(to)?;
    if rustix::fs::ioctl_ficlone(staged.file(), &source).is_err() {
        if may_have_several_names(kind, size) && link_read_only(from, to).is_ok() {
            return Ok(());
        }
        io::copy(&mut source, &mut staged).doing("write", to)?;
    }
    // What a power cut takes of it is found when it is hashed.
    staged.place_unsynced(READ_ONLY)
}

/// Gives the file at `from` a second name, and takes the right to write from both.
fn link_read_only(from: &Path, to: &Path) -> io::Result<()> {
    // A link to a symbolic link would share where that leads, not the bytes; another user's file stays that user's.
    let file = own_file::open_shared(from)?;
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    make_read_only(&file)
}

/// Takes the right to write from everybody.
///
/// # Errors
/// An I/O error.
pub(super) fn make_read_only(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(READ_ONLY))
}

/// Gives the cached file at `from`, an artifact of that kind, the new name `to`, if it may have several and is read-only;
/// returns it, open under the new name.
///
/// # Errors
/// It may have one name only, may be written to, or is not a file of this user's, or the file system has no links between
/// the two places.
pub(super) fn link(from: &Path, kind: Kind, to: &Path) -> io::Result<File> {
    let there = own_file::open_shared(from)?.metadata()?;
    if !may_have_several_names(kind, there.len()) || !is_read_only(&there) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    fs::hard_link(from, to)?;
    // Between the two another file may have got the name.
    let file = own_file::open_shared(to)?;
    if is_read_only(&file.metadata()?) { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}
