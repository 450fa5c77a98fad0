//! What `pack` makes is proved, whatever is in it.

use std::fs;

use crate::support::craft::bundle_of_folder;
use crate::support::images::{Made, docker_legacy, image, layer};
use crate::support::{file, write_product};
use pack::bundle::{Bundle, Scope, prove};
use pack::image::AnalysisOptions;
use pack::progress::Silent;

#[test]
fn an_image_that_two_archives_name_differently_has_both_names_and_is_proved() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let one = || image("a:1", vec![layer(1, 2_000)]);
    let renamed = Made { tag: "b:1".to_owned(), ..one() };
    let archives =
        [file("one.tar", "image", docker_legacy(&[one()])), file("two.tar", "image", docker_legacy(&[renamed]))];
    write_product(place.path(), "1.0.0", &archives);
    let path = place.path().join("x.run");
    fs::write(&path, bundle_of_folder(place.path(), &AnalysisOptions::default(), |_| ())).expect("written");
    let bundle = Bundle::open(&path).expect("a bundle");
    let tags: Vec<String> =
        bundle.index().images.iter().flat_map(|image| &image.tags).map(ToString::to_string).collect();
    assert_eq!(bundle.index().images.len(), 1);
    assert_eq!(tags.len(), 2, "{tags:?}");
    prove(&bundle, Scope::Everything, &Silent).expect("proved");
}

#[test]
fn an_image_that_is_carried_as_it_is_is_proved() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let archive = zstd::bulk::compress(&docker_legacy(&[image("a:1", vec![layer(1, 2_000)])]), 3).expect("memory");
    write_product(place.path(), "1.0.0", &[file("one.tar.zst", "image", archive)]);
    let path = place.path().join("x.run");
    fs::write(&path, bundle_of_folder(place.path(), &AnalysisOptions::default(), |_| ())).expect("written");
    let bundle = Bundle::open(&path).expect("a bundle");
    assert!(bundle.index().artifacts[0].carried.is_file());
    prove(&bundle, Scope::Everything, &Silent).expect("proved");
}

#[test]
fn a_file_that_only_begins_like_a_compressed_one_is_proved() {
    let place = tempfile::tempdir().expect("a temporary folder");
    write_product(place.path(), "1.0.0", &[file("data.gz", "file", &b"\x1f\x8b\x08\x00and no more of it"[..])]);
    let path = place.path().join("x.run");
    fs::write(&path, bundle_of_folder(place.path(), &AnalysisOptions::default(), |_| ())).expect("written");
    prove(&Bundle::open(&path).expect("a bundle"), Scope::Everything, &Silent).expect("proved");
}
