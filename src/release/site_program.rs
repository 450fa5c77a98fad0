//! `pack-site` beside the files of a folder: the program that installs them on site. No manifest pins it, so a checksum lies
//! beside it, in the form that `sha256sum -c` reads: that finds damage, not a forger.

use std::fs;

use super::verify::row_of_file;
use super::{Folder, LockedFolder, Row, SITE_PROGRAM, SITE_PROGRAM_SUM, State};
use crate::digest::Digest;
use crate::error::Result;
use crate::manifest::Pin;
use crate::own_file;
use crate::small_file;
use crate::staged_file::StagedFile;

impl LockedFolder {
    /// Puts the program into the folder, with its checksum; what is right already stays.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_site_program(&self, program: &[u8]) -> Result<()> {
        let (path, sum) = (self.root().join(SITE_PROGRAM), self.root().join(SITE_PROGRAM_SUM));
        let digest = Digest::of(program);
        let pin = Pin { size: Some(program.len() as u64), digest };
        if row_of_file(&path, SITE_PROGRAM, pin).state == State::Ok && recorded(self) == Some(digest) {
            return Ok(());
        }
        // A checksum of another program must not lie beside it, not even after a power cut.
        own_file::remove(&sum)?;
        StagedFile::write(&path, program, 0o755)?;
        StagedFile::write(&sum, format!("{}  {SITE_PROGRAM}\n", digest.hex()).as_bytes(), 0o644)
    }
}

impl Folder {
    /// How the program stands in a folder that has it, or its checksum.
    pub fn row_of_site_program(&self) -> Option<Row> {
        let there = |name: &str| fs::symlink_metadata(self.root().join(name)).is_ok();
        let (path, sum) = (self.root().join(SITE_PROGRAM), self.root().join(SITE_PROGRAM_SUM));
        match (there(SITE_PROGRAM), there(SITE_PROGRAM_SUM)) {
            (false, false) => None,
            (_, true) => Some(match recorded(self) {
                Some(digest) => row_of_file(&path, SITE_PROGRAM, Pin { size: None, digest }),
                None => Row::unexpected(&sum, SITE_PROGRAM_SUM),
            }),
            (true, false) => Some(Row::unexpected(&path, SITE_PROGRAM)),
        }
    }
}

/// The digest in the checksum, if it is one of the program.
fn recorded(folder: &Folder) -> Option<Digest> {
    let bytes = small_file::read_if_there(&folder.root().join(SITE_PROGRAM_SUM), 4 << 10).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    let digest = text.strip_suffix(&format!("  {SITE_PROGRAM}\n"))?;
    format!("sha256:{digest}").parse().ok()
}
