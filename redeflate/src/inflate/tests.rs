//! Streams of zlib's, whole, cut, and made to be large.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};

use super::*;

fn sample(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut content = Vec::with_capacity(size);
    while content.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = state >> 22;
        match state >> 30 {
            0 => content.extend(state.to_le_bytes()),
            1 => content.extend(std::iter::repeat_n(word as u8, word as usize)),
            _ => content.extend(format!("word {word} ").bytes()),
        }
    }
    content.truncate(size);
    content
}

fn deflated(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn every_level_inflates_to_the_same_content_and_chunks_resume_alone() {
    let content = sample(3 << 20);
    for level in [0, 1, 6, 9] {
        let stream = deflated(&content, level);
        let mut inflater = Inflater::new(&stream[..]);
        let mut whole = Vec::new();
        while let Some(chunk) = inflater.chunk(500_000, 8 << 20).expect("valid") {
            assert!(chunk.is_whole && chunk.is_padded_with_zeros);
            whole.extend_from_slice(chunk.content());
            let from = &stream[(chunk.start / 8) as usize..];
            let mut again = Inflater::resume(from, chunk.first_bit, chunk.context.before().to_vec()).expect("there");
            let same = again.chunk(500_000, 8 << 20).expect("valid").expect("there");
            assert!(same.content() == chunk.content() && same.stored == chunk.stored && same.bits == chunk.bits);
        }
        assert!(whole == content, "level {level}");
        assert!(inflater.input().is_at_end().expect("read"));
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    let stream = deflated(&sample(20_000), 6);
    for cut in 0..stream.len() {
        let mut inflater = Inflater::new(&stream[..cut]);
        let outcome = loop {
            match inflater.chunk(4_000, 1 << 20) {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(outcome.is_err(), "cut at {cut}");
    }
}

#[test]
fn blocks_without_content_are_cut_into_chunks_too() {
    let stored = [0, 0, 0, 0xff, 0xff];
    // Fixed codes and their end of block: ten bits, four of them a whole number of bytes.
    let coded = [0x02, 0x08, 0x20, 0x80, 0x00];
    let long = [&[0, 0, 0x40, 0xff, 0xbf][..], &[7; 0x4000]].concat();
    for (block, times) in [(&stored[..], 100_000), (&coded, 100_000), (&long, 300)] {
        let stream = [block.repeat(times), vec![1, 0, 0, 0xff, 0xff]].concat();
        let mut inflater = Inflater::new(&stream[..]);
        let (mut bits, mut chunks) = (0, 0);
        while let Some(chunk) = inflater.chunk(1 << 20, 32 << 20).expect("valid") {
            assert!(chunk.is_whole && chunk.paddings.len() <= 1 << 14);
            assert!(chunk.stored.len() < (2 << 20) + (64 << 10), "{} bytes", chunk.stored.len());
            bits += chunk.bits;
            chunks += 1;
        }
        assert_eq!(bits, 8 * stream.len() as u64);
        assert!(chunks > 3, "{chunks}");
    }
}

#[test]
fn a_bomb_is_cut_into_chunks() {
    let stream = deflated(&vec![0; 30 << 20], 9);
    let mut inflater = Inflater::new(&stream[..]);
    let mut total = 0;
    while let Some(chunk) = inflater.chunk(1 << 20, 2 << 20).expect("valid") {
        assert!(chunk.content().len() <= (2 << 20) + 258);
        total += chunk.content().len();
    }
    assert_eq!(total, 30 << 20);
}
