//! What an index says of an image is compared with the archive that the image is in: also of an archive that is carried as
//! it is, of which the image layout has nothing, and also by what only loads.

use std::fs;

use crate::support::craft::{bundle_of_folder, with_index_text};
use crate::support::images::{Layers, image, layer, oci, zstd};
use crate::support::{file, write_product};
use pack::bundle::{Bundle, Contents, Scope, prove};
use pack::error::{Class, Result};
use pack::image::AnalysisOptions;
use pack::progress::Silent;
use serde_json::{Value, json};

type Change = fn(&mut Value);

/// An archive whose layers are compressed.
fn archive() -> Vec<u8> {
    oci(&[image("a:1", vec![layer(1, 40_000), layer(2, 2_000)])], Layers::Zstd, true)
}

/// The bundle of what `change` makes of the contents of a folder with one archive.
fn bundle_of(name: &'static str, archive: Vec<u8>, change: impl FnOnce(&mut Contents)) -> Vec<u8> {
    let place = tempfile::tempdir().expect("a temporary folder");
    write_product(place.path(), "1.0.0", &[file(name, "image", archive)]);
    bundle_of_folder(place.path(), &AnalysisOptions::default(), change)
}

/// Carried as it is, and as blobs.
fn bundles() -> [(&'static str, Vec<u8>); 2] {
    let kept = bundle_of("kept.tar.zst", zstd(&archive()), |_| ());
    [("kept", kept), ("made", bundle_of("made.tar", archive(), |_| ()))]
}

fn judged(bytes: &[u8], scope: Scope<'_>) -> Result<()> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("x.run");
    fs::write(&path, bytes).expect("written");
    let bundle = Bundle::open(&path).expect("the index agrees with itself");
    prove(&bundle, scope, &Silent).map(drop)
}

fn changed(bytes: &[u8], change: Change) -> Vec<u8> {
    with_index_text(bytes, |json| {
        let mut index = serde_json::from_slice(json).expect("JSON");
        change(&mut index);
        index.to_string().into_bytes()
    })
}

#[track_caller]
fn refused(what: &str, bytes: &[u8], scope: Scope<'_>) {
    let error = judged(bytes, scope).expect_err(what);
    assert_eq!(error.class(), Class::Integrity, "{what}: {error}");
}

#[test]
fn layers_that_an_archive_has_compressed_are_proved() {
    for (what, bytes) in bundles() {
        let packed = changed(&bytes, |index| assert!(index["images"][0]["layers"][0]["packed"].is_object()));
        judged(&packed, Scope::Everything).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn another_platform_or_layer_is_refused_also_by_what_only_loads() {
    let changes: [(&str, Change); 4] = [
        ("platform", |index| index["images"][0]["platform"] = "linux/arm64".into()),
        ("content", |index| index["images"][0]["layers"][0]["diffId"] = index["headerDigest"].clone()),
        ("size", |index| index["images"][0]["layers"][1]["size"] = 1.into()),
        ("number", |index| drop(index["images"][0]["layers"].as_array_mut().expect("a list").pop())),
    ];
    for (carried, bytes) in bundles() {
        for (what, change) in changes {
            refused(&format!("{carried}, {what}"), &changed(&bytes, change), Scope::Artifacts(&|_| true));
        }
    }
}

#[test]
fn tags_and_compressed_layers_of_an_archive_that_is_carried_as_it_is_are_compared() {
    let [(_, kept), _] = bundles();
    let changes: [(&str, Change); 4] = [
        ("without its compression", |index| drop(layer_of(index).remove("packed"))),
        ("another blob", |index| layer_of(index)["packed"]["size"] = 1.into()),
        ("another compression", |index| layer_of(index)["packed"]["compression"] = "gzip".into()),
        // The artifact has its own; the image has one more than any artifact gives it.
        ("a tag more", |index| {
            let own = index["images"][0]["tags"].clone();
            let more = own[0].as_str().expect("text").replace("a:1", "c:1");
            index["images"][0]["tags"] = json!([own[0], more]);
            index["artifacts"][0]["tags"] = json!([own]);
        }),
    ];
    for (what, change) in changes {
        let bytes = changed(&kept, change);
        judged(&bytes, Scope::Artifacts(&|_| true)).expect("nothing of it is used for the artifact");
        refused(what, &bytes, Scope::Everything);
    }
}

/// Frames, index and tar stream say the same: only what has to be there tells that something is missing or has a mode
/// that `pack` does not give it.
#[test]
fn a_layout_that_lacks_a_document_or_gives_it_another_mode_is_refused() {
    for name in ["oci/index.json", "oci/manifest.json", "oci/oci-layout"] {
        let of = |change: &dyn Fn(&mut Contents)| bundle_of("made.tar", archive(), change);
        let without = of(&|contents| contents.files.retain(|file| file.path.as_str() != name));
        refused(&format!("without {name}"), &without, Scope::Everything);
        let closed = of(&|contents| {
            contents.files.iter_mut().find(|file| file.path.as_str() == name).expect("there").mode = 0o600;
        });
        refused(&format!("{name} with another mode"), &closed, Scope::Everything);
    }
}

fn layer_of(index: &mut Value) -> &mut serde_json::Map<String, Value> {
    index["images"][0]["layers"][0].as_object_mut().expect("a layer")
}
