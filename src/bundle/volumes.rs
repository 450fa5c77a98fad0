//! Finding the volumes of a bundle: by their names, beside it and in the folders that were named; never by what else lies
//! there. One that is not the right one is told as what it is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::Index;
use super::layout::Frame;
use super::parts::PartPlace;
use super::volume_places::{VolumeAnswer, WantedVolume, ask, look_for_volumes_in, named_folders};
use super::volume_table::{HEAD, Volume, VolumeTable, volume_beside};
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::path::shell_word;
use crate::small_file;

/// How many frames of a volume are read to see whether it is of this bundle.
const PROBED: usize = 8;
/// How many files of a folder are looked at for a volume under another name.
const LOOKED_AT: usize = 10_000;

/// The volumes that are looked for.
pub(super) struct VolumeSearch<'a> {
    /// The bundle's path.
    pub(super) bundle: &'a Path,
    pub(super) table: &'a VolumeTable,
    pub(super) index: &'a Index,
}

/// Why a volume is not there.
enum Fault {
    /// Nothing has its name; but this file is it.
    Missing { elsewhere: Option<PathBuf> },
    /// Its beginning is right, and its length is this one.
    Length(u64),
    /// It is the volume of this number.
    Other(usize),
    /// It is of another bundle.
    Foreign,
    /// A folder, a pipe or a device has its name.
    NotAFile,
    /// The system does not give it out.
    Unreadable(io::Error),
}

type Found = Result<PartPlace, Fault>;

impl VolumeSearch<'_> {
    /// Opens every volume. Somebody who can be asked is asked for those that are not there.
    ///
    /// # Errors
    /// A volume is missing, or is another file: all such are named.
    pub(super) fn open(&self) -> Result<Vec<(u64, PartPlace)>> {
        self.check_cuts()?;
        loop {
            let folders = self.folders();
            let numbers = 0..self.table.volumes.len();
            let found: Vec<Found> = numbers.map(|number| self.find(number, &folders)).collect();
            let Some(number) = found.iter().position(Result::is_err) else {
                let sizes = self.table.volumes.iter().map(|volume| volume.size);
                return Ok(sizes.zip(found.into_iter().flatten()).collect());
            };
            let (name, why) = (self.name(number), self.told(number, &found).unwrap_or_default());
            match ask(&WantedVolume { name: &name, why: &why, folders: &folders }) {
                VolumeAnswer::LookAgain => {}
                VolumeAnswer::In(folder) => look_for_volumes_in([folder]),
                VolumeAnswer::GiveUp => return Err(self.refused(&found, &folders)),
            }
        }
    }

    /// Checks that each volume begins where a frame does: then no frame lies in two.
    fn check_cuts(&self) -> Result<()> {
        for begin in self.table.ranges(self.index.header_size).map(|range| range.start) {
            if self.index.frames.binary_search_by_key(&begin, |frame| frame.offset).is_err() {
                return Err(Error::integrity(tr!("the bundle's table of volumes contradicts itself"))
                    .fact("path", self.bundle.display())
                    .fact("reason", format_args!("a volume begins at {begin}, where no frame does")));
            }
        }
        Ok(())
    }

    /// The bundle's own folder, that of the file where its path is a link to one, and those that were named.
    fn folders(&self) -> Vec<PathBuf> {
        let parent = self.bundle.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut folders = vec![parent.unwrap_or(Path::new(".")).to_owned()];
        if self.bundle.is_symlink()
            && let Ok(real) = self.bundle.canonicalize()
        {
            folders.extend(real.parent().map(Path::to_owned));
        }
        folders.extend(named_folders());
        folders
    }

    fn name(&self, number: usize) -> String {
        let path = volume_beside(self.bundle, number);
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The volume of that number, from the first folder that has it.
    fn find(&self, number: usize, folders: &[PathBuf]) -> Found {
        let mut wrong = None;
        for folder in folders {
            let path = folder.join(volume_beside(self.bundle, number).file_name().unwrap_or_default());
            let fault = match small_file::open_regular(&path) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory) => {
                    Fault::NotAFile
                }
                Err(error) => Fault::Unreadable(error),
                Ok(file) => match self.judge(number, &file) {
                    Ok(None) => return Ok(PartPlace::File { file: Arc::new(file), at: 0, path }),
                    Ok(Some(fault)) => fault,
                    Err(error) => Fault::Unreadable(error),
                },
            };
            wrong.get_or_insert(fault);
        }
        Err(wrong.unwrap_or_else(|| Fault::Missing { elsewhere: self.elsewhere(number, folders) }))
    }

    /// What is wrong with a file that has the volume's name. Damage is nothing to be found here: frames have digests.
    fn judge(&self, number: usize, file: &File) -> io::Result<Option<Fault>> {
        let volumes = &self.table.volumes;
        let (expected, size) = (&volumes[number], file.metadata()?.len());
        let head = match head_of(file, size) {
            Ok(head) => head,
            // A bad sector is damage too.
            Err(_) if size == expected.size => return Ok(None),
            Err(error) => return Err(error),
        };
        if head == expected.head {
            return Ok((size != expected.size).then_some(Fault::Length(size)));
        }
        if let Some(other) = volumes.iter().position(|other| other.head == head) {
            return Ok(Some(Fault::Other(other)));
        }
        if size == expected.size && self.has_a_frame(number, file) {
            return Ok(None);
        }
        // Of less than its beginning nobody can tell whose it is.
        Ok(Some(if size < HEAD.min(expected.size) { Fault::Length(size) } else { Fault::Foreign }))
    }

    /// Whether one of the volume's frames is right, or it has one only, which may be damaged.
    fn has_a_frame(&self, number: usize, file: &File) -> bool {
        let Some(range) = self.table.ranges(self.index.header_size).nth(number) else { return false };
        let mut frames: Vec<&Frame> = self.index.frames.iter().filter(|frame| range.contains(&frame.offset)).collect();
        // Damage in the first is why this is asked.
        frames.reverse();
        let is_right = |frame: &&Frame| {
            let stored = FileRange { file, at: frame.offset - range.start }.take(frame.size);
            Descriptor::of_reader(stored).is_ok_and(|stored| stored == frame.descriptor())
        };
        frames.len() == 1 || frames.iter().take(PROBED).any(is_right)
    }

    /// A file in one of the folders that has the beginning and the size of the volume of that number.
    fn elsewhere(&self, number: usize, folders: &[PathBuf]) -> Option<PathBuf> {
        let Volume { size, head, .. } = self.table.volumes[number];
        let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let candidates = entries.take(LOOKED_AT).map(|entry| entry.path());
        let is_it = |path: &PathBuf| {
            let Ok(file) = small_file::open_regular(path) else { return false };
            let length = file.metadata().map_or(0, |there| there.len());
            length == size && head_of(&file, length).is_ok_and(|found| found == head)
        };
        let known: Vec<String> = (0..self.table.volumes.len()).map(|number| self.name(number)).collect();
        let is_named =
            |path: &PathBuf| path.file_name().is_some_and(|name| known.iter().any(|known| name == known.as_str()));
        candidates.filter(|path| !is_named(path)).find(is_it)
    }

    /// What is wrong with a volume, in a line; `None` where nothing is.
    fn told(&self, number: usize, found: &[Found]) -> Option<String> {
        let (name, size) = (self.name(number), self.table.volumes[number].size);
        Some(match found[number].as_ref().err()? {
            Fault::Missing { elsewhere: None } => tr!("{name}: missing, {size} bytes", name, size),
            Fault::Missing { elsewhere: Some(path) } => {
                tr!("{name}: missing, and {path} is it under another name", name, path = path.display())
            }
            Fault::Length(actual) if *actual < size => {
                tr!("{name}: cut short, {actual} of {size} bytes", name, actual, size)
            }
            Fault::Length(actual) => {
                tr!("{name}: bytes follow after its end, {actual} instead of {size}", name, actual, size)
            }
            Fault::Other(other) if found[*other].is_ok() => {
                tr!("{name}: a second copy of {other}", name, other = self.name(*other))
            }
            Fault::Other(other) => tr!("{name}: {other} under another name", name, other = self.name(*other)),
            Fault::Foreign => tr!("{name}: part of another bundle", name),
            Fault::NotAFile => tr!("{name}: not a regular file", name),
            Fault::Unreadable(cause) => tr!("{name}: cannot be read: {cause}", name, cause),
        })
    }

    /// The error that names every volume that is not there.
    fn refused(&self, found: &[Found], folders: &[PathBuf]) -> Error {
        let faults = || found.iter().filter_map(|found| found.as_ref().err());
        let error = if faults().all(|fault| matches!(fault, Fault::Missing { elsewhere: None })) {
            Error::failed(tr!("volumes of the bundle are missing"))
        } else if faults().all(|fault| matches!(fault, Fault::Unreadable(_) | Fault::Missing { .. })) {
            Error::failed(tr!("volumes of the bundle cannot be used"))
        } else {
            Error::integrity(tr!("volumes of the bundle are not the right ones"))
        };
        let lines = (0..found.len()).filter_map(|number| self.told(number, found));
        let error = lines.fold(error.fact("path", self.bundle.display()), |error, line| error.fact("volume", line));
        let error = folders.iter().fold(error, |error, folder| error.fact("looked in", folder.display()));
        let own = folders.first().map_or(Path::new("."), PathBuf::as_path);
        let misnamed = found.iter().enumerate().find_map(|(number, found)| match found {
            Err(Fault::Missing { elsewhere: Some(path) }) => Some((number, path)),
            _ => None,
        });
        if let Some((number, path)) = misnamed {
            let right = volume_beside(self.bundle, number);
            return error.hint(tr!("give it its name back: mv {} {}", shell_word(path), shell_word(&right)));
        }
        let own = shell_word(own);
        error.hint(if faults().all(|fault| matches!(fault, Fault::Missing { .. })) {
            tr!("copy each into {own}, or say with --volumes in which folder it lies; then the same command again", own)
        } else {
            tr!("copy each again from where the bundle was made, into {own}; then the same command again", own)
        })
    }
}

/// The digest of a volume's first bytes.
fn head_of(file: &File, size: u64) -> io::Result<Digest> {
    let mut head = vec![0; HEAD.min(size) as usize];
    file.read_exact_at(&mut head, 0)?;
    Ok(Digest::of(&head))
}

/// A file from an offset on, read without its own position.
struct FileRange<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FileRange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
