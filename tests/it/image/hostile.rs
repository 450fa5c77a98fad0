//! Archives and recipes changed at random: whatever comes, an answer or an error, never a panic, and never
//! other bytes for the original.

use std::fs;
use std::io::Read;

use crate::support::images::{Layers, docker_legacy, gzip, image, layer, oci};
use pack::digest::Digest;
use pack::error::Result;
use pack::image::{AnalysedBlobs, AnalysisOptions, BlobSource, ImageLimits, Recipe, Representation, analyse, rebuild};
use pack::progress::Silent;
use proptest::prelude::*;
use proptest::sample::Index;

struct NoBlobs;

impl BlobSource for NoBlobs {
    fn open(&self, _: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(std::io::repeat(b'x')))
    }
}

/// What may happen to a file.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Copy(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..600)).prop_map(|(at, new)| Change::Insert(at, new)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Copy(from, to)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            return bytes;
        }
        let length = bytes.len();
        match change {
            Change::Set(at, value) => bytes[at.index(length)] = *value,
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Copy(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let count = 512.min(length - from.max(to));
                bytes.copy_within(from..from + count, to);
            }
        }
    }
    bytes
}

fn archives() -> Vec<Vec<u8>> {
    let made = [image("a:1", vec![layer(1, 900), layer(2, 20_000)]), image("b:1", vec![layer(1, 900)])];
    let plain = docker_legacy(&made);
    vec![gzip(&plain, 6), plain, oci(&made, Layers::Gzip, false), oci(&made, Layers::Zstd, true)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_changed_archive_is_read_or_refused(which in 0usize..4, changes in proptest::collection::vec(change(), 1..4)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.tar");
        let bytes = changed(archives().swap_remove(which), &changes);
        fs::write(&path, &bytes).expect("written");
        for holds_images in [true, false] {
            match analyse(&path, "a.tar", holds_images, &AnalysisOptions::default(), &Silent) {
                Ok(analysis) => {
                    prop_assert_eq!(analysis.file.digest, Digest::of(&bytes));
                    if let Representation::Rebuilt(recipe) = &analysis.representation {
                        let blobs = AnalysedBlobs::of([&analysis]);
                        let mut again = Vec::new();
                        rebuild("a.tar", recipe, &blobs, &mut again).expect("what was accepted comes back");
                        prop_assert!(again == bytes);
                    }
                }
                Err(error) => {
                    prop_assert!(holds_images, "{error}");
                    prop_assert!(error.hint_text().is_some(), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_changed_recipe_never_gives_another_file(changes in proptest::collection::vec(change(), 1..3)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.tar");
        fs::write(&path, archives().swap_remove(0)).expect("written");
        let analysis = analyse(&path, "a.tar", true, &AnalysisOptions::default(), &Silent).expect("valid");
        let Representation::Rebuilt(recipe) = &analysis.representation else { panic!("{:?}", analysis.representation) };
        let limits = ImageLimits { content_bytes: 1 << 20, ..ImageLimits::DEFAULT };
        if let Ok(recipe) = Recipe::from_bytes(&changed(recipe.to_bytes(), &changes), &limits) {
            for blobs in [&AnalysedBlobs::of([&analysis]) as &dyn BlobSource, &NoBlobs] {
                let mut out = Bounded(Vec::new());
                if rebuild("a.tar", &recipe, blobs, &mut out).is_ok() {
                    prop_assert_eq!(Digest::of(&out.0), recipe.original.digest);
                }
            }
        }
    }
}

/// A disk that is full soon: a recipe may ask for a blob of any size.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() > 4 << 20 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
