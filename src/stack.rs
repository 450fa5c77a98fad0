//! A Docker stack file (Compose file format, version 3): what it asks for, and what an engine is given of it.

mod ipvs;
mod overlay;
mod render;
mod variable;

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::language::tr;
use crate::path::shell_word;
use crate::yaml;

pub use ipvs::ByIpvs;
pub use overlay::overlay;
pub use render::{Rendering, Stage};
pub use variable::{variables, with_defaults};

/// The largest stack file that is read, in bytes.
pub const LARGEST: u64 = 1 << 20;

/// A service and the image it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImage {
    /// The service's name.
    pub service: String,
    /// The image.
    pub image: ImageRef,
}

/// Reads a stack file; merge keys (`<<`) are followed. `origin` is named in errors.
///
/// # Errors
/// The text is not YAML, or has no services.
pub fn read(text: &str, origin: &str) -> Result<Value> {
    let document: Value = yaml::read(text).map_err(|why| not_valid(origin, &why))?;
    services(&document, origin)?;
    Ok(document)
}

/// The services of a stack file with their images; merge keys (`<<`) are followed, and of `${NAME:-default}` in an image the
/// default counts.
///
/// # Errors
/// The text is not YAML, has no services, or a service has no literal image. `origin` is named.
pub fn images(text: &str, origin: &str) -> Result<Vec<ServiceImage>> {
    images_of(&read(text, origin)?, origin)
}

/// As [`images`], of a stack file that was read.
///
/// # Errors
/// It has no services, or a service has no literal image. `origin` is named.
pub fn images_of(document: &Value, origin: &str) -> Result<Vec<ServiceImage>> {
    let wrong = |why: String| not_valid(origin, &why);
    let services = services(document, origin)?;
    let mut images = Vec::with_capacity(services.len());
    for (name, service) in services {
        match service.get("image").and_then(Value::as_str) {
            Some(image) => {
                let literal = with_defaults(image)
                    .ok_or_else(|| wrong(tr!("the image of '{name}' is not literal: {image}", name, image)))?;
                let image = literal.parse().map_err(|why| wrong(tr!("the image of '{name}': {why}", name, why)))?;
                images.push(ServiceImage { service: name.to_owned(), image });
            }
            None => return Err(wrong(tr!("the service '{name}' has no image", name))),
        }
    }
    Ok(images)
}

fn services<'a>(document: &'a Value, origin: &str) -> Result<&'a Map<String, Value>> {
    let services = document.get("services").and_then(Value::as_object);
    services.filter(|services| !services.is_empty()).ok_or_else(|| not_valid(origin, &tr!("it has no 'services'")))
}

fn not_valid(origin: &str, why: &str) -> Error {
    Error::failed(tr!("the stack file is not valid"))
        .fact("path", origin)
        .fact("reason", why)
        .hint(tr!("check it with: docker stack config -c {}", shell_word(Path::new(origin))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        images(text, "test").expect("valid").into_iter().map(|found| (found.service, found.image.to_string())).collect()
    }

    #[test]
    fn images_are_found_also_where_they_are_merged_in() {
        let text = "x-base: &base\n  image: r/base:1\nx-more: &more\n  <<: *base\n  init: true\nservices:\n  a: { image: 'r/a:2' }\n  b:\n    <<: *more\n  c:\n    <<: [*more, { image: never }]\n    image: r/c:3\n";
        let expected = [("a", "r/a:2"), ("b", "r/base:1"), ("c", "r/c:3")];
        assert_eq!(found(text), expected.map(|(service, image)| (service.to_owned(), image.to_owned())));
    }

    #[test]
    fn what_is_not_a_stack_is_refused() {
        for bad in [
            "",
            "a: [",
            "services: 1",
            "services: {}",
            "services: { a: { build: . } }",
            "services: { a: { image: '${TAG}' } }",
            "services: { a: { image: 'A b' } }",
            "a: 1",
        ] {
            assert!(images(bad, "test").is_err(), "{bad:?}");
        }
    }
}
