//! Archives of images that are made to take much.

use std::fs;
use std::path::Path;

use super::{OF_FOLDER, assert_peaks, scratch};
use crate::support::images::{Made, Member, docker_archive, gzip, image, layer, tar};
use crate::support::{file, skip, through, write_product};

/// A folder of one archive of images under this name.
fn with_archive(folder: &Path, archive: Vec<u8>) {
    let _ = fs::remove_dir_all(folder.join("p"));
    fs::create_dir(folder.join("p")).expect("a folder");
    write_product(&folder.join("p"), "1.0.0", &[file("a", "image", archive)]);
}

fn one() -> Made {
    image("probe/one:1", vec![layer(1, 50_000)])
}

#[test]
fn an_archive_that_unpacks_to_very_much() {
    let folder = scratch();
    let bomb = tar(&[("layer", Member::File(&vec![0; 1 << 30]))]);
    for (class, limit, program, words) in [
        ("zstd with a window of 128 MiB", 128, "zstd", &["-c", "--long=27", "-T1"][..]),
        ("xz with a dictionary of 64 MiB", 70, "xz", &["-c", "--lzma2=preset=0,dict=64MiB", "-T1"]),
        ("gzip of zeros", 0, "gzip", &["-c", "-1"]),
    ] {
        let Some(packed) = through(program, words, &bomb) else { return skip(&format!("{program} is not installed")) };
        with_archive(folder.path(), packed);
        assert_peaks(class, limit, folder.path(), OF_FOLDER);
    }
}

/// What `pack bundle` takes on two cores for any large product, in MiB: frames before and after compressing.
const FRAMES: u64 = 350;

/// An archive of `count` headers of 1 MiB each, and one image.
fn with_headers(count: usize) -> Vec<u8> {
    let mut archive = Vec::new();
    for number in 0..count {
        let mut builder = tar::Builder::new(Vec::new());
        let value = vec![b'x'; (1 << 20) - 100];
        builder.append_pax_extensions([("comment", &value[..])]).expect("memory");
        archive.extend(builder.get_ref());
        archive.extend(&tar(&[(&format!("small-{number}"), Member::File(b"x"))])[..1024]);
    }
    archive.extend(docker_archive(&[one()]));
    archive
}

#[test]
fn many_archives_of_long_headers() {
    let folder = scratch();
    let packed = gzip(&with_headers(30), 6);
    let files = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| file(name, "image", packed.clone()));
    fs::create_dir(folder.path().join("p")).expect("a folder");
    write_product(&folder.path().join("p"), "1.0.0", &files);
    assert_peaks("tar headers of 30 MiB in each of 8 archives", FRAMES, folder.path(), OF_FOLDER);
}

#[test]
fn an_archive_of_small_members_and_documents() {
    let folder = scratch();
    let small = vec![b'x'; 15 << 10];
    let document = [b"{".to_vec(), b" ".repeat((7 << 20) - 2), b"}".to_vec()].concat();
    let names: Vec<String> = (0..1_900).map(|number| format!("small-{number}")).collect();
    let mut members: Vec<(&str, Member)> = names.iter().map(|name| (name.as_str(), Member::File(&small))).collect();
    members.extend(["a.json", "b.json", "c.json", "d.json"].map(|name| (name, Member::File(&document))));
    let mut archive = tar(&members);
    archive.truncate(archive.len() - 1024);
    archive.extend(docker_archive(&[one()]));
    with_archive(folder.path(), archive);
    assert_peaks("small members of 28 MiB, and JSON of as much", 64, folder.path(), OF_FOLDER);
}

#[test]
fn an_archive_of_long_headers_and_many_names() {
    let folder = scratch();
    with_archive(folder.path(), with_headers(30));
    assert_peaks("tar headers of 1 MiB, 30 of them", 32, folder.path(), OF_FOLDER);
    let names: Vec<String> = (0..50_000).map(|number| format!("{number:090}")).collect();
    let members: Vec<(&str, Member)> = names.iter().map(|name| (name.as_str(), Member::File(b""))).collect();
    let mut many = tar(&members);
    many.truncate(many.len() - 1024);
    many.extend(docker_archive(&[one()]));
    with_archive(folder.path(), many);
    assert_peaks("50,000 names", 32, folder.path(), OF_FOLDER);
}
