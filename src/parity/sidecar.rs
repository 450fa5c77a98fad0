//! Opening a parity file: what of it is whole is used.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::head::{Found, Head};
use super::layout::{Layout, SECTOR};
use super::sectors::read_at;
use super::table::{ShortDigest, Table, pages, short};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;
use crate::small_file;

/// The name of the parity file beside a bundle: the bundle's, and this.
pub const ENDING: &str = ".parity";

/// The path of the parity file beside `bundle`.
pub fn beside(bundle: &Path) -> PathBuf {
    let mut name = bundle.as_os_str().to_owned();
    name.push(ENDING);
    PathBuf::from(name)
}

/// Where the parts of a parity file lie, in sectors of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) table: u64,
    pub(super) parity: u64,
    pub(super) table_again: u64,
    pub(super) head_again: u64,
}

impl Places {
    pub(super) fn of(layout: &Layout) -> Self {
        let (table, pages) = (1, pages(layout));
        let parity = table + pages;
        let table_again = parity + layout.parity();
        Places { table, parity, table_again, head_again: table_again + pages }
    }

    /// The parity file's length in bytes.
    pub(super) fn length(&self) -> u64 {
        (self.head_again + 1) * SECTOR
    }
}

/// The length of the parity file of such a layout, in bytes.
pub fn length(layout: &Layout) -> u64 {
    Places::of(layout).length()
}

/// What is wrong with a parity file that can be used all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It is shorter than it should be.
    Cut {
        /// The length it should have, in bytes.
        expected: u64,
        /// The length it has.
        actual: u64,
    },
    /// So many bytes follow after its end.
    Appended(u64),
    /// One of its two heads is damaged.
    Head,
    /// So many pages of its two tables are damaged.
    Pages(u64),
    /// So many pages of its table are damaged in both copies.
    Lost(usize),
}

/// The flaw in one line.
impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Cut { expected, actual } => write!(f, "cut short: {actual} of {expected} bytes"),
            Flaw::Appended(extra) => write!(f, "{extra} bytes follow after its end"),
            Flaw::Head => write!(f, "one of its two heads is damaged"),
            Flaw::Pages(pages) => write!(f, "{pages} pages of its two tables are damaged"),
            Flaw::Lost(pages) => write!(f, "{pages} pages of its table are damaged in both copies"),
        }
    }
}

/// An open parity file.
#[derive(Debug)]
pub struct Sidecar {
    file: File,
    path: PathBuf,
    head: Head,
    table: Table,
    flaws: Vec<Flaw>,
}

impl Sidecar {
    /// Opens a parity file and reads its table.
    ///
    /// # Errors
    /// It cannot be read, is not a parity file, or both copies of its head are damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = small_file::open(path).doing("open the parity", path)?;
        let metadata = file.metadata().doing("look at the parity", path)?;
        let actual = metadata.len();
        if !metadata.is_file() || actual < SECTOR {
            return Err(no_parity(path).fact("size", format_args!("{actual} bytes")));
        }
        let (head, first) = read_head(&file, actual, path)?;
        let places = Places::of(&head.layout);
        let expected = places.length();
        let mut flaws = Vec::new();
        if !first {
            flaws.push(Flaw::Head);
        }
        match actual.checked_sub(expected) {
            None => flaws.push(Flaw::Cut { expected, actual }),
            Some(0) if first && !is_head(&file, places.head_again, &head) => flaws.push(Flaw::Head),
            Some(0) => {}
            Some(extra) => flaws.push(Flaw::Appended(extra)),
        }
        // The table takes memory: a head that speaks of more than is there gets none.
        if actual < places.parity * SECTOR {
            return Err(damaged(path, "cut short before its table ends")
                .fact("expected", expected)
                .fact("actual", actual));
        }
        let mut table = Table::new(&head.layout);
        let mut page = vec![0; SECTOR as usize];
        let mut wrong = 0;
        let whole = actual >= places.head_again * SECTOR;
        for number in 0..pages(&head.layout) {
            for at in [places.table + number, places.table_again + number] {
                let right = read_at(&file, &mut page, at * SECTOR) && table.take(number, &head.seal, &page);
                wrong += u64::from(!right && (at < places.parity || whole));
            }
        }
        if wrong > 0 {
            flaws.push(Flaw::Pages(wrong));
        }
        if table.unknown() > 0 {
            flaws.push(Flaw::Lost(table.unknown()));
        }
        Ok(Sidecar { file, path: path.to_owned(), head, table, flaws })
    }

    /// Checks that this is the parity of the bundle that has `seal`, where that can be told.
    ///
    /// # Errors
    /// It is another bundle's.
    pub fn check_seal(&self, bundle: &Path, seal: Option<Digest>) -> Result<()> {
        match seal.filter(|seal| *seal != self.head.seal) {
            None => Ok(()),
            Some(seal) => Err(Error::integrity("the parity is another bundle's")
                .fact("bundle", bundle.display())
                .fact("parity", self.path.display())
                .fact("expected", self.head.seal)
                .fact("actual", seal)
                .hint(format_args!(
                    "put the bundle's own parity beside it; it is made where the bundle is whole: pack parity {}",
                    shell_word(bundle)
                ))),
        }
    }

    /// How the file is divided.
    pub fn layout(&self) -> &Layout {
        &self.head.layout
    }

    /// The digest of the bundle's trailer.
    pub fn seal(&self) -> Digest {
        self.head.seal
    }

    /// The parity file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// Whether `bytes`, filled up with zeros, are that sector's; `None` where the table does not say any more.
    pub fn is_right(&self, sector: u64, bytes: &[u8]) -> Option<bool> {
        self.digest_of(sector).map(|digest| short(bytes) == digest)
    }

    /// Whether `bytes` are what the parity file itself has in its sector of that number.
    pub fn is_own(&self, sector: u64, bytes: &[u8]) -> bool {
        let Head { layout, seal } = &self.head;
        let places = Places::of(layout);
        let page = |first: u64| *self.table.page(sector - first, seal) == *bytes;
        match sector {
            0 => Head::read(bytes) == Found::Head(self.head),
            _ if sector < places.parity => page(places.table),
            _ if sector < places.table_again => {
                self.is_right(layout.sectors() + sector - places.parity, bytes) == Some(true)
            }
            _ if sector < places.head_again => page(places.table_again),
            _ => sector == places.head_again && Head::read(bytes) == Found::Head(self.head),
        }
    }

    fn digest_of(&self, sector: u64) -> Option<ShortDigest> {
        self.table.digest(sector)
    }

    /// Reads a parity sector into `buffer`. Returns whether it is known to be right.
    pub(super) fn read_parity(&self, number: u64, buffer: &mut [u8]) -> bool {
        let at = (Places::of(&self.head.layout).parity + number) * SECTOR;
        let listed = self.head.layout.sectors() + number;
        read_at(&self.file, buffer, at) && self.is_right(listed, buffer) == Some(true)
    }
}

/// The head, and whether it is the first one.
fn read_head(file: &File, length: u64, path: &Path) -> Result<(Head, bool)> {
    let mut bytes = vec![0; SECTOR as usize];
    let mut found = Found::Other;
    for (offset, first) in [(0, true), (length - SECTOR, false)] {
        if !read_at(file, &mut bytes, offset) {
            continue;
        }
        match Head::read(&bytes) {
            Found::Head(head) => return Ok((head, first)),
            Found::Format(format) => {
                return Err(Error::failed("the parity has a later format than this pack reads")
                    .fact("path", path.display())
                    .fact("format", format)
                    .hint("use the pack that made it"));
            }
            Found::Damaged => found = Found::Damaged,
            Found::Other => {}
        }
    }
    Err(match found {
        Found::Damaged => damaged(path, "both copies of its head are wrong"),
        _ => no_parity(path),
    })
}

fn is_head(file: &File, sector: u64, head: &Head) -> bool {
    let mut bytes = vec![0; SECTOR as usize];
    read_at(file, &mut bytes, sector * SECTOR) && Head::read(&bytes) == Found::Head(*head)
}

fn no_parity(path: &Path) -> Error {
    Error::failed("this is not a parity file")
        .fact("path", path.display())
        .hint("it is the file that 'pack parity' wrote beside a bundle: copy it again from there")
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::integrity("the parity file is damaged")
        .fact("path", path.display())
        .fact("reason", reason)
        .hint("copy it again from where it was made, or repair the bundle from a good copy")
}
