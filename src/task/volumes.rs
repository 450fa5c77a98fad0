//! A bundle that was just written, laid out again as a file and volumes: nothing is unpacked.
//!
//! ```text
//! x.run, whole ─▶ x.run.001, x.run.002, … ─▶ x.run over the whole one ─▶ x.run.sha256
//! ```
//!
//! Killed anywhere, `x.run` is the whole one or has all of its volumes.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::bundle::{Bundle, Division, checksum_line, volume_beside};
use crate::digest::{Descriptor, Digest, HashingWriter};
use crate::error::{IoContext, Result};
use crate::own_file;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::release::BackgroundSync;
use crate::room;
use crate::staged_file::StagedFile;

/// How many bytes are copied at a time.
const PIECE: usize = 1 << 20;

/// A file of a bundle in volumes.
#[derive(Debug)]
pub struct VolumeFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size and digest.
    pub descriptor: Descriptor,
}

/// Lays the whole bundle at `path` out in files of at most `longest` bytes, and writes their checksums into `checksum_file`.
/// The files, that of `path` first.
///
/// # Errors
/// It cannot be divided so, there is no room, or an I/O error: the bundle is whole then, unless its last file was placed.
pub(super) fn lay_out(
    path: &Path,
    longest: u64,
    checksum_file: &Path,
    progress: &dyn Progress,
) -> Result<Vec<VolumeFile>> {
    progress.phase("dividing");
    let bundle = Bundle::open(path)?;
    let division = Division::new(&bundle, longest)?;
    let elsewhere =
        format_args!("free some, or divide it onto the stick itself: pack transfer {} /media/stick", shell_word(path));
    room::check(bundle.length(), path, elsewhere)?;
    let mut files = Vec::new();
    let mut piece = vec![0; PIECE];
    for number in 0..division.count() {
        let (range, target) = (division.range(number), volume_beside(path, number));
        let meter = progress.start(&bundle.volume_name(number), Some(range.end - range.start));
        let mut staged = StagedFile::create(&target)?;
        let disk = staged.file().try_clone().doing("write the volume", &target)?;
        let (mut sync, mut out) = (BackgroundSync::default(), HashingWriter::new(staged.file()));
        for offset in range.clone().step_by(PIECE) {
            let bytes = &mut piece[..(range.end - offset).min(PIECE as u64) as usize];
            bundle.read_exact_at(bytes, offset).doing("read the bundle", path)?;
            out.write_all(bytes).doing("write the volume", &target)?;
            sync.wrote(&disk, bytes.len() as u64).doing("write the volume", &target)?;
            meter.add(bytes.len() as u64);
        }
        let (_, descriptor) = out.finish();
        sync.finish().doing("write the volume", &target)?;
        staged.place(0o644)?;
        meter.done("written");
        files.push(VolumeFile { path: target, descriptor });
    }
    let digests: Vec<_> = files.iter().map(|file| file.descriptor.digest).collect();
    let main = division.main(&digests)?;
    let count = division.count();
    drop(bundle);
    files.insert(0, VolumeFile { path: path.to_owned(), descriptor: Descriptor::of(&main) });
    // The whole one's checksum is right until here, and wrong from here on.
    own_file::remove(checksum_file)?;
    StagedFile::write(path, &main, 0o755)?;
    let named = files.iter().map(|file| (file.path.file_name().unwrap_or_default(), file.descriptor.digest));
    StagedFile::write(checksum_file, &checksums(named), 0o644)?;
    remove_beyond(path, count)?;
    Ok(files)
}

/// The checksums of files, as `sha256sum -c` reads them.
pub(super) fn checksums<'a>(files: impl IntoIterator<Item = (&'a OsStr, Digest)>) -> Vec<u8> {
    files.into_iter().flat_map(|(name, digest)| checksum_line(&digest, name)).collect()
}

/// Removes the volumes that an earlier bundle of this name had beyond its first `count`: `cat x.run.0*` takes all.
///
/// # Errors
/// One cannot be removed.
pub(super) fn remove_beyond(path: &Path, count: usize) -> Result<()> {
    (count..Division::MOST).try_for_each(|number| own_file::remove(&volume_beside(path, number)))
}
