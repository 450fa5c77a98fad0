//! The proof that a recipe gives its file back, before it is taken.
//!
//! A gzip's records were proved when it was scanned: every piece was written again from its content, and the whole
//! compared by digest. What is left is proved here, without predicting anything a second time: the recipe's
//! bytes read back as the recipe, and its parts, put one after the other, are the content of the file. For that
//! the content is read again, and each part compared with what is in its place.

use std::collections::HashMap;
use std::io::{self, Read};

use super::limits::ImageLimits;
use super::recipe::{Part, Recipe};
use crate::digest::{Descriptor, Digest};

/// The gzip files inside an archive that were scanned: size and digest, by the digest of the part that writes
/// each again.
pub(super) type Gzips = HashMap<Digest, Descriptor>;

/// Proves `recipe`. `content` is the file without its outer compression; without it only the recipe's bytes
/// are proved.
///
/// # Errors
/// A reason, where the recipe would not give the file back.
pub(super) fn prove(
    recipe: &Recipe,
    gzips: &Gzips,
    content: Option<Box<dyn Read + Send>>,
    limits: &ImageLimits,
) -> Result<(), String> {
    let read = Recipe::from_bytes(&recipe.to_bytes(), limits)?;
    if read != *recipe {
        return Err("it reads otherwise than it was written".to_owned());
    }
    let Some(mut content) = content else { return Ok(()) };
    let failed = |cause: io::Error| format!("the file cannot be read again: {cause}");
    let parts = match &read.parts[..] {
        [Part::Gzip { content, .. }] => content,
        parts => parts,
    };
    for (number, part) in parts.iter().enumerate() {
        let expected = match part {
            Part::Literal(bytes) => Descriptor::of(bytes),
            Part::Blob(blob) => *blob,
            Part::Gzip { .. } => *gzips.get(&part.digest()).ok_or("a gzip file in it was not tried")?,
        };
        if Descriptor::of_reader((&mut content).take(expected.size)).map_err(failed)? != expected {
            return Err(format!("its part {number} is not what the file has there"));
        }
    }
    match io::copy(&mut content.take(1), &mut io::sink()).map_err(failed)? {
        0 => Ok(()),
        _ => Err("it ends before the file does".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Record;
    use super::*;
    use redeflate::{Method, Reconstruction};

    /// Records that use this many bytes of content.
    fn records(content: usize) -> Vec<Record> {
        let method = Method::Verbatim(Vec::new());
        vec![Record::Chunk(Reconstruction { content_size: content as u64, first_bit: 0, bits: 0, method })]
    }

    #[test]
    fn a_wrong_recipe_is_refused() {
        let blob = |bytes: &[u8]| Part::Blob(Descriptor::of(bytes));
        let literal = |bytes: &[u8]| Part::Literal(bytes.to_vec());
        let gzip = Part::Gzip { content: vec![blob(b"under")], records: records(5) };
        let gzips = Gzips::from([(gzip.digest(), Descriptor::of(b"packed"))]);
        let file = b"head-blob-packed-tail";
        let parts = vec![literal(b"head-"), blob(b"blob"), literal(b"-"), gzip.clone(), literal(b"-tail")];
        let tried = |parts: &[Part], limits: &ImageLimits| {
            let tried = |parts: Vec<Part>| {
                let recipe = Recipe { original: Descriptor::of(file), parts };
                prove(&recipe, &gzips, Some(Box::new(&file[..])), limits)
            };
            let outer = Part::Gzip { content: parts.to_vec(), records: records(file.len()) };
            let outcome = tried(vec![outer]);
            assert_eq!(tried(parts.to_vec()).is_ok(), outcome.is_ok());
            outcome
        };
        let limits = ImageLimits::DEFAULT;
        assert_eq!(tried(&parts, &limits), Ok(()));
        assert!(tried(&parts, &ImageLimits { recipe_bytes: 50, ..limits }).is_err());
        for (one, other) in [(0, 1), (1, 3), (0, 4)] {
            let mut parts = parts.clone();
            parts.swap(one, other);
            assert!(tried(&parts, &limits).is_err(), "{one} and {other} swapped");
        }
        for place in 0..parts.len() {
            let mut without = parts.clone();
            without.remove(place);
            assert!(tried(&without, &limits).is_err(), "without {place}");
            let mut other = parts.clone();
            other[place] = literal(b"x");
            assert!(tried(&other, &limits).is_err(), "another at {place}");
        }
        let unknown = Part::Gzip { content: vec![blob(b"other")], records: records(5) };
        let mut parts = parts;
        parts[3] = unknown;
        assert!(tried(&parts, &limits).is_err_and(|why| why.contains("not tried")));
    }
}
