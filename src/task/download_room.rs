//! Whether what a download is about to fetch fits on the disk.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cache::Cache;
use crate::digest::Digest;
use crate::error::Result;
use crate::manifest::Pinned;
use crate::path::shell_word;
use crate::release::Folder;
use crate::room;

/// Checks that what `selection` lacks in `folder` fits there; `manifest` is where it comes from.
///
/// # Errors
/// It does not, whatever is replaced, linked from the cache, or there in part.
pub(super) fn check(folder: &Folder, selection: &[Pinned<'_>], cache: Option<&Cache>, manifest: &str) -> Result<()> {
    let root = folder.root();
    let device = fs::metadata(root).map(|root| root.dev()).ok();
    // Of several with one digest, the others are linked.
    let mut missing: HashMap<Digest, u64> = HashMap::new();
    let mut replaced = 0;
    for pinned in selection {
        let Some(size) = pinned.pin.size else { continue };
        let there = file_at(&folder.path_of(pinned.name()));
        if there.as_ref().is_some_and(|there| there.len() == size) {
            continue;
        }
        replaced += there.map_or(0, |there| there.len());
        let kept = cache.and_then(|cache| file_at(&cache.path_of(&pinned.pin.digest)));
        if kept.is_some_and(|kept| kept.len() == size && Some(kept.dev()) == device) {
            continue;
        }
        let partial = file_at(&folder.partial_path(&pinned.pin.digest));
        let written = partial.map_or(0, |partial| partial.blocks().saturating_mul(512));
        missing.insert(pinned.pin.digest, size.saturating_sub(written));
    }
    let (total, largest) = (missing.values().sum::<u64>(), missing.values().max().copied().unwrap_or(0));
    let elsewhere = format_args!(
        "free some room (what it holds: 'du -sh {}'), or download to where there is room: pack download --dir /other/folder {}",
        shell_word(root),
        shell_word(Path::new(manifest))
    );
    room::check(total.saturating_sub(replaced).max(largest), root, elsewhere)
}

fn file_at(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok().filter(Metadata::is_file)
}
