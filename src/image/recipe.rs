//! How an original file is put together again from shared blobs, and the bytes in which that is kept.
//!
//! The format is described in `docs/format.md`: numbers are LEB128, little end first.

use std::collections::HashSet;
use std::io::{self, BufReader, Read};

use super::limits::ImageLimits;
use crate::digest::{Descriptor, Digest};
use redeflate::{Encoder, EncoderState, MAX_CHUNK, Method, Reconstruction};

/// The first bytes of a recipe.
const MAGIC: &[u8] = b"pack recipe 1\n";
/// How deep compression may lie in compression.
pub(super) const DEEPEST: usize = 2;

/// How to write a file again, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The digest and size of the original file.
    pub original: Descriptor,
    pub(super) parts: Vec<Part>,
}

/// A part of a file; the parts one after the other are the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// These bytes.
    Literal(Vec<u8>),
    /// The whole of a blob that is kept elsewhere.
    Blob(Descriptor),
    /// A gzip file whose content is made of parts.
    Gzip { content: Vec<Part>, records: Vec<Record> },
}

impl Part {
    /// The digest of the bytes in which it is kept.
    pub(super) fn digest(&self) -> Digest {
        let mut bytes = Vec::new();
        write_parts(&mut bytes, std::slice::from_ref(self));
        Digest::of(&bytes)
    }
}

/// A part of a gzip file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A header, a trailer, or padding, as it is.
    Verbatim(Vec<u8>),
    /// DEFLATE blocks.
    Chunk(Reconstruction),
}

impl Recipe {
    /// The blobs it takes, in the order in which they are first needed.
    pub fn blobs(&self) -> Vec<Digest> {
        fn collect(parts: &[Part], seen: &mut HashSet<Digest>, found: &mut Vec<Digest>) {
            for part in parts {
                match part {
                    Part::Blob(blob) if seen.insert(blob.digest) => found.push(blob.digest),
                    Part::Gzip { content, .. } => collect(content, seen, found),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.parts, &mut HashSet::new(), &mut found);
        found
    }

    /// The bytes in which it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        number(&mut bytes, self.original.size);
        bytes.extend(self.original.digest.as_bytes());
        write_parts(&mut bytes, &self.parts);
        bytes
    }

    /// Reads what [`Recipe::to_bytes`] wrote.
    ///
    /// # Errors
    /// A reason, where the bytes are not a recipe, break a limit, or describe what no file can be: content that the file
    /// is too small for, or that its compressed records do not use.
    pub fn from_bytes(bytes: &[u8], limits: &ImageLimits) -> Result<Self, String> {
        Self::read(bytes, bytes.len() as u64, limits).map_err(|fault| match fault {
            RecipeFault::Wrong(why) => why,
            RecipeFault::Unread(cause) => cause.to_string(),
        })
    }

    /// As [`Recipe::from_bytes`], of `size` bytes that come out of `source` and are not held in memory beside what is made
    /// of them.
    ///
    /// # Errors
    /// As there, or the source fails.
    pub fn read(source: impl Read, size: u64, limits: &ImageLimits) -> Result<Self, RecipeFault> {
        if size > limits.recipe_bytes {
            return Err(format!("it has {size} bytes; the limit is {}", limits.recipe_bytes).into());
        }
        let mut reader = Reader { source: BufReader::new(source), left: size, items: limits.recipe_items };
        if size < MAGIC.len() as u64 || reader.take(MAGIC.len() as u64)? != MAGIC {
            return Err("it does not start as a recipe".into());
        }
        let (size, digest) = (reader.number()?, reader.digest()?);
        let parts = reader.parts(0)?;
        if reader.left != 0 {
            return Err("bytes follow its end".into());
        }
        if size > limits.content_bytes {
            return Err(format!("it makes {size} bytes; the limit is {}", limits.content_bytes).into());
        }
        let recipe = Recipe { original: Descriptor { digest, size }, parts };
        recipe.check_sizes(limits)?;
        Ok(recipe)
    }
}

/// Why there is no recipe.
#[derive(Debug)]
pub enum RecipeFault {
    /// The bytes are not one: a sentence without its full stop.
    Wrong(String),
    /// They cannot be read.
    Unread(io::Error),
}

impl From<String> for RecipeFault {
    fn from(why: String) -> Self {
        RecipeFault::Wrong(why)
    }
}

impl From<&str> for RecipeFault {
    fn from(why: &str) -> Self {
        RecipeFault::Wrong(why.to_owned())
    }
}

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn run(bytes: &mut Vec<u8>, content: &[u8]) {
    number(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn write_parts(bytes: &mut Vec<u8>, parts: &[Part]) {
    number(bytes, parts.len() as u64);
    for part in parts {
        match part {
            Part::Literal(content) => {
                bytes.push(0);
                run(bytes, content);
            }
            Part::Blob(blob) => {
                bytes.push(1);
                bytes.extend(blob.digest.as_bytes());
                number(bytes, blob.size);
            }
            Part::Gzip { content, records } => {
                bytes.push(2);
                write_parts(bytes, content);
                number(bytes, records.len() as u64);
                records.iter().for_each(|record| write_record(bytes, record));
            }
        }
    }
}

fn write_record(bytes: &mut Vec<u8>, record: &Record) {
    let chunk = match record {
        Record::Verbatim(content) => {
            bytes.push(0);
            return run(bytes, content);
        }
        Record::Chunk(chunk) => chunk,
    };
    bytes.push(match chunk.method {
        Method::Verbatim(_) => 1,
        Method::Predicted { .. } => 2,
        Method::Encoded(..) => 3,
    });
    number(bytes, chunk.content_size);
    bytes.push(chunk.first_bit as u8);
    number(bytes, chunk.bits);
    match &chunk.method {
        Method::Verbatim(content) => run(bytes, content),
        Method::Predicted { corrections, unmark, paddings } => {
            number(bytes, unmark.map_or(0, |bit| bit + 1));
            number(bytes, paddings.len() as u64);
            let mut last = 0;
            for &at in paddings {
                number(bytes, at - last);
                last = at;
            }
            run(bytes, corrections);
        }
        Method::Encoded(encoder, state) => {
            bytes.push(encoder.to_byte());
            bytes.push(u8::from(state.had_good_match) | u8::from(state.is_final) << 1);
        }
    }
}

struct Reader<R> {
    source: BufReader<R>,
    /// The bytes that are still to be read.
    left: u64,
    /// How many parts, records and paddings there may still be.
    items: usize,
}

impl<R: Read> Reader<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RecipeFault> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or("it ends too early")?;
        self.source.read_exact(bytes).map_err(RecipeFault::Unread)
    }

    fn take(&mut self, size: u64) -> Result<Vec<u8>, RecipeFault> {
        // Nothing is made room for that cannot come.
        let size = usize::try_from(size).ok().filter(|&size| size as u64 <= self.left).ok_or("it ends too early")?;
        let mut bytes = vec![0; size];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, RecipeFault> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    fn number(&mut self) -> Result<u64, RecipeFault> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number in it is too large".into())
    }

    /// Reads a count of items, of which there are not more than the limit in all: memory is bounded by that.
    fn count(&mut self) -> Result<usize, RecipeFault> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.items = self.items.checked_sub(count).ok_or("it has too many parts and records")?;
        Ok(count)
    }

    fn digest(&mut self) -> Result<Digest, RecipeFault> {
        let mut bytes = [0; 32];
        self.fill(&mut bytes)?;
        Ok(Digest::from_bytes(bytes))
    }

    fn run(&mut self) -> Result<Vec<u8>, RecipeFault> {
        let size = self.number()?;
        self.take(size)
    }

    fn parts(&mut self, depth: usize) -> Result<Vec<Part>, RecipeFault> {
        let count = self.count()?;
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(match self.byte()? {
                0 => Part::Literal(self.run()?),
                1 => Part::Blob(Descriptor { digest: self.digest()?, size: self.number()? }),
                2 if depth < DEEPEST => {
                    let content = self.parts(depth + 1)?;
                    let count = self.count()?;
                    let records = (0..count).map(|_| self.record()).collect::<Result<_, _>>()?;
                    Part::Gzip { content, records }
                }
                2 => return Err("compression lies too deep in compression".into()),
                other => return Err(format!("it has a part of an unknown kind, {other}").into()),
            });
        }
        Ok(parts)
    }

    fn record(&mut self) -> Result<Record, RecipeFault> {
        let kind = self.byte()?;
        if kind == 0 {
            return self.run().map(Record::Verbatim);
        }
        let (content_size, first_bit, bits) = (self.number()?, u32::from(self.byte()?), self.number()?);
        if first_bit > 7 || bits >= 1 << 40 || content_size > MAX_CHUNK as u64 + 258 {
            return Err("a chunk in it has an impossible size".into());
        }
        let method = match kind {
            1 => Method::Verbatim(self.run()?),
            2 => {
                let unmark = self.number()?.checked_sub(1);
                let count = self.count()?;
                let mut last = 0u64;
                let mut paddings = Vec::new();
                for _ in 0..count {
                    last = last.checked_add(self.number()?).ok_or("a number in it is too large")?;
                    paddings.push(last);
                }
                Method::Predicted { corrections: self.run()?, unmark, paddings }
            }
            3 => {
                let encoder = Encoder::from_byte(self.byte()?).ok_or("it names an unknown encoder")?;
                let flags = self.byte()?;
                if flags > 3 {
                    return Err("it names an unknown state of an encoder".into());
                }
                Method::Encoded(encoder, EncoderState { had_good_match: flags & 1 != 0, is_final: flags & 2 != 0 })
            }
            other => return Err(format!("it has a record of an unknown kind, {other}").into()),
        };
        Ok(Record::Chunk(Reconstruction { content_size, first_bit, bits, method }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Recipe {
        let chunk = |method| Record::Chunk(Reconstruction { content_size: 300, first_bit: 3, bits: 999, method });
        let records = vec![
            Record::Verbatim(b"header".to_vec()),
            chunk(Method::Predicted { corrections: vec![1, 2, 3], unmark: Some(0), paddings: vec![7, 300, 301] }),
            chunk(Method::Predicted { corrections: vec![], unmark: None, paddings: vec![] }),
            chunk(Method::Verbatim(vec![9; 125])),
            chunk(Method::Encoded(
                Encoder::from_byte(6).expect("known"),
                EncoderState { had_good_match: true, is_final: false },
            )),
        ];
        let blob = Part::Blob(Descriptor::of(b"x"));
        let content = vec![Part::Literal(vec![0; 4 * 300 - 1]), blob.clone()];
        let original = Descriptor { digest: Digest::of(b""), size: 1 << 33 };
        Recipe { original, parts: vec![blob, Part::Gzip { content, records }] }
    }

    #[test]
    fn a_recipe_comes_back_and_no_prefix_of_it_does() {
        let bytes = sample().to_bytes();
        assert_eq!(Recipe::from_bytes(&bytes, &ImageLimits::DEFAULT), Ok(sample()));
        for cut in 0..bytes.len() {
            assert!(Recipe::from_bytes(&bytes[..cut], &ImageLimits::DEFAULT).is_err(), "cut at {cut}");
        }
    }

    fn read(original: u64, parts: Vec<Part>, limits: &ImageLimits) -> Result<Recipe, String> {
        let original = Descriptor { digest: Digest::of(b""), size: original };
        Recipe::from_bytes(&Recipe { original, parts }.to_bytes(), limits)
    }

    #[test]
    fn parts_records_and_paddings_are_counted_while_they_are_read() {
        let limits = ImageLimits { recipe_items: 10, ..ImageLimits::DEFAULT };
        let empty = |count| vec![Part::Literal(Vec::new()); count];
        assert!(read(0, empty(10), &limits).is_ok());
        assert!(read(0, empty(11), &limits).expect_err("too many").contains("too many"));
        let gzip = |records: usize, stored: usize| {
            let method = Method::Predicted { corrections: Vec::new(), unmark: None, paddings: vec![0; stored] };
            let piece = Record::Chunk(Reconstruction { content_size: 0, first_bit: 0, bits: 0, method });
            let mut all = vec![Record::Verbatim(Vec::new()); records - 1];
            all.push(piece);
            vec![Part::Gzip { content: Vec::new(), records: all }]
        };
        assert!(read(0, gzip(9, 0), &limits).is_ok());
        assert!(read(0, gzip(10, 0), &limits).is_err());
        assert!(read(0, gzip(4, 5), &limits).is_ok());
        assert!(read(0, gzip(4, 6), &limits).is_err());
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let mut bytes = sample().to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(read) = Recipe::from_bytes(&bytes, &ImageLimits::DEFAULT) {
                // Whatever is accepted is written back the same, save for numbers in a longer form.
                prop_assert_eq!(Recipe::from_bytes(&read.to_bytes(), &ImageLimits::DEFAULT), Ok(read));
            }
        }
    }
}
