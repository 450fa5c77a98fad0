//! What is read back comes from the medium, and what is written is only what it does not have.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::support::facts::Facts;
use crate::support::mounts::Stick;
use crate::support::noise;
use pack::error::Class;
use pack::medium::copy::MediumCopy;
use pack::progress::Silent;

const MIB: usize = 1 << 20;

/// Changes a byte of `content`, of which the first 64 bytes are nowhere else, in the image beneath the file system.
fn change_beneath(image: &Path, content: &[u8]) {
    let bytes = fs::read(image).expect("read");
    let found = bytes.windows(64).position(|window| window == &content[..64]).expect("it is in the image");
    let image = OpenOptions::new().write(true).open(image).expect("opened");
    image.write_all_at(&[!content[0]], found as u64).expect("written");
}

#[test]
fn a_medium_that_lost_a_byte_beneath_the_cache_is_found_and_only_that_is_written_again() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let Some(stick) = Stick::mount(place.path(), "stick", 48, "rw") else { return };
    let content = noise(5, 3 * MIB + 12_345);
    let (source, target) = (place.path().join("x.run"), stick.path().join("x.run"));
    fs::write(&source, &content).expect("written");
    let copy = MediumCopy::write(&source, &target, &Silent).expect("written");
    assert_eq!(copy.written, content.len() as u64);
    let temporary = stick.path().join(".x.run.transfer");
    // Another one looks at it, so that all of it is in the cache.
    assert!(fs::read(&temporary).expect("read") == content);
    change_beneath(stick.image(), &content[MIB..]);
    assert!(fs::read(&temporary).expect("read") == content, "the cache knows nothing of that");

    let error = copy.prove(&Silent).expect_err("found");
    assert_eq!(error.class(), Class::Integrity);
    assert_eq!(error.fact_named("wrong"), Some("1 of 4 pieces of 1 MiB"));
    assert_eq!(error.fact_named("first"), Some("at byte 1048576"));
    assert!(!target.exists(), "what is not proved has not the name");

    let copy = MediumCopy::write(&source, &target, &Silent).expect("written");
    assert_eq!(copy.written, MIB as u64, "the rest is right");
    let proved = copy.prove(&Silent).expect("right now");
    assert!(proved.direct, "FAT and ext4 have direct I/O");
    assert!(fs::read(&target).expect("read") == content && !temporary.exists());

    // The same for what has its name already.
    change_beneath(stick.image(), &content[2 * MIB..]);
    let copy = MediumCopy::write(&source, &target, &Silent).expect("written");
    assert_eq!(copy.written, MIB as u64);
    copy.prove(&Silent).expect("right now");
    assert_eq!(MediumCopy::write(&source, &target, &Silent).expect("written").written, 0);
}

#[test]
fn a_copy_that_was_broken_off_goes_on() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let content = noise(6, 3 * MIB + 1);
    let (source, target) = (place.path().join("x.run"), place.path().join("stick"));
    fs::create_dir(&target).expect("a folder");
    let (target, temporary) = (target.join("x.run"), target.join(".x.run.transfer"));
    fs::write(&source, &content).expect("written");
    for (there, written) in [
        (content[..2 * MIB].to_vec(), MIB + 1),
        (content[..2 * MIB - 1].to_vec(), 2 * MIB + 1),
        ([&content[..], b"more"].concat(), 0),
        ([&content[..MIB], &noise(7, MIB), &content[2 * MIB..]].concat(), MIB),
        (Vec::new(), content.len()),
    ] {
        fs::write(&temporary, there).expect("written");
        let copy = MediumCopy::write(&source, &target, &Silent).expect("written");
        assert_eq!(copy.written, written as u64);
        copy.prove(&Silent).expect("right");
        assert!(fs::read(&target).expect("read") == content);
        fs::remove_file(&target).expect("removed");
    }
}

#[test]
fn what_others_put_in_the_way_is_not_written_to() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let source = place.path().join("x");
    fs::write(&source, "content").expect("written");
    let target = place.path().join("x.run");
    let temporary = place.path().join(".x.run.transfer");
    let victim = place.path().join("victim");
    fs::write(&victim, "precious").expect("written");
    let put: [(&str, &dyn Fn()); 3] = [
        ("a link", &|| std::os::unix::fs::symlink(&victim, &temporary).expect("linked")),
        ("another name of a file", &|| fs::hard_link(&victim, &temporary).expect("linked")),
        ("another user's file", &|| {
            fs::write(&temporary, "planted").expect("written");
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(&temporary, Some(12345), None).expect("given away");
            }
        }),
    ];
    for (what, put) in put {
        put();
        let copy = MediumCopy::write(&source, &target, &Silent).unwrap_or_else(|error| panic!("{what}: {error}"));
        copy.prove(&Silent).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(fs::read(&target).expect("read"), b"content", "{what}");
        assert_eq!(fs::metadata(&target).expect("there").uid(), rustix::process::geteuid().as_raw(), "{what}");
        fs::remove_file(&target).expect("removed");
        assert_eq!(fs::read(&victim).expect("read"), b"precious", "{what}");
    }
    // A file system without owners says of every file that it is one user's, the folder's too: then it is an earlier run's.
    if rustix::process::geteuid().is_root() {
        fs::write(&temporary, "content").expect("written");
        for path in [place.path(), &temporary] {
            std::os::unix::fs::chown(path, Some(12345), None).expect("given away");
        }
        assert_eq!(MediumCopy::write(&source, &target, &Silent).expect("copied").written, 0);
    }
}
