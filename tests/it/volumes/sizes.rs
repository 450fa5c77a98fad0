//! Sizes at their edges: of a frame, of the most volumes, of what FAT takes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use super::{FRAME, both, bundle, divide};
use crate::support::craft::{TRAILER, small_bundle, with_index};
use crate::support::file;
use pack::bundle::{Bundle, Division, verify};
use pack::digest::Digest;
use pack::error::Class;
use pack::medium::file_system::LONGEST_ON_FAT;
use pack::progress::Silent;
use serde_json::json;

#[test]
fn a_volume_ends_before_the_frame_that_it_has_no_room_for() {
    let both = both();
    let bundle = Bundle::open(&both.whole).expect("opened");
    let frames = &bundle.index().frames;
    let three: u64 = frames[..3].iter().map(|frame| frame.size).sum();
    for (size, first) in [(three, 3), (three - 1, 2), (three + 1, 3)] {
        let division = Division::new(&bundle, size).expect("divided");
        assert_eq!(division.range(0), frames[0].offset..frames[first].offset, "{size}");
        let ranges: Vec<_> = (0..division.count()).map(|number| division.range(number)).collect();
        assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "end to end: {ranges:?}");
        assert_eq!(ranges.last().map(|range| range.end), frames.last().map(|frame| frame.offset + frame.size));
        assert!(ranges.iter().all(|range| range.end - range.start <= size));
    }
    let largest = frames.iter().map(|frame| frame.size).max().expect("frames");
    assert_eq!(Division::new(&bundle, largest).expect("just large enough").count(), frames.len());
    let error = Division::new(&bundle, largest - 1).expect_err("too small");
    assert_eq!(error.class(), Class::Usage);
    // All in one is a volume too.
    assert_eq!(Division::new(&bundle, u64::MAX).expect("divided").count(), 1);
}

#[test]
fn a_size_that_gives_too_many_volumes_is_refused_with_one_that_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    let frame = 50_000;
    for (count, fits) in [(Division::MOST, true), (Division::MOST + 1, false)] {
        // The manifest and the headers are in the first frame, the end of the stream in the last.
        let files = [
            file("run.sh", "script", "exit\n"),
            file("noise", "file", crate::support::noise(3, count * frame - 8_000)),
        ];
        small_bundle(&path, b"#!/bin/sh\n# pack bundle: probe\n", &files);
        let bytes = crate::support::craft::with_frames(&fs::read(&path).expect("read"), frame, |_| ());
        fs::write(&path, bytes).expect("written");
        let bundle = Bundle::open(&path).expect("opened");
        assert_eq!(bundle.index().frames.len(), count);
        let size = 60_000;
        match Division::new(&bundle, size) {
            Ok(division) => assert!(fits && division.count() == count),
            Err(error) => {
                assert!(!fits, "{error}");
                let hint = error.hint_text().expect("a hint");
                let said = hint.split("--volume-size ").nth(1).and_then(|rest| rest.split(',').next()).expect("a size");
                let division = Division::new(&bundle, said.parse().expect("a number")).expect("as it says");
                assert!(division.count() <= Division::MOST);
            }
        }
    }
}

/// A bundle of 70 frames of 64 MiB each, of holes but for the first one and the last.
#[test]
fn volumes_beyond_four_gib_are_cut_and_read_at_the_right_place() {
    const SIZE: u64 = 64 << 20;
    const COUNT: u64 = 70;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    small_bundle(
        &path,
        b"#!/bin/sh\n# pack bundle\n",
        &[file("run.sh", "script", "exit\n"), file("end", "file", "the end")],
    );
    let bytes = fs::read(&path).expect("read");
    let small = Bundle::open(&path).expect("opened");
    let (index, end) = (small.index(), small.index().entry("end").expect("there"));
    let (first, header) = (index.frames[0], index.header_size);
    let stored = &bytes[first.offset as usize..(first.offset + first.size) as usize];
    let last = zstd::bulk::compress(b"the end", 1).expect("compressed");
    let raw = first.raw_size;
    let zeros = Digest::of(&vec![0; SIZE as usize]);
    let mut frames = vec![json!({"offset": header, "size": first.size, "rawSize": raw, "digest": first.digest})];
    let mut offset = header + first.size;
    for _ in 0..COUNT {
        frames.push(json!({"offset": offset, "size": SIZE, "rawSize": SIZE, "digest": zeros}));
        offset += SIZE;
    }
    frames.push(json!({"offset": offset, "size": last.len(), "rawSize": 7, "digest": Digest::of(&last)}));
    let index_offset = offset + last.len() as u64;
    let (size, mode, digest) = (end.size, end.mode, end.digest);
    drop(small);
    with_index(&path, |index| {
        index["frames"] = json!(frames);
        index["rawSize"] = json!(raw + COUNT * SIZE + 7);
        let place = raw + COUNT * SIZE;
        for entry in index["entries"].as_array_mut().expect("a list") {
            if entry["path"] == "end" {
                *entry = json!({"path": "end", "offset": place, "size": size, "mode": mode, "digest": digest});
            }
        }
    });
    // The file that this is the index of: most of it is holes.
    let made = fs::read(&path).expect("read");
    let frame = &made[index_start(&made)..made.len() - TRAILER];
    let sparse = File::create(&path).expect("created");
    sparse.write_all_at(&bytes[..header as usize], 0).expect("written");
    sparse.write_all_at(stored, header).expect("written");
    sparse.write_all_at(&last, offset).expect("written");
    sparse.write_all_at(frame, index_offset).expect("written");
    let mut trailer = made[made.len() - TRAILER..].to_vec();
    trailer[20..28].copy_from_slice(&index_offset.to_le_bytes());
    let total = index_offset + frame.len() as u64 + TRAILER as u64;
    trailer[68..].copy_from_slice(&total.to_le_bytes());
    sparse.write_all_at(&trailer, total - TRAILER as u64).expect("written");

    let whole = Bundle::open(&path).expect("opened");
    let division = Division::new(&whole, LONGEST_ON_FAT).expect("divided");
    assert_eq!(division.count(), 2);
    let (one, two) = (division.range(0), division.range(1));
    assert!(one.end - one.start <= LONGEST_ON_FAT && one.end - one.start + SIZE > LONGEST_ON_FAT, "{one:?}");
    assert!(two.start > 0xffff_0000 - SIZE && two.end > u64::from(u32::MAX), "{two:?}");
    let cut = folder.path().join("cut");
    fs::create_dir(&cut).expect("a folder");
    // What is in them nobody reads but at their beginnings and the end.
    let digests: Vec<Digest> = [&one, &two].iter().map(|range| Digest::of(&range.start.to_le_bytes())).collect();
    fs::write(cut.join("x.run"), division.main(&digests).expect("made")).expect("written");
    for (number, range) in [(1, &one), (2, &two)] {
        let file = File::create(cut.join(format!("x.run.{number:03}"))).expect("created");
        file.set_len(range.end - range.start).expect("holes");
        if number == 1 {
            file.write_all_at(stored, 0).expect("written");
        } else {
            file.write_all_at(&last, offset - range.start).expect("written");
        }
    }
    let bundle = Bundle::open(&cut.join("x.run")).expect("opened");
    assert_eq!((bundle.length(), bundle.seal()), (total, whole.seal()));
    let mut tail = vec![0; last.len()];
    bundle.read_exact_at(&mut tail, offset).expect("read");
    assert_eq!(tail, last);
    let output = crate::support::run(folder.path(), &["cat", "cut/x.run", "end"]);
    assert_eq!(output.stdout, b"the end", "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where the index of a bundle begins.
fn index_start(bytes: &[u8]) -> usize {
    let trailer = &bytes[bytes.len() - TRAILER..];
    u64::from_le_bytes(trailer[20..28].try_into().expect("8 bytes")) as usize
}

#[test]
fn a_bundle_of_one_frame_is_divided_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.run");
    small_bundle(&path, b"#!/bin/sh\n# pack bundle\n", &[file("run.sh", "script", "exit\n")]);
    divide(&path, &folder.path().join("cut"), FRAME as u64).expect("divided");
    let cut = Bundle::open(&folder.path().join("cut/x.run")).expect("opened");
    assert_eq!(cut.volumes().len(), 1);
    assert!(verify(&cut, &Silent).expect("looked at").is_empty());
    // Shorter than what tells volumes apart, and damaged: that is damage.
    let volume = folder.path().join("cut/x.run.001");
    let mut bytes = fs::read(&volume).expect("read");
    bytes[5] ^= 1;
    fs::write(&volume, bytes).expect("written");
    let cut = Bundle::open(&folder.path().join("cut/x.run")).expect("opened");
    assert_eq!(verify(&cut, &Silent).expect("looked at").len(), 1);
    // A division that comes to nothing writes nothing.
    bundle(&path, 1);
    let target = folder.path().join("none");
    divide(&path, &target, 1_000).expect_err("too small");
    assert_eq!(fs::read_dir(&target).expect("listed").count(), 0);
}
