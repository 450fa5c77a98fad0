//! Repairing from a copy that is whole.

use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Done, check_seal};
use crate::bundle::{self, Bundle};
use crate::error::{IoContext, Result};
use crate::parity::layout::SECTOR;
use crate::parity::target::Target;
use crate::progress::Progress;
use crate::small_file;
use crate::task::whole_bundle::{expect_one_file, expect_whole};

/// How many bytes are compared at a time.
const PIECE: u64 = 1 << 20;

/// Writes the sectors that differ from the copy's, once the copy is known to be whole.
pub(super) fn repair(path: &Path, copy: &Path, target: &mut Target, progress: &dyn Progress) -> Result<Done> {
    let good = Bundle::open(copy)?;
    expect_one_file(
        &good,
        "a copy to repair from is a bundle in one file, and this one is in volumes",
        format_args!("name one that is one file; or cut a patch out of one: {}", super::cut_hint(path)),
    )?;
    let file = small_file::open(copy).doing("open the bundle", copy)?;
    if let Some(seal) = bundle::seal(&file) {
        check_seal(target, path, copy, seal)?;
    }
    expect_whole(&good, "repaired", progress)?;
    progress.phase("repairing");
    let length = good.length();
    let meter = progress.start("bundle", Some(length));
    let mut piece = vec![0; PIECE as usize];
    for offset in (0..length).step_by(PIECE as usize) {
        let bytes = &mut piece[..PIECE.min(length - offset) as usize];
        file.read_exact_at(bytes, offset).doing("read the bundle", copy)?;
        for (sector, at) in bytes.chunks(SECTOR as usize).zip((offset..).step_by(SECTOR as usize)) {
            target.put(at, sector)?;
        }
        meter.add(bytes.len() as u64);
    }
    meter.done("repaired");
    Ok(Done { length, flaws: Vec::new(), lost: 0 })
}
