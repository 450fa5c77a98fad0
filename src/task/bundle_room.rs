//! Whether a bundle will fit where it is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::bundle::Contents;
use crate::error::{IoContext, Result};
use crate::manifest::Kind;
use crate::progress::Progress;
use crate::release::Folder;
use crate::room;

/// How much of a file is compressed at each of three places to see how much smaller it gets, in bytes.
const SAMPLE: usize = 128 << 10;

/// Checks that the bundle of `contents` under a header of this many bytes fits beside `target`. How small it gets is
/// not known before it is made: what cannot fit is refused, what may not is noted.
///
/// # Errors
/// It cannot fit, or a file cannot be read.
pub(super) fn check(
    folder: &Folder,
    contents: &Contents,
    header: u64,
    target: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let mut sizes = Vec::new();
    for artifact in contents.artifacts.iter().filter(|artifact| !artifact.carried.is_detached()) {
        let path = folder.path_of(&artifact.name);
        sizes.push((artifact.kind, compressed(&path, artifact.size).doing("read", &path)?));
    }
    let (least, most) = bounds(header, &sizes);
    let elsewhere = "write it to where there is room: pack bundle -o /other/folder/";
    room::check(least, target, elsewhere)?;
    if let Some(free) = room::free(target).filter(|&free| free < most) {
        progress.note(&format!(
            "the bundle takes up to {}, and {} are free at {}; where it does not fit, {elsewhere}",
            room::shown(most),
            room::shown(free),
            target.display()
        ));
    }
    Ok(())
}

/// The least and the most that a bundle of artifacts of these compressed sizes takes.
fn bounds(header: u64, sizes: &[(Kind, u64)]) -> (u64, u64) {
    let (mut images, mut largest, mut files) = (0, 0, 0);
    for &(kind, size) in sizes {
        if kind == Kind::Image {
            (images, largest) = (images + size, size.max(largest));
        } else {
            files += size;
        }
    }
    // Archives may have all their layers in common, and zstd makes gzip's output no smaller than that.
    (header + (files + largest) / 10 * 6, header + files + images)
}

/// About the size of a file after compressing, by samples of its beginning, middle and end.
fn compressed(path: &Path, size: u64) -> io::Result<u64> {
    let file = File::open(path)?;
    let last = size.saturating_sub(SAMPLE as u64);
    let (mut before, mut after) = (0u64, 0u64);
    let mut sample = vec![0; SAMPLE.min(usize::try_from(size).unwrap_or(SAMPLE))];
    let mut places = vec![0, last / 2, last];
    places.dedup();
    for place in places {
        file.read_exact_at(&mut sample, place)?;
        before += sample.len() as u64;
        after += zstd::bulk::compress(&sample, 1)?.len() as u64;
    }
    let scaled = u128::from(size) * u128::from(after) / u128::from(before.max(1));
    Ok(u64::try_from(scaled).unwrap_or(size).min(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compresses_is_expected_to_be_small_and_the_rest_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(1_000_000)
        .collect();
        for (content, range) in [(vec![0; 1_000_000], 0..10_000), (noise, 900_000..1_000_001), (Vec::new(), 0..1)] {
            std::fs::write(&path, &content).expect("written");
            let size = compressed(&path, content.len() as u64).expect("read");
            assert!(range.contains(&size), "{size} is not in {range:?}");
        }
    }

    #[test]
    fn of_the_images_at_least_the_largest_is_there_and_at_most_all() {
        let sizes = [(Kind::File, 100), (Kind::Image, 50), (Kind::Script, 20), (Kind::Image, 30), (Kind::Engine, 80)];
        assert_eq!(bounds(7, &sizes), (7 + (200 + 50) / 10 * 6, 7 + 200 + 80));
        assert_eq!(bounds(7, &[]), (7, 7));
    }
}
