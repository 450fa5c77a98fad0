//! What the sizes in a recipe say before any blob is read.

use super::limits::ImageLimits;
use super::recipe::{Part, Recipe, Record};

/// The most bytes that DEFLATE makes of one: a match of 258 bytes takes two bits at least.
const MOST_EXPANSION: u64 = 1032;

/// What a part or record takes in memory beside its bytes, about.
const ITEM: u64 = 100;

impl Recipe {
    /// What it takes in memory, in bytes, about: not less than [`Recipe::to_bytes`] has.
    pub(super) fn memory(&self) -> u64 {
        self.parts.iter().map(memory_of).sum()
    }

    /// Checks what can be checked of sizes without a blob: no file is smaller than its parts, and of the content of a
    /// gzip file every byte is used.
    pub(super) fn check_sizes(&self, limits: &ImageLimits) -> Result<(), String> {
        let size = match &self.parts[..] {
            [Part::Gzip { content, .. }] => {
                let content = size_of(content)?;
                if content.least > limits.content_bytes || content.least / MOST_EXPANSION > self.original.size {
                    return Err(format!("{} bytes of content are more than its file can hold", content.least));
                }
                size_of(&self.parts)?
            }
            parts => size_of(parts)?,
        };
        let fits = if size.is_exact { size.least == self.original.size } else { size.least <= self.original.size };
        if fits { Ok(()) } else { Err("its parts are not as large as its file".to_owned()) }
    }
}

fn memory_of(part: &Part) -> u64 {
    let of_record = |record: &Record| match record {
        Record::Verbatim(bytes) => bytes.len() as u64,
        Record::Chunk(chunk) => chunk.size(),
    };
    ITEM + match part {
        Part::Literal(bytes) => bytes.len() as u64,
        Part::Blob(_) => 0,
        Part::Gzip { content, records } => {
            content.iter().map(memory_of).sum::<u64>()
                + records.iter().map(|record| ITEM + of_record(record)).sum::<u64>()
        }
    }
}

/// The size of parts, in bytes.
struct PartsSize {
    least: u64,
    /// Whether that is their size: what a gzip part is written as is known when it is written.
    is_exact: bool,
}

fn size_of(parts: &[Part]) -> Result<PartsSize, String> {
    let mut size = PartsSize { least: 0, is_exact: true };
    let add = |sum: u64, more: u64| sum.checked_add(more).ok_or("its parts are too large");
    for part in parts {
        match part {
            Part::Literal(bytes) => size.least = add(size.least, bytes.len() as u64)?,
            Part::Blob(blob) => size.least = add(size.least, blob.size)?,
            Part::Gzip { content, records } => {
                size.is_exact = false;
                let mut used = 0;
                for record in records {
                    match record {
                        Record::Verbatim(bytes) => size.least = add(size.least, bytes.len() as u64)?,
                        Record::Chunk(chunk) => used = add(used, chunk.content_size)?,
                    }
                }
                let content = size_of(content)?;
                let is_used = if content.is_exact { content.least == used } else { content.least <= used };
                if !is_used {
                    return Err("the content of a gzip file in it is not what its records use".to_owned());
                }
            }
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Descriptor, Digest};
    use crate::image::recipe::DEEPEST;
    use redeflate::{Method, Reconstruction};

    fn read(original: u64, parts: Vec<Part>, limits: &ImageLimits) -> Result<Recipe, String> {
        let original = Descriptor { digest: Digest::of(b""), size: original };
        Recipe::from_bytes(&Recipe { original, parts }.to_bytes(), limits)
    }

    #[test]
    fn a_recipe_may_be_as_large_and_as_deep_as_the_limit() {
        let literal = |size: usize| vec![Part::Literal(vec![0; size])];
        let bytes = Recipe { original: Descriptor { digest: Digest::of(b""), size: 9 }, parts: literal(9) }.to_bytes();
        let with = |recipe_bytes| Recipe::from_bytes(&bytes, &ImageLimits { recipe_bytes, ..ImageLimits::DEFAULT });
        assert!(with(bytes.len() as u64).is_ok());
        assert!(with(bytes.len() as u64 - 1).expect_err("larger").contains("the limit is"));

        let empty = |content| Part::Gzip { content, records: vec![Record::Verbatim(Vec::new())] };
        let deep = |depth: usize| (0..depth).fold(Vec::new(), |inner, _| vec![empty(inner)]);
        assert_eq!(read(0, deep(DEEPEST), &ImageLimits::DEFAULT).map(drop), Ok(()));
        assert!(read(0, deep(DEEPEST + 1), &ImageLimits::DEFAULT).expect_err("deeper").contains("too deep"));

        let limits = ImageLimits { content_bytes: 1 << 20, ..ImageLimits::DEFAULT };
        assert!(read(1 << 20, literal(1 << 20), &limits).is_ok());
        assert!(read((1 << 20) + 1, literal((1 << 20) + 1), &limits).is_err());
    }

    #[test]
    fn content_that_no_record_uses_or_no_file_can_hold_is_refused() {
        let limits = ImageLimits::DEFAULT;
        let records = |content| {
            let piece =
                Reconstruction { content_size: content, first_bit: 0, bits: 8, method: Method::Verbatim(vec![3]) };
            vec![Record::Verbatim(b"header".to_vec()), Record::Chunk(piece)]
        };
        let blob = |size| Part::Blob(Descriptor { digest: Digest::of(b""), size });
        let gzip = |content, used| Part::Gzip { content: vec![blob(content)], records: records(used) };
        assert!(read(10, vec![gzip(300, 300)], &limits).is_ok());
        // The original in a record, and other content beside it.
        assert!(read(10, vec![gzip(300, 0)], &limits).expect_err("other content").contains("records use"));
        assert!(read(10, vec![gzip(301, 300)], &limits).is_err(), "longer than used");
        assert!(read(10, vec![gzip(299, 300)], &limits).is_err(), "shorter than used");
        let nested = |content| Part::Gzip { content: vec![gzip(content, 300)], records: records(6) };
        assert!(read(10, vec![nested(300)], &limits).is_ok());
        assert!(read(10, vec![nested(301)], &limits).is_err());
        // Far more content than any file of that size has.
        let bomb = |count| Part::Gzip { content: vec![blob(count)], records: records(count) };
        assert!(read(0, vec![bomb(1031)], &limits).expect_err("a header at least").contains("as large"));
        assert!(read(9, vec![bomb(1032 * 10)], &limits).expect_err("a bomb").contains("can hold"));
        // Without compression the parts are the file.
        assert!(read(9, vec![blob(4), blob(5)], &limits).is_ok());
        assert!(read(9, vec![blob(4), blob(6)], &limits).is_err());
        assert!(read(9, vec![blob(4)], &limits).is_err());
        assert!(read(9, vec![blob(1 << 62), blob(1 << 62), blob(1 << 62), blob(1 << 62)], &limits).is_err());
    }
}
