//! Reading an archive is reported as it goes on, not when it is done.

use std::fs;
use std::sync::Mutex;

use crate::support::images::{Member, docker_legacy, gzip, image, tar};
use crate::support::noise;
use pack::image::{AnalysisOptions, analyse};
use pack::progress::Meter;

/// Every step that was reported, what was taken back below zero.
#[derive(Default)]
struct Steps(Mutex<Vec<i64>>);

impl Meter for Steps {
    fn add(&self, bytes: u64) {
        self.0.lock().expect("no panic").push(bytes as i64);
    }
    fn retract(&self, bytes: u64) {
        self.0.lock().expect("no panic").push(-(bytes as i64));
    }
    fn expect(&self, _: u64) {}
    fn done(&self, _: &str) {}
}

#[test]
fn reading_is_counted_byte_by_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = docker_legacy(&[image("a:1", vec![tar(&[("x", Member::File(&noise(1, 2_000_000)))])])]);
    let packed = gzip(&plain, 6);
    for (bytes, holds_images) in [(&packed[..], true), (&plain, true), (&packed, false), (&packed[..1_900_000], false)]
    {
        let path = folder.path().join("x");
        fs::write(&path, bytes).expect("written");
        let steps = Steps::default();
        analyse(&path, "x", holds_images, &AnalysisOptions::default(), &steps).expect("read");
        let steps = steps.0.into_inner().expect("no panic");
        let size = bytes.len() as i64;
        assert_eq!(steps.iter().sum::<i64>(), size);
        assert!(steps.iter().all(|step| *step < size / 2), "{steps:?}");
    }
}
