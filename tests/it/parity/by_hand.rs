//! The parity file as `docs/format.md` has it, read by hand.

use std::fs;

use super::{Probe, SECTOR};
use pack::digest::Digest;

#[test]
fn every_field_lies_where_the_format_says() {
    let probe = Probe::new(100_000, 10);
    let parity = fs::read(&probe.parity).expect("read");
    let (sectors, recovery) = (probe.sectors(), 3);
    assert_eq!((sectors, parity.len()), (25, (1 + 1 + recovery + 1 + 1) * SECTOR));
    let head = &parity[..SECTOR];
    assert_eq!(&head[..8], b"pack.par");
    let number =
        |at: usize, size: usize| head[at..at + size].iter().rev().fold(0, |all, &byte| all << 8 | usize::from(byte));
    assert_eq!([number(8, 4), number(12, 4)], [1, SECTOR]);
    assert_eq!([number(16, 8), number(24, 4), number(28, 4)], [probe.bytes.len(), 1, recovery]);
    let trailer = &probe.bytes[probe.bytes.len() - 76..];
    assert_eq!(&head[32..64], Digest::of(trailer).as_bytes());
    assert_eq!(&head[64..96], Digest::of(&head[..64]).as_bytes());
    assert!(head[96..].iter().all(|&byte| byte == 0));
    assert!(&parity[parity.len() - SECTOR..] == head, "the head again");
    let page = &parity[SECTOR..2 * SECTOR];
    assert!(&parity[parity.len() - 2 * SECTOR..parity.len() - SECTOR] == page, "the table again");
    let check = [&head[32..64], &0u64.to_le_bytes(), &page[16..]].concat();
    assert_eq!(&page[..16], &Digest::of(&check).as_bytes()[..16]);
    let mut padded = probe.bytes.clone();
    padded.resize(sectors * SECTOR, 0);
    let listed = padded.chunks(SECTOR).chain(parity[2 * SECTOR..].chunks(SECTOR).take(recovery));
    for (number, sector) in listed.enumerate() {
        let short = &page[16 + number * 8..24 + number * 8];
        assert_eq!(short, &Digest::of(sector).as_bytes()[..8], "sector {number}");
    }
    assert!(page[16 + (sectors + recovery) * 8..].iter().all(|&byte| byte == 0));
    // Bit for bit what this format gave first: an encoder that gives other parity needs another format number.
    let bytes: Vec<u8> = (0..10 * SECTOR).map(|at| (at * at / 7) as u8).collect();
    let path = probe.folder.path().join("y");
    fs::write(&path, &bytes).expect("written");
    let file = fs::File::open(&path).expect("opened");
    let subject = pack::parity::encode::Subject { file: &file, path: &path, seal: Digest::of(b"seal") };
    let layout = pack::parity::layout::Layout::with(bytes.len() as u64, 2, 3).expect("a layout");
    let target = probe.folder.path().join("y.parity");
    pack::parity::encode::encode(&subject, layout, &target, &pack::progress::Silent).expect("made");
    let made = fs::read(&target).expect("read");
    assert_eq!(Digest::of(&made).hex(), "a3a546d282a9dfa48426dc85d2407e04d6284d853845dec802a7d734fe3aae3c");
}
