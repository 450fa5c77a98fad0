//! Who besides us can change an artifact that lies in the folder already.
//!
//! A file's owner, whom its mode lets write, and who holds it open from then can change it after it was compared, though none
//! of them may exchange what lies in the folder. Whoever may do that anyway is no danger more.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use super::LockedFolder;
use crate::error::{IoContext, Result};
use crate::path::RelPath;
use crate::staged_file::StagedFile;

/// The user who may do everything.
const ROOT: u32 = 0;
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;

/// What lets others change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenBy {
    /// It, or the link that leads to it, belongs to the user with this ID.
    Owner(u32),
    /// Its mode lets others write.
    Mode(u32),
}

impl LockedFolder {
    /// What lets somebody change the artifact of that name who may not exchange what lies in the folder; `None` where nothing
    /// does, or the file system has neither owners nor modes: one made anew would be no better.
    ///
    /// # Errors
    /// The file cannot be looked at, or the folder not be written to.
    pub fn written_by_others(&self, name: &RelPath) -> Result<Option<WrittenBy>> {
        let path = self.path_of(name);
        let root = fs::metadata(self.root()).doing("look at", self.root())?;
        let link = fs::symlink_metadata(&path).doing("look at", &path)?;
        let file = fs::metadata(&path).doing("look at", &path)?;
        match by_others(&link, &file, &root) {
            Some(others) if self.has_owners_and_modes()? => Ok(Some(others)),
            _ => Ok(None),
        }
    }

    /// Whether a new file is ours alone, as it was asked for.
    fn has_owners_and_modes(&self) -> Result<bool> {
        let partials = self.partials();
        let mut made = StagedFile::create_in(&partials, &partials.join("owner"))?;
        let found = made.file().metadata().doing("look at a file in", &partials)?;
        Ok(found.uid() == us() && found.mode() & 0o077 == 0)
    }
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// As [`LockedFolder::written_by_others`], by what the system says of the three; `link` is `file` where no link leads there.
fn by_others(link: &Metadata, file: &Metadata, root: &Metadata) -> Option<WrittenBy> {
    let may_anyway = [us(), ROOT, root.uid()];
    if let Some(other) = [link.uid(), file.uid()].into_iter().find(|owner| !may_anyway.contains(owner)) {
        return Some(WrittenBy::Owner(other));
    }
    let all_may = root.mode() & ALL_WRITE != 0;
    let group_may = all_may || (root.mode() & GROUP_WRITES != 0 && root.gid() == file.gid());
    let too_much = if all_may { 0 } else { ALL_WRITE } | if group_may { 0 } else { GROUP_WRITES };
    (file.mode() & too_much != 0).then_some(WrittenBy::Mode(file.mode() & 0o7777))
}
