//! Image archives of every form: read, checked, shared by layer, given back bit for bit.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::support::blobs::assert_comes_back;
use crate::support::facts::Facts;
use crate::support::images::{
    Layers, Made, Member, docker_archive, docker_legacy, gzip, image, image_for, layer, oci, tar, zstd,
};
use crate::support::{noise, skip, through};
use pack::digest::Digest;
use pack::error::{Class, Error, Result};
use pack::image::{
    AnalysedBlobs, Analysis, AnalysisOptions, LayoutContent, LayoutFile, Representation, analyse, export, layout,
    rebuild,
};
use pack::image_ref::ImageRef;
use pack::platform::Platform;
use pack::progress::Silent;

fn options() -> AnalysisOptions {
    AnalysisOptions { platform: Some(Platform::AMD64), ..AnalysisOptions::default() }
}

fn analyse_bytes(folder: &Path, name: &str, bytes: &[u8], options: &AnalysisOptions) -> Result<Analysis> {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("written");
    analyse(&path, name, true, options, &Silent)
}

fn refused(bytes: &[u8]) -> Error {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = analyse_bytes(folder.path(), "bad.tar", bytes, &options()).expect_err("a bad archive");
    assert_eq!(error.fact_named("artifact"), Some("bad.tar"), "{error}");
    assert!(error.hint_text().is_some(), "{error}");
    error
}

/// Two images on one base.
fn two() -> Vec<Made> {
    let base = layer(1, 900_000);
    vec![
        image("probe/one:1", vec![base.clone(), layer(2, 50_000), layer(3, 3_000)]),
        image("probe/two:2", vec![base, layer(4, 700_000), tar(&[])]),
    ]
}

#[test]
fn every_form_of_archive_gives_its_images_and_comes_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = two();
    let forms = [
        ("docker legacy", docker_legacy(&made)),
        ("docker-archive", docker_archive(&made)),
        ("docker save 25", oci(&made, Layers::Plain, true)),
        ("containerd store", oci(&made, Layers::Gzip, true)),
        ("oci-archive", oci(&made, Layers::Plain, false)),
        ("oci-archive, gzip", oci(&made, Layers::Gzip, false)),
        ("oci-archive, zstd", oci(&made, Layers::Zstd, false)),
    ];
    for (form, plain) in forms {
        for packed in [plain.clone(), gzip(&plain, 6)] {
            let analysis = analyse_bytes(folder.path(), "images.tar", &packed, &options()).expect(form);
            assert_eq!(analysis.file.digest, Digest::of(&packed), "{form}");
            assert_eq!(analysis.images.len(), 2, "{form}");
            for (image, made) in analysis.images.iter().zip(&made) {
                assert_eq!(image.tags.iter().map(ImageRef::as_str).collect::<Vec<_>>(), [made.tag.as_str()], "{form}");
                assert_eq!((image.id, image.platform.as_str()), (made.id(), "linux/amd64"), "{form}");
                let diff_ids: Vec<Digest> = made.layers.iter().map(|layer| Digest::of(layer)).collect();
                let found: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id).collect();
                assert_eq!(found, diff_ids, "{form}");
            }
            assert_comes_back(&analysis, &packed);
        }
    }
}

#[test]
fn gzip_of_every_maker_comes_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // More than one piece, with stored blocks between.
    let layers = vec![layer(1, 3_000_000), tar(&[("noise", Member::File(&noise(7, 300_000)))]), layer(2, 3_000_000)];
    let plain = docker_legacy(&[image("probe/one:1", layers)]);
    let mut makers: Vec<(String, Vec<u8>)> = vec![
        ("zlib-rs 1".into(), gzip(&plain, 1)),
        ("zlib-rs 9".into(), gzip(&plain, 9)),
        ("two members".into(), [gzip(&plain[..1_000_000], 6), gzip(&plain[1_000_000..], 6)].concat()),
        ("padded".into(), [gzip(&plain, 6), vec![0; 1000]].concat()),
    ];
    for level in ["-1", "-6", "-9"] {
        makers.push((format!("gzip {level}"), through("gzip", &[level, "-c"], &plain).expect("gzip is everywhere")));
    }
    if let Some(bytes) = through("pigz", &["-6", "-c"], &plain) {
        makers.push(("pigz".into(), bytes));
    }
    for (maker, packed) in makers {
        let analysis = analyse_bytes(folder.path(), "image.tar.gz", &packed, &options()).expect(&maker);
        if let Representation::AsIs(why) = &analysis.representation {
            assert!(maker.starts_with("zlib-rs 1"), "{maker}: {why}");
            continue;
        }
        assert_comes_back(&analysis, &packed);
        let Representation::Rebuilt(recipe) = &analysis.representation else { unreachable!() };
        let cost = recipe.to_bytes().len();
        // Corrections of 2 %, and the archive's headers and small members.
        assert!(cost < packed.len() / 50 + 10_000, "{maker}: {cost} of {}", packed.len());
    }
}

#[test]
fn a_compression_that_cannot_be_put_on_again_keeps_the_file_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = docker_legacy(&two());
    let zstd = zstd(&plain);
    let xz = through("xz", &["-c"], &plain);
    if xz.is_none() {
        skip("xz is not installed");
    }
    for packed in [Some(zstd), xz].into_iter().flatten() {
        let analysis = analyse_bytes(folder.path(), "image.tar.z", &packed, &options()).expect("read");
        assert!(
            matches!(&analysis.representation, Representation::AsIs(why) if why.contains("cannot be put on again"))
        );
        assert_eq!((analysis.images.len(), analysis.file.digest), (2, Digest::of(&packed)));
        assert!(layout(vec![analysis]).expect("nothing to do").is_empty());
    }
}

#[test]
fn without_originals_the_layers_alone_are_carried() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = two();
    let options = AnalysisOptions { originals: false, ..options() };
    for packed in [gzip(&docker_legacy(&made), 6), oci(&made, Layers::Zstd, true)] {
        let analysis = analyse_bytes(folder.path(), "image.tar.gz", &packed, &options).expect("read");
        assert_eq!(analysis.representation, Representation::Exported);
        let layers: HashSet<Digest> = made.iter().flat_map(|one| &one.layers).map(|layer| Digest::of(layer)).collect();
        assert_eq!(analysis.blobs.iter().map(|blob| blob.descriptor.digest).collect::<HashSet<_>>(), layers);
        let mut archive = Vec::new();
        export(&analysis.images, &AnalysedBlobs::of([&analysis]), &HashSet::new(), &mut archive).expect("exported");
        let again = analyse_bytes(folder.path(), "again.tar", &archive, &options).expect("what we write we read");
        assert_eq!(again.images.len(), 2);
        assert!(again.images.iter().zip(&made).all(|(image, made)| image.id == made.id()));
    }
}

#[test]
fn the_layout_has_each_layer_once_base_first_and_is_the_same_every_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = two();
    let write = || {
        let one = gzip(&docker_legacy(&made[..1]), 6);
        let two = oci(&made[1..], Layers::Gzip, true);
        let analyses = vec![
            analyse_bytes(folder.path(), "one.tar.gz", &one, &options()).expect("read"),
            analyse_bytes(folder.path(), "two.tar", &two, &options()).expect("read"),
        ];
        layout(analyses).expect("laid out")
    };
    let entries = write();
    let names =
        |entries: &[LayoutFile]| entries.iter().map(|entry| (entry.path.clone(), entry.descriptor)).collect::<Vec<_>>();
    assert_eq!(names(&entries), names(&write()));
    let distinct: HashSet<_> = entries.iter().map(|entry| &entry.path).collect();
    assert_eq!(distinct.len(), entries.len());
    let blobs: Vec<Digest> = entries
        .iter()
        .filter(|entry| matches!(entry.content, LayoutContent::Blob(_)) && entry.path.starts_with("oci/"))
        .map(|entry| entry.descriptor.digest)
        .collect();
    assert_eq!(blobs[0], Digest::of(&made[0].layers[0]));
    assert_eq!(blobs.len(), 5);
}

#[test]
fn bad_archives_are_errors_that_name_the_member() {
    let good = docker_legacy(&two());
    for (cut, why) in [(100, "no tar archive: it has 100 bytes"), (700, "early"), (good.len() / 2, "early")] {
        assert!(refused(&good[..cut]).fact_named("reason").expect("a reason").contains(why), "cut at {cut}");
    }
    let packed = gzip(&good, 6);
    assert!(refused(&packed[..packed.len() / 2]).fact_named("reason").expect("a reason").contains("early"));
    let mut damaged = packed.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 1;
    assert!(refused(&damaged).fact_named("reason").expect("a reason").contains("CRC-32"));

    let config = &two()[0].config;
    let config_name = format!("{}.json", Digest::of(config).hex());
    let manifest = |config: &str, layers: &str| {
        format!(r#"[{{"Config":"{config}","RepoTags":["a:1"],"Layers":[{layers}]}}]"#).into_bytes()
    };
    let cases: [(&str, Vec<u8>, &str, &str); 8] = [
        ("no manifest", tar(&[("x", Member::File(b"y"))]), "manifest.json", "neither"),
        ("no JSON", tar(&[("manifest.json", Member::File(b"hello"))]), "manifest.json", "JSON"),
        ("no config", tar(&[("manifest.json", Member::File(&manifest("c.json", "")))]), "c.json", "does not have it"),
        (
            "the config is no JSON",
            tar(&[("manifest.json", Member::File(&manifest("c.json", ""))), ("c.json", Member::File(b"{"))]),
            "c.json",
            "JSON",
        ),
        (
            "a layer is missing",
            tar(&[
                (
                    "manifest.json",
                    Member::File(&manifest(&config_name, r#""a/layer.tar","b/layer.tar","c/layer.tar""#)),
                ),
                (&config_name, Member::File(config)),
            ]),
            "a/layer.tar",
            "does not have it",
        ),
        (
            "fewer layers than the config has",
            tar(&[("manifest.json", Member::File(&manifest(&config_name, ""))), (&config_name, Member::File(config))]),
            &config_name,
            "3 layers, the archive lists 0",
        ),
        (
            "links in a circle",
            tar(&[
                ("manifest.json", Member::File(&manifest("a", ""))),
                ("a", Member::Symlink("b")),
                ("b", Member::Symlink("a")),
            ]),
            "a",
            "circle",
        ),
        (
            "a way out in the manifest",
            tar(&[("manifest.json", Member::File(&manifest("../../etc/passwd", "")))]),
            "../../etc/passwd",
            "'..'",
        ),
    ];
    for (case, bytes, member, reason) in cases {
        let error = refused(&bytes);
        assert_eq!(error.fact_named("member"), Some(member), "{case}: {error}");
        assert!(error.fact_named("reason").expect("a reason").contains(reason), "{case}: {error}");
    }
    for (case, bytes, reason) in [
        ("a name that leaves", tar(&[("../evil", Member::File(b""))]), "'..'"),
        ("an absolute name", tar(&[("/etc/evil", Member::File(b""))]), "absolute"),
        ("a link that leaves", tar(&[("a/b", Member::Symlink("../../etc/passwd"))]), "out of the archive"),
        ("an absolute link", tar(&[("a", Member::Symlink("/etc/passwd"))]), "absolute"),
        ("an absolute hard link", tar(&[("a", Member::Hardlink("/etc/passwd"))]), "absolute"),
        ("a member twice", tar(&[("a", Member::File(b"1")), ("a", Member::File(b"2"))]), "twice"),
        ("no tar at all", b"x".repeat(5_000), "not begin as a tar archive"),
    ] {
        let error = refused(&bytes);
        assert!(error.fact_named("reason").expect("a reason").contains(reason), "{case}: {error}");
    }
}

#[test]
fn a_layer_that_lies_is_an_integrity_error_naming_image_and_layer() {
    for form in [docker_legacy, docker_archive] {
        let mut made = two();
        made[1].layers[1] = layer(99, 700_000);
        let error = refused(&form(&made));
        assert_eq!(error.class(), Class::Integrity, "{error}");
        assert_eq!(error.fact_named("image"), Some("probe/two:2"));
        assert!(error.fact_named("layer").is_some_and(|layer| layer.ends_with("tar")), "{error}");
    }
    let mut bytes = oci(&two(), Layers::Gzip, false);
    let at = bytes.windows(2).position(|pair| pair == [0x1f, 0x8b]).expect("a gzip layer");
    bytes[at + 4] ^= 1;
    assert_eq!(refused(&bytes).class(), Class::Integrity);
}

#[test]
fn a_platform_that_is_not_asked_for_is_an_error() {
    let error = refused(&docker_legacy(&[image_for("arm64", "probe/arm:1", vec![layer(1, 100)])]));
    assert_eq!((error.fact_named("actual"), error.fact_named("expected")), (Some("linux/arm64"), Some("linux/amd64")));
    assert_eq!(error.fact_named("image"), Some("probe/arm:1"));
}

#[test]
fn a_tag_for_two_images_is_an_error_within_and_across_archives() {
    let one = image("probe/same:1", vec![layer(1, 100)]);
    let two = image("probe/same:1", vec![layer(2, 100)]);
    let error = refused(&docker_archive(&[one.clone(), two.clone()]));
    assert_eq!(error.fact_named("tag"), Some("probe/same:1"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let analyses = [("one.tar", one), ("two.tar", two)]
        .map(|(name, made)| analyse_bytes(folder.path(), name, &docker_archive(&[made]), &options()).expect("read"));
    let error = layout(analyses.into()).expect_err("one tag, two images");
    assert_eq!((error.fact_named("artifact"), error.fact_named("other artifact")), (Some("two.tar"), Some("one.tar")));
}

#[test]
fn an_archive_without_end_is_bounded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut options = options();
    options.limits.content_bytes = 1 << 20;
    let bomb = gzip(&tar(&[("zeros", Member::File(&vec![0; 20 << 20]))]), 9);
    let error = analyse_bytes(folder.path(), "bomb.tar.gz", &bomb, &options).expect_err("a bomb");
    assert!(error.fact_named("reason").expect("a reason").contains("1048576"), "{error}");
    options.limits.members = 50;
    options.limits.framing_bytes = 20_000;
    let names: Vec<String> = (0..60).map(|number| format!("file-{number}")).collect();
    let many: Vec<(&str, Member)> = names.iter().map(|name| (name.as_str(), Member::File(b""))).collect();
    let error = analyse_bytes(folder.path(), "many.tar", &tar(&many), &options).expect_err("a bomb");
    assert!(error.fact_named("reason").expect("a reason").contains("20000"), "{error}");
}

#[test]
fn an_engine_tarball_comes_back_and_what_is_no_gzip_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = gzip(&tar(&[("docker/dockerd", Member::File(&layer(5, 5_000_000)))]), 9);
    let path = folder.path().join("docker.tgz");
    fs::write(&path, &engine).expect("written");
    let analysis = analyse(&path, "docker.tgz", false, &options(), &Silent).expect("read");
    assert_comes_back(&analysis, &engine);
    for bytes in [&b"plain"[..], &engine[..engine.len() - 3], &[]] {
        fs::write(&path, bytes).expect("written");
        let analysis = analyse(&path, "docker.tgz", false, &options(), &Silent).expect("read");
        assert!(matches!(analysis.representation, Representation::AsIs(_)));
        assert_eq!(analysis.file.digest, Digest::of(bytes));
    }
}

#[test]
fn a_wrong_blob_or_recipe_never_passes_for_the_original() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let packed = gzip(&docker_legacy(&two()), 6);
    let analysis = analyse_bytes(folder.path(), "image.tar.gz", &packed, &options()).expect("read");
    let Representation::Rebuilt(recipe) = &analysis.representation else { panic!("{:?}", analysis.representation) };
    // The file changes under the blobs.
    let mut changed = packed.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0x55;
    fs::write(folder.path().join("image.tar.gz"), &changed).expect("written");
    assert!(rebuild("image.tar.gz", recipe, &AnalysedBlobs::of([&analysis]), &mut Vec::new()).is_err());
    let nothing = AnalysedBlobs::default();
    assert_eq!(
        rebuild("image.tar.gz", recipe, &nothing, &mut Vec::new()).expect_err("no blobs").title(),
        "a blob is in none of the archives"
    );
}
