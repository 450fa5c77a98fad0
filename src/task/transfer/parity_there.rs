//! Parity that is made on the medium itself, beside the copy of the bundle that was read back from there.

use std::path::Path;

use super::CopiedFile;
use super::carried::named;
use super::plan::{Plan, parity_size};
use crate::bundle::Bundle;
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::medium::again::read_past_the_cache;
use crate::own_file;
use crate::parity::encode::{Subject, encode};
use crate::parity::layout::{Asked, Layout, SECTOR};
use crate::parity::sidecar::{self, Sidecar};
use crate::progress::Progress;
use crate::task::parity::{SLACK, layout, offer_second_copy};
use crate::{room, small_file};

/// Of a hundred sectors of parity so many are as good as all of them: what a stick has room for changes by a few, for the
/// receipt takes some of it.
const AS_GOOD: u64 = 98;

impl Plan<'_> {
    /// Plans the parity that is asked for.
    pub(super) fn with_parity(
        mut self,
        folder: &Path,
        bundle: &Bundle,
        asked: Option<Asked>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let Some(asked) = asked else { return Ok(self) };
        let path = folder.join(named(bundle.path()));
        let takes = self.medium.kind.longest_file().unwrap_or(u64::MAX);
        // What an earlier run made is room too.
        let free = room::free(folder).map_or(u64::MAX, |free| free.saturating_add(parity_size(&path)));
        let room = free.saturating_sub(self.needed(folder) + SLACK);
        self.parity = layout(&path, bundle.length(), asked, room.min(takes))?;
        if self.parity.is_none() {
            progress.note(&offer_second_copy(bundle.path(), &path));
        }
        Ok(self)
    }
}

/// Parity on a medium.
pub(super) struct Made {
    pub(super) file: CopiedFile,
    /// How many bytes were written; none where it was there.
    pub(super) written: u64,
}

/// Makes the parity of a bundle beside its copy at `copy`, unless it is there, and reads it back from the medium.
pub(super) fn make(bundle: &Bundle, layout: Layout, copy: &Path, progress: &dyn Progress) -> Result<Made> {
    let target = sidecar::beside(copy);
    let mut written = 0;
    if !is_there(bundle, &layout, &target, progress)? {
        progress.phase("making parity");
        // It takes the room that the new one needs, and the copy is whole.
        own_file::remove(&target)?;
        let file = small_file::open(bundle.path()).doing("open the bundle", bundle.path())?;
        written =
            encode(&Subject { file: &file, path: bundle.path(), seal: bundle.seal() }, layout, &target, progress)?;
        progress.phase("reading back");
        let wrong = wrong_pieces(&Sidecar::open(&target)?, &target, progress)?;
        if !wrong.is_empty() {
            return Err(Error::integrity("the medium does not have what was written to it")
                .fact("path", target.display())
                .fact("wrong", format_args!("{} pieces of 1 MiB", wrong.len()))
                .hint("run the same command again; if it fails again, use another medium: this one is worn out or smaller than it says"));
        }
    }
    let file = small_file::open(&target).doing("open the parity", &target)?;
    let Descriptor { digest, size } = Descriptor::of_reader(file).doing("read", &target)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Made { file: CopiedFile { name, size, digest }, written })
}

/// Whether the medium has parity of this bundle that is whole and about as much as is wanted.
fn is_there(bundle: &Bundle, wanted: &Layout, target: &Path, progress: &dyn Progress) -> Result<bool> {
    let Ok(there) = Sidecar::open(target) else { return Ok(false) };
    let layout = there.layout();
    let (has, wants) = (layout.parity() * 100, wanted.parity());
    let is_enough = (wants * AS_GOOD..=wants * (200 - AS_GOOD)).contains(&has);
    if there.seal() != bundle.seal() || layout.length() != wanted.length() || !is_enough || !there.flaws().is_empty() {
        return Ok(false);
    }
    Ok(wrong_pieces(&there, target, progress)?.is_empty())
}

/// The pieces of a parity file that are wrong on the medium: it has digests of everything in it.
fn wrong_pieces(parity: &Sidecar, path: &Path, progress: &dyn Progress) -> Result<Vec<u64>> {
    let is_right = |offset: u64, bytes: &[u8]| {
        let sectors = bytes.chunks(SECTOR as usize);
        sectors.zip(offset / SECTOR..).all(|(bytes, sector)| parity.is_own(sector, bytes))
    };
    read_past_the_cache(path, sidecar::length(parity.layout()), progress, is_right)
}
