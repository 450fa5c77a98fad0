//! What the installed GNU gzip's output shows of where it ends a block; [`BlockEnd`](super::block_end::BlockEnd) states it.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::chunk::Context;
use super::encoder::{Encoder, EncoderState};
use super::inflate::Inflater;

const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

/// The DEFLATE stream that the installed gzip makes of `content`.
fn gzip_at(level: u8, content: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip");
    let child = gzip.args(["-n", &format!("-{level}")]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("gzip is installed");
    let mut input = child.stdin.take().expect("piped");
    let file = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(content).expect("read by gzip"));
        child.wait_with_output().expect("runs").stdout
    });
    file[GZIP_HEADER..file.len() - GZIP_TRAILER].to_vec()
}

/// The same of level 6; the encoder makes it too.
fn gzip(content: &[u8]) -> Vec<u8> {
    let stream = gzip_at(6, content);
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
        // Not a match: what lies behind the input decides on that.
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

/// Content of which the end occurred before, and on a bit longer or shorter: tables, runs, lines, with all before in it.
fn ends_in_a_match(seed: usize) -> Vec<u8> {
    let mut script = Script::new();
    script.state ^= (seed as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
    let length = match seed % 4 {
        0 => script.random() % 2_000,
        1 => script.random() % 70_000,
        // Around where the buffer of 64 KiB moves on.
        2 => 65_536 + 32_768 * (script.random() % 5) - 700 + script.random() % 1_400,
        _ => script.random() % 300_000,
    };
    let table: Vec<Vec<u8>> =
        (0..200).map(|_| (0..2 + script.random() % 9).map(|_| script.random() as u8).collect()).collect();
    let period = 1 + script.random() % 40;
    while script.content.len() < length {
        match script.random() % 12 {
            0 => {
                let run = script.random() % 400;
                script.content.extend((0..run).map(|at| (at % period) as u8));
            }
            1 => {
                let line = format!("{} {:x}\n", script.random() % 97, script.random() % 4096);
                script.content.extend(line.bytes());
            }
            _ => {
                let [one, other] = [script.random() % 200, script.random() % 200];
                script.content.extend_from_slice(&table[one.min(other)]);
            }
        }
    }
    script.content.truncate(length);
    script.content
}

#[test]
fn gzip_decides_by_what_lies_behind_its_input() {
    let by_name = |byte| Encoder::from_byte(byte).expect("known");
    let mut decided = 0;
    for seed in 0..480 {
        let content = ends_in_a_match(seed);
        let level = 4 + (seed / 4 % 6) as u8;
        let stream = gzip_at(level, &content);
        let context = Context { own: content.len(), content, history: 0, offset: 0 };
        let state = EncoderState { had_good_match: false, is_final: true };
        let written = by_name(0x20 | level).write(&context, state, 0, |_| true);
        assert!(written.as_ref() == Some(&stream), "seed {seed}, gzip -{level}, {} bytes", context.own);
        decided += usize::from(by_name(level).write(&context, state, 0, |_| true).as_ref() != Some(&stream));
    }
    assert!(decided > 20, "of 480 files the end decided only {decided}");
}
