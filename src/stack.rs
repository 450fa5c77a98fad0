//! What a Docker stack file asks for: the images of its services.

use std::path::Path;

use saphyr::{LoadableYamlNode, Yaml};

use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::path::shell_word;

/// A service and the image it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImage {
    /// The service's name.
    pub service: String,
    /// The image.
    pub image: ImageRef,
}

/// The services of a stack file (Compose file format, version 3) with their images; merge keys (`<<`) are
/// followed.
///
/// # Errors
/// The text is not YAML, has no services, or a service has no literal image. `origin` is named.
pub fn images(text: &str, origin: &str) -> Result<Vec<ServiceImage>> {
    let wrong = |why: String| {
        Error::failed("the stack file is not valid")
            .fact("path", origin)
            .fact("reason", why)
            .hint(format_args!("check it with: docker stack config -c {}", shell_word(Path::new(origin))))
    };
    let documents = Yaml::load_from_str(text).map_err(|error| wrong(error.to_string()))?;
    let [document] = documents.as_slice() else { return Err(wrong(format!("{} documents", documents.len()))) };
    let services = document
        .as_mapping_get("services")
        .and_then(Yaml::as_mapping)
        .ok_or_else(|| wrong("it has no 'services'".to_owned()))?;
    let mut images = Vec::with_capacity(services.len());
    for (name, service) in services {
        let name = name.as_str().unwrap_or("?");
        match image_of(service, 0) {
            Some(image) if image.contains('$') => {
                return Err(wrong(format!("the image of '{name}' is not literal: {image}")));
            }
            Some(image) => {
                let image = image.parse().map_err(|why| wrong(format!("the image of '{name}': {why}")))?;
                images.push(ServiceImage { service: name.to_owned(), image });
            }
            None => return Err(wrong(format!("the service '{name}' has no image"))),
        }
    }
    Ok(images)
}

/// A service's image, its own or one that it merges in (YAML 1.1, merge key language-independent type).
fn image_of<'a>(service: &'a Yaml<'_>, depth: usize) -> Option<&'a str> {
    const DEEPEST: usize = 16;
    if depth > DEEPEST {
        return None;
    }
    if let Some(image) = service.as_mapping_get("image") {
        return image.as_str();
    }
    let merged = service.as_mapping_get("<<")?;
    match merged.as_sequence() {
        Some(several) => several.iter().find_map(|one| image_of(one, depth + 1)),
        None => image_of(merged, depth + 1),
    }
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
            "services: { a: { build: . } }",
            "services: { a: { image: '${TAG}' } }",
            "services: { a: { image: 'A b' } }",
            "a: 1",
        ] {
            assert!(images(bad, "test").is_err(), "{bad:?}");
        }
    }
}
