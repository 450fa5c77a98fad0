//! Every limit on an image archive: just met, and just broken.

use std::fs;

use crate::support::facts::Facts;
use crate::support::images::{Layers, Made, Member, docker_archive, gzip, image, layer, oci, tar};
use crate::support::{skip, through};
use pack::digest::Digest;
use pack::error::Result;
use pack::image::{Analysis, AnalysisOptions, ImageLimits, Representation, analyse};
use pack::progress::Silent;
use serde_json::json;

fn analysed(bytes: &[u8], limits: ImageLimits) -> Result<Analysis> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.tar");
    fs::write(&path, bytes).expect("written");
    analyse(&path, "a.tar", true, &AnalysisOptions { limits, ..AnalysisOptions::default() }, &Silent)
}

/// The archive is read with `limit` set to this value, and refused with one less.
fn assert_limit(what: &str, bytes: &[u8], value: u64, limit: fn(&mut ImageLimits, u64)) {
    let with = |value| {
        let mut limits = ImageLimits::DEFAULT;
        limit(&mut limits, value);
        analysed(bytes, limits)
    };
    with(value).unwrap_or_else(|error| panic!("{what}, just met: {error}"));
    let error = with(value - 1).expect_err(what);
    assert!(error.hint_text().is_some(), "{what}: {error}");
}

/// The files of an archive.
fn members_of(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let file = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("memory");
        (entry.path().expect("a path").display().to_string(), bytes)
    };
    tar::Archive::new(archive).entries().expect("a tar archive").map(file).collect()
}

fn made() -> Vec<Made> {
    vec![image("a:1", vec![layer(1, 30_000), layer(2, 40_000), layer(3, 2_000)]), image("b:1", vec![layer(1, 30_000)])]
}

#[test]
fn an_archive_within_every_limit_is_read_and_just_beyond_it_is_not() {
    let archive = docker_archive(&made());
    // Two configs, three layers, the list.
    assert_limit("members", &archive, 6, |limits, value| limits.members = value as usize);
    assert_limit("images", &archive, 2, |limits, value| limits.images = value as usize);
    assert_limit("layers", &archive, 3, |limits, value| limits.layers = value as usize);
    let content = |limits: &mut ImageLimits, value| limits.content_bytes = value;
    assert_limit("content", &archive, archive.len() as u64, content);
    assert_limit("content under gzip", &gzip(&archive, 6), archive.len() as u64, content);
    // All but the content of the two large layers.
    let large: usize = made()[0].layers[..2].iter().map(Vec::len).sum();
    let framing = (archive.len() - large) as u64;
    assert_limit("framing", &archive, framing, |limits, value| limits.framing_bytes = value);
}

#[test]
fn a_layer_unpacks_to_no_more_than_the_limit() {
    let made = image("a:1", vec![layer(1, 3_000_000)]);
    let archive = oci(std::slice::from_ref(&made), Layers::Gzip, false);
    assert!(archive.len() < made.layers[0].len(), "it is the layer that is limited");
    let size = made.layers[0].len() as u64;
    assert_limit("a layer's content", &archive, size, |limits, value| limits.content_bytes = value);
}

#[test]
fn a_document_a_header_and_nested_indexes_are_limited() {
    let mut large = image("a:1", vec![layer(1, 1_000)]);
    large.config.extend(b" ".repeat(20_000));
    let size = large.config.len() as u64;
    let archive = docker_archive(&[large.clone()]);
    assert_limit("JSON", &archive, size, |limits, value| limits.json_bytes = value);
    // Two of them, together.
    let mut other = image("b:1", vec![layer(2, 1_000)]);
    other.config.extend(b" ".repeat(20_000));
    let both = size + other.config.len() as u64;
    assert_limit("JSON documents", &docker_archive(&[large, other]), both, |limits, value| {
        limits.documents_bytes = value
    });

    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("comment", &[b'x'; 3_000][..])]).expect("memory");
    let mut archive = builder.get_ref().clone();
    archive.extend(docker_archive(&made()));
    // A record: its length (4 digits), a blank, key, equals sign, value, line feed.
    assert_limit("extended header", &archive, 4 + 1 + 7 + 1 + 3_000 + 1, |limits, value| {
        limits.extension_bytes = value
    });

    let mut members = members_of(&oci(&made()[1..], Layers::Plain, false));
    for _ in 0..3 {
        let place = members.iter().position(|(path, _)| path == "index.json").expect("an index");
        let inner = members.remove(place).1;
        let described = json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "digest": Digest::of(&inner), "size": inner.len() });
        members.push((format!("blobs/sha256/{}", Digest::of(&inner).hex()), inner));
        members.push(("index.json".to_owned(), json!({ "manifests": [described] }).to_string().into_bytes()));
    }
    let archive = tar(&members.iter().map(|(path, bytes)| (path.as_str(), Member::File(bytes))).collect::<Vec<_>>());
    assert_limit("nested indexes", &archive, 3, |limits, value| limits.nested_indexes = value as usize);
}

#[test]
fn as_many_links_are_followed_as_the_limit() {
    let archive = docker_archive(&made()[1..]);
    // The list of images, at the end of so many links.
    let linked = |links: usize| {
        let mut members: Vec<(String, Vec<u8>)> = members_of(&archive);
        let place = members.iter().position(|(path, _)| path == "manifest.json").expect("a list");
        let list = members.remove(place).1;
        let names: Vec<String> = (0..links).map(|number| format!("link{number}")).collect();
        let path = |number: usize| names.get(number).map_or("list", String::as_str);
        let mut all: Vec<(&str, Member)> =
            vec![("list", Member::File(&list)), ("manifest.json", Member::Symlink(path(1)))];
        all.extend((1..links).map(|number| (path(number), Member::Symlink(path(number + 1)))));
        all.extend(members.iter().map(|(path, bytes)| (path.as_str(), Member::File(bytes))));
        tar(&all)
    };
    analysed(&linked(8), ImageLimits::DEFAULT).expect("eight links");
    let error = analysed(&linked(9), ImageLimits::DEFAULT).expect_err("nine links");
    assert!(error.fact_named("reason").is_some_and(|why| why.contains("more than 8 links")), "{error}");
}

#[test]
fn an_xz_may_ask_for_as_much_memory_as_the_limit() {
    let archive = docker_archive(&made());
    let Some(archive) = through("xz", &["-c", "--lzma2=dict=4MiB"], &archive) else { return skip("xz is not there") };
    let with = |kib: u32| analysed(&archive, ImageLimits { xz_memory_kib: kib, ..ImageLimits::DEFAULT });
    // What it asks for is the dictionary and a little more.
    let least = (4 << 10..5 << 10).find(|&kib| with(kib).is_ok()).expect("within a MiB of its dictionary");
    assert!(least > 4 << 10, "less than its dictionary");
    assert!(with(least - 1).expect_err("too much").hint_text().is_some());
    let Some(most) = through("xz", &["-c", "-9"], b"not much") else { return skip("xz is not there") };
    assert!(!analysed(&most, ImageLimits::DEFAULT).expect_err("no archive").to_string().contains("memory"));
}

/// Beyond the limits of a recipe nothing fails: the file is carried as it is.
#[test]
fn a_recipe_beyond_its_limits_is_not_made() {
    let archive = gzip(&docker_archive(&made()), 6);
    let recipe = match analysed(&archive, ImageLimits::DEFAULT).expect("read").representation {
        Representation::Rebuilt(recipe) => recipe.to_bytes().len() as u64,
        other => panic!("{other:?}"),
    };
    for (limit, is_rebuilt) in [(recipe, true), (recipe - 1, false)] {
        let analysis = analysed(&archive, ImageLimits { recipe_bytes: limit, ..ImageLimits::DEFAULT }).expect("read");
        assert_eq!(matches!(analysis.representation, Representation::Rebuilt(_)), is_rebuilt, "{limit}");
    }
    let analysis = analysed(&archive, ImageLimits { recipe_items: 3, ..ImageLimits::DEFAULT }).expect("read");
    assert!(matches!(&analysis.representation, Representation::AsIs(why) if why.contains("too many parts")));
}
