//! What the installed GNU gzip's output shows of where it ends a block; [`BlockEnd`](super::block_end::BlockEnd) states it.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::chunk::Context;
use super::encoder::{Encoder, EncoderState};
use super::inflate::Inflater;

const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

/// The DEFLATE stream that the installed gzip makes of `content`; the encoder makes the same.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip");
    let child = gzip.args(["-n", "-6"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("gzip is installed");
    let mut input = child.stdin.take().expect("piped");
    let file = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(content).expect("read by gzip"));
        child.wait_with_output().expect("runs").stdout
    });
    let stream = file[GZIP_HEADER..file.len() - GZIP_TRAILER].to_vec();
    let context = Context { content: content.to_vec(), history: 0, own: content.len(), offset: 0 };
    let state = EncoderState { had_good_match: false, is_final: true };
    let encoded = Encoder::from_byte(6).expect("gzip -6").write(&context, state, 0, |_| true);
    assert!(encoded.as_ref() == Some(&stream), "the encoder decides otherwise");
    stream
}

/// How much content each block of a stream has, in bytes.
fn blocks(stream: &[u8]) -> Vec<usize> {
    let mut inflater = Inflater::new(stream);
    let mut blocks = Vec::new();
    while let Some(chunk) = inflater.chunk(1, 32 << 20).expect("valid") {
        blocks.push(chunk.content().len());
    }
    blocks
}

/// Content of which the tokens are known in advance: three bytes that occurred before only occur in copies.
struct Script {
    content: Vec<u8>,
    /// How much content there is after each token.
    after_token: Vec<usize>,
    seen: HashSet<[u8; 3]>,
    copies: usize,
    state: u64,
}

impl Script {
    fn new() -> Self {
        let (content, after_token, seen) = (Vec::new(), Vec::new(), HashSet::new());
        Script { content, after_token, seen, copies: 0, state: 0x9e37_79b9_7f4a_7c15 }
    }

    fn random(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 32) as usize
    }

    fn literals(&mut self, count: usize) {
        for _ in 0..count {
            loop {
                let byte = self.random() as u8;
                if let Some(&[a, b]) = self.content.last_chunk()
                    && !self.seen.insert([a, b, byte])
                {
                    continue;
                }
                self.content.push(byte);
                break;
            }
            self.after_token.push(self.content.len());
        }
    }

    /// Copies from one of the sixteen pieces of 16 bytes at the start, in turn where that can be, such that the match
    /// starts and ends with the copy. No piece starts at position 0, which is never found.
    fn copy(&mut self, length: usize) {
        loop {
            let &[y, z] = self.content.last_chunk().expect("literals before");
            let around = |from: usize| {
                let &[a, b] = self.content[from..].first_chunk().expect("literals there");
                [[y, z, a], [z, a, b]]
            };
            let is_new = |from: &usize| around(*from).iter().all(|three| !self.seen.contains(three));
            let turn = self.copies;
            if let Some(from) = (turn..turn + 16).map(|piece| 1 + piece % 16 * 16).find(is_new) {
                self.copies += 1;
                self.seen.extend(around(from));
                self.content.extend_from_within(from..from + length);
                self.after_token.push(self.content.len());
                return;
            }
            // After that literal each of them was copied already.
            self.content.pop();
            self.after_token.pop();
            self.literals(1);
        }
    }

    /// 257 literals, then six literals and a match over and over.
    fn mixed(match_length: usize) -> Self {
        let mut script = Self::new();
        script.literals(257);
        while script.after_token.len() < 12_000 {
            script.literals(6);
            script.copy(match_length);
        }
        // Not a match: at the end of its input gzip may choose it otherwise than the encoder.
        script.literals(1);
        script
    }
}

#[test]
fn gzip_ends_a_block_of_literals_after_32767() {
    let mut script = Script::new();
    script.literals(100_000);
    let stream = gzip(&script.content);
    // Stored, as the length right after the header shows.
    assert_eq!(u16::from_le_bytes([stream[1], stream[2]]), 32_767);
    assert_eq!(blocks(&stream), [32_767, 32_767, 32_767, 100_000 - 3 * 32_767]);
}

#[test]
fn gzip_ends_no_block_early_of_which_half_are_matches() {
    // Two literals, as position 0 is never found, then matches of 258 bytes.
    let stream = gzip(&vec![0; 9_000_000]);
    assert_eq!(blocks(&stream)[0], 2 + 32_765 * 258);
}

/// A distance takes 5 bits and about 6 extra bits here; 548 matches are among the first 4,096 tokens. So the bound is
/// some 4,880 bytes, and half of the content 5,062 bytes with matches of 12 bytes but 4,788 with 11. Without the bits
/// of distances, or without the extra ones, the bound would be below both.
#[test]
fn gzip_ends_a_block_early_only_where_half_of_the_content_exceeds_the_bound() {
    let script = Script::mixed(12);
    let stream = gzip(&script.content);
    assert_eq!(blocks(&stream)[0], script.after_token[4096 - 1]);
    let script = Script::mixed(11);
    let stream = gzip(&script.content);
    assert_eq!(blocks(&stream), [script.content.len()]);
}
