//! What real compressors wrote is written again by taking the same decisions: nothing but their name is kept.

use std::fs;

use crate::support::blobs::assert_comes_back;
use crate::support::{noise, skip};
use pack::image::{AnalysisOptions, Representation, analyse};
use pack::progress::Silent;

/// A recipe that has corrections takes more; a chunk, of which the samples have three, takes some ten bytes.
const NAMES_ALONE: usize = 200;

/// What a program's file is like to a compressor: few instructions again and again, small offsets, tables of addresses.
/// Always the same bytes: of a real program another build would be another test.
fn program(length: usize) -> Vec<u8> {
    let instructions: Vec<Vec<u8>> = (0..700).map(|n| noise(1_000 + n, 2 + (n % 6) as usize)).collect();
    let mut bytes = Vec::with_capacity(length + 16);
    let mut address = 0x40_0000_u64;
    for choice in noise(9, length).chunks_exact(4) {
        let [often, which, offset, kind] = *choice else { unreachable!("chunks of four") };
        // Of two choices the smaller: some instructions are everywhere, some are rare.
        let instruction = usize::from(often.min(which)) * 2 + usize::from(kind & 1);
        bytes.extend_from_slice(&instructions[instruction]);
        match kind {
            0..=79 => bytes.extend_from_slice(&u32::from(offset).to_le_bytes()),
            80..=87 => bytes.extend_from_slice(&noise(u64::from(offset), 4)),
            88..=91 => bytes.extend_from_slice(format!("operator.{which}.{offset}\0").as_bytes()),
            92 => {
                for entry in 0..u64::from(which) {
                    address += 16 * (entry % 5);
                    bytes.extend_from_slice(&address.to_le_bytes());
                }
            }
            _ => {}
        }
        if bytes.len() >= length {
            break;
        }
    }
    bytes.truncate(length);
    bytes
}

/// Programs, lines, noise and zeros: the compressor meets every kind of block, and stores some.
fn sample() -> Vec<u8> {
    let lines: String = (0..60_000u32).map(|n| format!("{n} {:x}\n", n.wrapping_mul(2_654_435_761))).collect();
    let mut text = vec![0; 300_000];
    text.extend(program(7 << 20));
    text.extend(noise(7, 900_000));
    text.extend(lines.bytes());
    text.extend(vec![b'x'; 70_000]);
    text.extend(noise(8, 70_001));
    text
}

/// `text` through a program of the system; `None`, and a line that says so, where it is not installed.
fn through(program: &str, arguments: &[&str], text: &[u8]) -> Option<Vec<u8>> {
    let made = crate::support::through(program, arguments, text);
    if made.is_none() {
        skip(&format!("{program} does not start"));
    }
    made
}

/// Comes back bit for bit from a recipe of so many bytes.
fn recipe_size(file: &[u8]) -> usize {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("engine.tgz");
    fs::write(&path, file).expect("written");
    let analysis = analyse(&path, "engine.tgz", false, &AnalysisOptions::default(), &Silent).expect("read");
    assert_comes_back(&analysis, file);
    match &analysis.representation {
        Representation::Rebuilt(recipe) => recipe.to_bytes().len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn gzip_is_known_at_every_level_that_is_lazy() {
    let text = sample();
    for level in ["-4", "-5", "-6", "-7", "-8", "-9"] {
        let Some(file) = through("gzip", &["-n", level], &text) else { return };
        let size = recipe_size(&file);
        assert!(size < NAMES_ALONE, "gzip {level}: {size} bytes");
    }
}

#[test]
fn zlib_is_known_at_every_level_that_is_lazy() {
    let text = sample();
    for level in 4..=9 {
        let script = format!(
            "import sys, zlib; z = zlib.compressobj({level}, zlib.DEFLATED, 31); o = sys.stdout.buffer; \
             o.write(z.compress(sys.stdin.buffer.read())); o.write(z.flush())"
        );
        let Some(file) = through("python3", &["-c", &script], &text) else { return };
        let size = recipe_size(&file);
        assert!(size < NAMES_ALONE, "zlib {level}: {size} bytes");
    }
}

/// Several gzip files one after the other are one; where another compressor takes over, all are tried again.
#[test]
fn members_by_several_compressors_are_all_known() {
    let text = sample();
    let parts: Option<Vec<Vec<u8>>> =
        ["-6", "-9", "-4"].iter().map(|level| through("gzip", &["-n", level], &text[..3_000_000])).collect();
    let Some(parts) = parts else { return };
    let size = recipe_size(&parts.concat());
    assert!(size < NAMES_ALONE, "{size} bytes");
}

/// The fast levels leave out positions, which the text does not tell; they are predicted and corrected.
#[test]
fn what_is_not_known_is_predicted() {
    // Not of pack's own program, whose bytes change from build to build.
    let Ok(program) = fs::read("/usr/bin/perl") else { return skip("there is no /usr/bin/perl") };
    let sample = sample();
    let text = [&program[..], &sample[sample.len() - 1_600_000..]].concat();
    let Some(file) = through("gzip", &["-n", "-1"], &text) else { return };
    let size = recipe_size(&file);
    assert!(size > NAMES_ALONE, "{size} bytes");
}
