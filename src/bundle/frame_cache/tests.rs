use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::lookup::IndexMaps;
use super::*;
use crate::digest::Digest;

/// A file of frames with these contents, and the cache over it. A bundle's other parts are missing: no frame needs them.
fn cache_of(contents: &[&[u8]], raw_size: impl Fn(&[u8]) -> u64) -> FrameCache {
    let mut file = tempfile::tempfile().expect("a file");
    let (mut frames, mut offset): (Vec<Value>, u64) = (Vec::new(), 0);
    for raw in contents {
        let stored = zstd::bulk::compress(raw, 1).expect("compressed");
        file.write_all(&stored).expect("written");
        let (size, digest) = (stored.len() as u64, Digest::of(&stored));
        frames.push(json!({"offset": offset, "size": size, "rawSize": raw_size(raw), "digest": digest}));
        offset += size;
    }
    let mut index: Index = serde_json::from_value(json!({
        "requires": [], "packedBy": "x", "name": "x", "version": "1.0.0", "platform": "linux/amd64",
        "headerSize": 0, "headerDigest": Digest::of(b""), "rawSize": 0,
        "frames": frames, "entries": [], "artifacts": [],
    }))
    .expect("an index");
    index.raw_size = index.frames.iter().map(|frame| frame.raw_size).sum();
    index.lookup = IndexMaps::new(&index.frames, &[], &[], &[]);
    let parts = Parts::one(Arc::new(file), offset, Path::new("x.run"));
    FrameCache::new(Arc::new(BundleFile::new(parts, PathBuf::from("x.run"), index)))
}

fn honest(raw: &[u8]) -> u64 {
    raw.len() as u64
}

/// Runs it on a thread: where it waits for ever, the test fails and does not.
fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

fn end_of<T>(work: &Receiver<T>) -> T {
    work.recv_timeout(Duration::from_secs(60)).expect("it ends")
}

fn slot(number: usize) -> CacheSlot {
    CacheSlot { number, raw: None, was_read: false }
}

#[test]
fn a_reader_waits_for_a_frame_that_another_thread_unpacks() {
    let cache = cache_of(&[b"first"], honest);
    cache.slots().push(slot(0));
    let reader = aside({
        let cache = cache.clone();
        move || cache.get(0).map(|raw| raw.to_vec())
    });
    // The reader is most likely waiting by now; the outcome is the same where it is not.
    thread::sleep(Duration::from_millis(50));
    let writer = aside(move || cache.fill(0).map(drop));
    end_of(&writer).expect("unpacked");
    assert_eq!(end_of(&reader).expect("read"), b"first");
}

#[test]
fn a_frame_that_cannot_be_unpacked_is_an_error_for_each_reader_and_leaves_no_slot() {
    let cache = cache_of(&[b"first"], |raw| raw.len() as u64 + 1);
    cache.slots().push(slot(0));
    let reader = aside({
        let cache = cache.clone();
        move || cache.get(0).map(drop)
    });
    thread::sleep(Duration::from_millis(50));
    let writer = aside({
        let cache = cache.clone();
        move || cache.fill(0).map(drop)
    });
    end_of(&writer).expect_err("it does not unpack to its size");
    end_of(&reader).expect_err("the reader tried it itself");
    assert!(cache.slots().is_empty(), "a slot that nobody fills lets the next reader wait for ever");
}

#[test]
fn a_frame_that_fails_leaves_the_others_in_their_slots() {
    let cache = cache_of(&[b"first", b"second"], honest);
    cache.get(0).expect("read");
    cache.slots().push(slot(1));
    cache.forget(1);
    cache.forget(0);
    let left: Vec<_> = cache.slots().iter().map(|slot| slot.number).collect();
    assert_eq!(left, [0], "what is unpacked stays, what nobody unpacks goes");
}

/// As many zeros as take a third of the memory: three frames fit, four do not.
const THIRD: usize = (MEMORY / 3) as usize;

#[test]
fn what_nobody_reads_makes_room_the_least_recently_used_first() {
    let large = vec![0; THIRD];
    let cache = cache_of(&[&large, &large, &large, &large, &large], honest);
    let numbers = || cache.slots().iter().map(|slot| slot.number).collect::<Vec<_>>();
    let held = cache.get(0).expect("read");
    for number in 1..4 {
        cache.get(number).expect("read");
    }
    assert_eq!(numbers(), [0, 2, 3], "the first one is being read and stays");
    drop(held);
}

#[test]
fn a_frame_unpacked_ahead_replaces_neither_the_one_that_is_read_nor_another_one_ahead() {
    let large = vec![0; THIRD];
    let cache = cache_of(&[&large, &large, &large, &large, &large], honest);
    let read = |number| CacheSlot { number, raw: Some(Arc::default()), was_read: true };
    let ahead = |number| CacheSlot { number, raw: Some(Arc::default()), was_read: false };
    let left = |mut slots: Vec<CacheSlot>, current| {
        let room = cache.make_room(&mut slots, 4, current);
        (room, slots.iter().map(|slot| slot.number).collect::<Vec<_>>())
    };
    assert_eq!(left(vec![read(0), read(1)], Some(0)), (true, vec![0, 1]), "there is room");
    assert_eq!(left(vec![read(0), read(1), read(2)], Some(0)), (true, vec![0, 2]));
    assert_eq!(left(vec![read(0), ahead(1), ahead(2)], Some(0)), (false, vec![0, 1, 2]));
    assert_eq!(left(vec![ahead(0), ahead(1), ahead(2)], None), (true, vec![1, 2]), "a reader takes what it needs");
    assert_eq!(left(vec![read(0), read(1), slot(2)], Some(3)), (true, vec![2]), "the current one has no slot yet");
}

#[test]
fn the_next_frame_is_unpacked_ahead_once_and_only_where_there_is_one() {
    let cache = cache_of(&[b"first", b"second"], honest);
    let numbers = || cache.slots().iter().map(|slot| slot.number).collect::<Vec<_>>();
    cache.get(0).expect("read");
    cache.start(1, 0);
    assert_eq!(numbers(), [0, 1], "it has its slot before it is unpacked: a reader waits for it");
    cache.start(1, 0);
    cache.start(2, 1);
    assert_eq!(numbers(), [0, 1]);
    let reader = aside({
        let cache = cache.clone();
        move || cache.get(1).map(|raw| raw.to_vec())
    });
    assert_eq!(end_of(&reader).expect("read"), b"second");
    assert!(cache.slots().iter().all(|slot| slot.was_read));
}

#[test]
fn nothing_is_unpacked_ahead_where_there_is_no_room() {
    let large = vec![0; THIRD];
    let cache = cache_of(&[&large, &large, &large, &large], honest);
    let held: Vec<_> = (0..3).map(|number| cache.get(number).expect("read")).collect();
    cache.start(3, 2);
    assert!(cache.slots().iter().all(|slot| slot.number != 3), "all that is there is being read");
    drop(held);
}
