//! What of an artifact lies in the folder between two runs: its bytes, which of them are there, where they came from.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pack::digest::{Descriptor, Digest};
use pack::manifest::{Kind, Pin};
use pack::release::{Folder, LockedFolder, Origin, Partial};

use crate::support::noise;

const SIZE: usize = 1 << 20;
const HALF: usize = SIZE / 2;

fn folder() -> (tempfile::TempDir, LockedFolder) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::at(place.path().join("product")).lock().expect("locked");
    (place, folder)
}

fn pin(bytes: &[u8]) -> Pin {
    let Descriptor { size, digest } = Descriptor::of(bytes);
    Pin { size: Some(size), digest }
}

fn origin(name: &str) -> Origin {
    Origin { url: Digest::of(name.as_bytes()), validator: Some(format!("\"{name}\"")) }
}

fn is_whole(partial: Partial) -> bool {
    partial.finish().expect("written").is_ok()
}

#[test]
fn the_next_run_knows_which_bytes_are_there_and_where_they_came_from() {
    let (_place, folder) = folder();
    let bytes = noise(1, SIZE);
    let open = || Partial::open(&folder, pin(&bytes)).expect("opened");
    let mut first = open();
    assert_eq!((first.length(), first.origin()), (0, None));
    first.set_origin(origin("a")).expect("written");
    assert_eq!(first.origin(), Some(&origin("a")));
    assert!(first.write_at(HALF as u64, &bytes[HALF..SIZE - 1]).expect("written"));
    first.flush().expect("written");
    drop(first);
    // Twice: what was written down before the last opening is written down again.
    drop(open());
    let mut second = open();
    assert_eq!((second.length(), second.origin()), ((HALF - 1) as u64, Some(&origin("a"))));
    assert_eq!(second.gaps(SIZE as u64), [0..HALF as u64, SIZE as u64 - 1..SIZE as u64]);
    assert!(second.append(&bytes[..HALF]).expect("written"));
    assert!(!second.is_pinned().expect("read"), "a byte is missing");
    assert!(second.append(&bytes[SIZE - 1..]).expect("written"));
    assert!(!second.append(b"x").expect("nothing is written"), "more than there can be");
    assert!(second.is_pinned().expect("read"));
    assert!(is_whole(second));
}

#[test]
fn what_starts_again_has_nothing_of_before() {
    let (_place, folder) = folder();
    let bytes = noise(1, SIZE);
    let open = || Partial::open(&folder, pin(&bytes)).expect("opened");
    let mut partial = open();
    partial.set_origin(origin("a")).expect("written");
    partial.append(&noise(2, HALF)).expect("written");
    partial.write_at(SIZE as u64 - 1, b"x").expect("written");
    partial.restart().expect("emptied");
    assert_eq!((partial.length(), partial.origin()), (0, None));
    partial.flush().expect("written");
    drop(partial);
    let mut partial = open();
    assert_eq!((partial.length(), partial.origin()), (0, None), "so does the next run find it");
    partial.append(&noise(2, HALF)).expect("written");
    partial.restart().expect("emptied");
    partial.append(&bytes).expect("written");
    assert!(is_whole(partial));
}

#[test]
fn what_came_before_a_restart_is_not_written_down_after_it() {
    let (_place, folder) = folder();
    let bytes = noise(1, SIZE);
    let open = || Partial::open(&folder, pin(&bytes)).expect("opened");
    let mut partial = open();
    // Too little for a line of its own: it would be written down with what follows.
    partial.append(&noise(2, 1_000)).expect("written");
    partial.restart().expect("emptied");
    partial.write_at(HALF as u64, &bytes[HALF..HALF + 10]).expect("written");
    partial.flush().expect("written");
    drop(partial);
    let there: Vec<_> = open().held().iter().map(|range| (range.start, range.end)).collect();
    assert_eq!(there, [(HALF as u64, HALF as u64 + 10)], "what is not there is not held for it");
}

#[test]
fn where_a_folder_came_from_is_written_down_without_secrets() {
    let (_place, folder) = folder();
    for (url, kept) in [
        ("https://ada:secret@host.example/a/manifest.json?token=secret#secret", "https://host.example/a/manifest.json"),
        ("https://host.example/manifest.json", "https://host.example/manifest.json"),
    ] {
        folder.write_origin(&url.parse().expect("a URL")).expect("written");
        assert_eq!(Folder::origin(&folder).as_deref(), Some(kept));
    }
}

#[test]
fn a_placed_file_has_the_mode_that_was_asked_for() {
    let (_place, folder) = folder();
    for mode in [0o755, 0o644] {
        let mut partial = Partial::open(&folder, pin(b"content")).expect("opened");
        partial.append(b"content").expect("written");
        let Ok(verified) = partial.finish().expect("written") else { panic!("it is what was pinned") };
        let name = format!("file-{mode:o}").parse().expect("a name");
        verified.place(&folder, &name, mode).expect("placed");
        let found = fs::metadata(folder.path_of(&name)).expect("there").permissions().mode();
        assert_eq!(found & 0o7777, mode);
    }
    assert_eq!((Kind::Script.mode(), Kind::File.mode()), (0o755, 0o644), "what a download asks for");
}

#[test]
fn bytes_past_the_pinned_size_are_none() {
    let (_place, folder) = folder();
    let bytes = noise(1, HALF);
    let unsized_pin = Pin { size: None, ..pin(&bytes) };
    let mut longer = Partial::open(&folder, unsized_pin).expect("opened");
    longer.append(&[&bytes[..], b"and more"].concat()).expect("written");
    longer.flush().expect("written");
    drop(longer);
    let sized = Partial::open(&folder, pin(&bytes)).expect("opened");
    assert_eq!(sized.length(), HALF as u64);
    let Ok(verified) = sized.finish().expect("written") else { panic!("refused") };
    let name = "a".parse().expect("a safe name");
    verified.place(&folder, &name, 0o644).expect("placed");
    assert_eq!(fs::read(folder.path_of(&name)).expect("read"), bytes);
    assert_eq!(fs::read_dir(folder.partials()).expect("listed").count(), 0);
}

#[test]
fn what_is_complete_and_wrong_is_thrown_away() {
    let (_place, folder) = folder();
    let (bytes, other) = (noise(1, HALF), noise(2, HALF));
    let mut partial = Partial::open(&folder, pin(&bytes)).expect("opened");
    partial.append(&other).expect("written");
    let Err(found) = partial.finish().expect("written") else { panic!("taken") };
    assert_eq!(found, Descriptor::of(&other));
    assert_eq!(fs::read_dir(folder.partials()).expect("listed").count(), 0);
}

#[test]
fn only_what_is_wanted_stays_among_the_partials() {
    let (_place, folder) = folder();
    let contents = [noise(1, HALF), noise(2, HALF)];
    for bytes in &contents {
        let mut partial = Partial::open(&folder, pin(bytes)).expect("opened");
        partial.append(&bytes[1..]).expect("written");
        partial.flush().expect("written");
    }
    folder.drop_partials_except(&[pin(&contents[1]).digest]).expect("removed");
    let mut left: Vec<_> = fs::read_dir(folder.partials())
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    left.sort();
    let kept = pin(&contents[1]).digest.hex();
    assert_eq!(left, [kept.clone(), format!("{kept}.journal")]);
    assert_eq!(Partial::open(&folder, pin(&contents[1])).expect("opened").length(), HALF as u64 - 1);
}
