//! Bytes that nobody has pinned yet, and how a later run goes on from them.
//!
//! No digest at the end tells whether they are right, so what an earlier run left is believed only as far
//! as it can be shown to be what was received then: at regular intervals the journal records their digest, and the
//! file is hashed again from its beginning. Bytes that a power cut took with it, or a disk changed, are found
//! so, and everything from there on is fetched again. Each line is a fact that stays true; a torn one ends the
//! reading.
//!
//! ```text
//! sha256/.incoming-<digest of the URL>            the bytes
//! sha256/.incoming-<digest of the URL>.journal
//!   from <digest of the place that answered> <size, or ?> <validator>
//!   held 4194304 <their digest>
//! ```

use std::fs::{self, File};
use std::io::{self, BufRead, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::share;
use crate::digest::{Descriptor, Digest, PrefixHasher};
use crate::error::{IoContext, Result};
use crate::own_file;
use crate::scratch::Scratch;

/// The journal is written each time this many bytes were received: what a kill costs at most.
const STEP: u64 = 256 << 10;

/// Which state of which file bytes are a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// The digest of the URL that answered (a URL may carry a secret).
    pub place: Digest,
    /// The whole file's size in bytes, where the server announced it.
    pub size: Option<u64>,
    /// The server's word for this state and no other: what to send as `If-Range`. One line.
    pub validator: String,
}

impl Edition {
    /// Whether both are the same state of the same file. A file sent in chunks has a size only in the answer that
    /// goes on with it, so sizes that are not known contradict none.
    pub fn is_same(&self, other: &Edition) -> bool {
        let same_size = self.size.zip(other.size).is_none_or(|(one, two)| one == two);
        self.place == other.place && self.validator == other.validator && same_size
    }
}

/// The bytes so far of a file that has no digest yet: hashed, and on the disk where there is a place for them.
///
/// Dropped with an edition, what is on the disk stays for a later run; without one it goes.
pub struct Incoming {
    prefix: PrefixHasher,
    edition: Option<Edition>,
    shelf: Option<Shelf>,
}

/// The two files, locked.
struct Shelf {
    file: File,
    path: PathBuf,
    journal: File,
    journal_path: PathBuf,
    written_down: u64,
    /// In charge of both files while nobody could go on from them.
    scratch: Option<[Scratch; 2]>,
}

impl Incoming {
    /// Only hashes: there is no place for the bytes.
    pub fn nowhere() -> Self {
        Incoming { prefix: PrefixHasher::new(), edition: None, shelf: None }
    }

    /// Opens what an earlier run left at `path`, as far as it can be believed, or begins it.
    ///
    /// # Errors
    /// The disk refuses, or another run is at work on this very file.
    pub(super) fn at(path: PathBuf) -> Result<Self> {
        let file = lock(&path)?;
        let journal_path = path.with_extension("journal");
        let (prefix, edition) = believed(&file, &journal_path);
        let journal = own_file::open_or_create(&journal_path).doing("create", &journal_path)?;
        let shelf = Shelf { file, path, journal, journal_path, written_down: 0, scratch: None };
        let mut incoming = Incoming { prefix, edition, shelf: Some(shelf) };
        incoming.begin_journal()?;
        Ok(incoming)
    }

    /// How many bytes are there.
    pub fn length(&self) -> u64 {
        self.prefix.length()
    }

    /// The descriptor of the bytes so far.
    pub fn descriptor(&self) -> Descriptor {
        self.prefix.descriptor()
    }

    /// What they are a part of; `None` when nobody can go on from them.
    pub fn edition(&self) -> Option<&Edition> {
        self.edition.as_ref()
    }

    /// Forgets what is there: what comes now is of `edition`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn restart(&mut self, edition: Option<Edition>) -> Result<()> {
        self.prefix = PrefixHasher::new();
        self.edition = edition;
        self.begin_journal()
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(shelf) = &mut self.shelf {
            shelf.file.write_all(bytes).doing("write", &shelf.path)?;
        }
        self.prefix.wrote(self.prefix.length(), bytes);
        match &mut self.shelf {
            Some(shelf) if self.edition.is_some() && self.prefix.length() - shelf.written_down >= STEP => {
                shelf.write_down(&self.prefix)
            }
            _ => Ok(()),
        }
    }

    /// Gives the bytes the name `entry`, unless it is an entry already; `false` when they are nowhere.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn place(mut self, entry: &Path) -> Result<bool> {
        let Some(shelf) = &self.shelf else { return Ok(false) };
        if own_file::open_shared(entry).is_err() {
            share::make_read_only(&shelf.file).doing("set the mode of", &shelf.path)?;
            fs::rename(&shelf.path, entry).doing("put in place", entry)?;
        }
        self.discard();
        Ok(true)
    }

    /// Removes what is on the disk.
    pub fn discard(&mut self) {
        self.edition = None;
        if let Some(shelf) = self.shelf.take() {
            drop(shelf.in_charge());
        }
    }

    /// Makes both files say what is known now.
    fn begin_journal(&mut self) -> Result<()> {
        let Some(shelf) = &mut self.shelf else { return Ok(()) };
        let length = self.prefix.length();
        shelf.journal.set_len(0).and_then(|()| shelf.journal.rewind()).doing("empty", &shelf.journal_path)?;
        shelf.file.set_len(length).doing("cut", &shelf.path)?;
        shelf.file.seek(SeekFrom::Start(length)).doing("write", &shelf.path)?;
        shelf.written_down = 0;
        let Some(edition) = &self.edition else {
            shelf.scratch.get_or_insert_with(|| scratch(&shelf.path, &shelf.journal_path));
            return Ok(());
        };
        if let Some(scratch) = shelf.scratch.take() {
            scratch.into_iter().for_each(Scratch::keep);
        }
        let size = edition.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        let line = format!("from {} {size} {}\n", edition.place.hex(), edition.validator);
        shelf.journal.write_all(line.as_bytes()).doing("write", &shelf.journal_path)?;
        shelf.write_down(&self.prefix)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        match (&mut self.shelf, &self.edition) {
            // What cannot be written down is fetched again, and no more than that.
            (Some(shelf), Some(_)) => drop(shelf.write_down(&self.prefix)),
            _ => self.discard(),
        }
    }
}

impl Shelf {
    fn write_down(&mut self, prefix: &PrefixHasher) -> Result<()> {
        if prefix.length() == self.written_down {
            return Ok(());
        }
        let Descriptor { digest, size } = prefix.descriptor();
        let line = format!("held {size} {}\n", digest.hex());
        self.written_down = size;
        self.journal.write_all(line.as_bytes()).doing("write", &self.journal_path)
    }

    fn in_charge(self) -> [Scratch; 2] {
        self.scratch.unwrap_or_else(|| scratch(&self.path, &self.journal_path))
    }
}

/// Opens the file of an earlier run, or a new one, and takes the only lock on it.
fn lock(path: &Path) -> Result<File> {
    // What another put there under this name is not adopted.
    drop(own_file::open_or_create(path).doing("create", path)?);
    own_file::lock(path)
}

fn scratch(path: &Path, journal: &Path) -> [Scratch; 2] {
    [path, journal].map(|path| Scratch::new(path.to_owned()))
}

/// What the journal says of the bytes in `file` that is true of them.
fn believed(file: &File, journal: &Path) -> (PrefixHasher, Option<Edition>) {
    let mut prefix = PrefixHasher::new();
    let Ok(mut lines) = own_file::open(journal).map(io::BufReader::new) else { return (prefix, None) };
    let Some(edition) = line(&mut lines).as_deref().and_then(edition_of) else { return (prefix, None) };
    while let Some(held) = line(&mut lines).as_deref().and_then(held_of) {
        // A file that is all there has nothing left to ask for, and an answer is wanted that says it is the same.
        if held.size <= prefix.length() || edition.size.is_some_and(|size| held.size >= size) {
            break;
        }
        let mut longer = prefix.clone();
        if longer.catch_up(file, held.size).is_err() || longer.descriptor().check(held).is_err() {
            break;
        }
        prefix = longer;
    }
    let edition = Some(edition).filter(|_| prefix.length() > 0);
    (prefix, edition)
}

/// The next line that is whole.
fn line(lines: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    lines.read_line(&mut text).ok()?;
    text.strip_suffix('\n').map(str::to_owned)
}

fn edition_of(line: &str) -> Option<Edition> {
    let (place, rest) = line.strip_prefix("from ")?.split_once(' ')?;
    let (size, validator) = rest.split_once(' ')?;
    let size = if size == "?" { None } else { Some(size.parse().ok()?) };
    Some(Edition { place: format!("sha256:{place}").parse().ok()?, size, validator: validator.to_owned() })
}

fn held_of(line: &str) -> Option<Descriptor> {
    let (size, digest) = line.strip_prefix("held ")?.split_once(' ')?;
    Some(Descriptor { size: size.parse().ok()?, digest: format!("sha256:{digest}").parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(size: u64) -> Edition {
        Edition { place: Digest::of(b"u"), size: Some(size), validator: "\"a b\"".to_owned() }
    }

    /// Ten steps came of eleven, and the run was killed: nothing was dropped.
    fn killed(path: &Path) -> Vec<u8> {
        let bytes: Vec<u8> = (0..10 * STEP).map(|n| (n / 1000) as u8).collect();
        let mut incoming = Incoming::at(path.to_owned()).expect("begun");
        incoming.restart(Some(edition(11 * STEP))).expect("written");
        bytes.chunks(100_000).for_each(|piece| incoming.append(piece).expect("written"));
        let shelf = incoming.shelf.take().expect("on the disk");
        drop(shelf);
        bytes
    }

    fn length(path: &Path) -> u64 {
        Incoming::at(path.to_owned()).expect("opened").length()
    }

    #[test]
    fn only_what_is_as_it_came_is_believed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".incoming-x");
        let journal = path.with_extension("journal");
        let bytes = killed(&path);
        let incoming = Incoming::at(path.clone()).expect("opened");
        let came = incoming.length();
        assert!(came > 9 * STEP && came <= 10 * STEP, "{came}");
        assert_eq!(incoming.edition(), Some(&edition(11 * STEP)));
        assert_eq!(incoming.descriptor(), Descriptor::of(&bytes[..came as usize]));
        assert!(Incoming::at(path.clone()).is_err(), "one run at a time");
        drop(incoming);
        assert_eq!(length(&path), came, "opened again, nothing is lost");

        killed(&path);
        let mut damaged = fs::read(&path).expect("read");
        damaged[5 * STEP as usize] ^= 1;
        fs::write(&path, damaged).expect("written");
        let kept = length(&path);
        assert!(kept > 3 * STEP && kept <= 5 * STEP, "{kept}");

        killed(&path);
        // As after a power cut: the length is there, the bytes are not.
        let file = File::options().write(true).open(&path).expect("opened");
        file.set_len(2 * STEP).and_then(|()| file.set_len(10 * STEP)).expect("cut");
        assert!(length(&path) <= 2 * STEP);

        killed(&path);
        let text = fs::read_to_string(&journal).expect("read");
        let torn = &text[..text.len() - 5];
        fs::write(&journal, torn).expect("written");
        assert!(length(&path) < came);
        for nonsense in ["", "from x y\n", "held 5 x\n", &text[..40]] {
            killed(&path);
            fs::write(&journal, nonsense).expect("written");
            assert_eq!(length(&path), 0, "{nonsense}");
            assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0, "what is of no use goes");
        }
    }

    #[test]
    fn a_file_that_is_all_there_leaves_something_to_ask_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".incoming-x");
        let mut incoming = Incoming::at(path.clone()).expect("begun");
        incoming.restart(Some(edition(2 * STEP))).expect("written");
        (0..2).for_each(|n| incoming.append(&vec![n; STEP as usize]).expect("written"));
        drop(incoming);
        assert_eq!(length(&path), STEP);
    }
}
