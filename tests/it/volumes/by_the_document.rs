//! The second reader reads volumes too.

use std::fs;

use super::both;
use crate::bundle::second_reader::{can_read, read, said};
use crate::support::tree;

#[test]
fn the_second_reader_joins_volumes_and_refuses_others() {
    if !can_read() {
        return;
    }
    let both = both();
    let (whole, cut) = (both.folder().join("of-whole"), both.folder().join("of-cut"));
    assert_eq!(said(&both.whole, &whole), said(&both.cut, &cut));
    assert!(tree(&whole) == tree(&cut) && tree(&whole).len() == 5);
    let good = fs::read(both.volume(2)).expect("read");
    let mut changed = good.clone();
    changed[good.len() - 1] ^= 1;
    for (what, bytes) in
        [("changed", &changed[..]), ("cut short", &good[1..]), ("another", &fs::read(both.volume(1)).expect("read"))]
    {
        fs::write(both.volume(2), bytes).expect("written");
        assert!(!read(&both.cut, &cut).status.success(), "{what}");
    }
    fs::remove_file(both.volume(2)).expect("removed");
    assert!(!read(&both.cut, &cut).status.success(), "missing");
}
