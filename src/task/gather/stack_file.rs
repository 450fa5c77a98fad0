//! A stack or Compose file: whether it can be carried, and what of it a site will not have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::located::found;
use super::{Found, Place};
use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::manifest::engine_ref::EngineRef;
use crate::manifest::{ArtifactId, Kind};
use crate::path::{RelPath, shell_word};
use crate::small_file;
use crate::stack::{self, ServiceImage};

/// What the description of a product is called beside its stack file.
pub(super) const PRODUCT: &str = "product.yaml";

/// A stack file whose images can be carried.
pub(super) struct StackFile {
    /// The artifact's name.
    pub(super) name: RelPath,
    /// Where it lies, its folder without links.
    pub(super) path: PathBuf,
    pub(super) document: Value,
    /// The images of its services.
    pub(super) images: Vec<ServiceImage>,
    shown: PathBuf,
}

/// The error of a file that is called as YAML is, and is not.
pub(super) fn not_yaml(path: &Path, why: &str) -> Error {
    Error::failed("the file is no YAML").fact("path", path.display()).fact("reason", why).hint(format_args!(
        "correct it; if it is a stack file, check it with: docker stack config -c {}",
        shell_word(path)
    ))
}

impl StackFile {
    /// Takes a file's document for that of a stack file.
    ///
    /// # Errors
    /// A service is built and has no image, or the name of an image is not literal, has a variable without a default or a
    /// digest.
    pub(super) fn read(name: RelPath, path: PathBuf, shown: &Path, document: Value) -> Result<Self> {
        let services = document.get("services").and_then(Value::as_object).into_iter().flatten();
        let is_built = |service: &Value| service.get("image").is_none() && service.get("build").is_some();
        let built: Vec<&str> =
            services.clone().filter(|(_, service)| is_built(service)).map(|(name, _)| name.as_str()).collect();
        if let Some(first) = built.first() {
            return Err(Error::failed("a service is built where it runs, and has no image to carry")
                .fact("path", shown.display())
                .fact("services", built.join(", "))
                .hint(format_args!(
                    "give each an 'image' beside its 'build', such as 'image: registry.example.com/{first}:1.0.0', and put it \
                     there: docker compose -f {} build && docker compose -f {} push",
                    shell_word(shown),
                    shell_word(shown)
                )));
        }
        for (service, image) in services.filter_map(|(name, service)| Some((name, service.get("image")?.as_str()?))) {
            if stack::with_defaults(image).is_none() {
                return Err(no_default(&path, shown, service, image));
            }
        }
        let images = stack::images_of(&document, &shown.display().to_string())?;
        if let Some(pinned) = images.iter().find(|one| one.image.digest().is_some()) {
            return Err(Error::failed("a stack file names an image by its digest, and none is loaded under that")
                .fact("path", shown.display())
                .fact("service", &pinned.service)
                .fact("image", &pinned.image)
                .hint("name it by its tag alone: the manifest pins the digest, and the site runs what that says"));
        }
        Ok(StackFile { name, path, document, images, shown: shown.to_owned() })
    }

    /// The stack file as an artifact.
    pub(super) fn found(&self, place: &Place<'_>) -> Result<Found> {
        let id = ArtifactId { name: self.name.clone(), platform: None };
        found(id, Kind::Stack, (&self.path, &self.shown), place)
    }

    /// The description of the product beside it as an artifact.
    pub(super) fn product_found(&self, place: &Place<'_>) -> Result<Found> {
        let name = match self.name.as_str().rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{PRODUCT}"),
            None => PRODUCT.to_owned(),
        };
        let name = name.parse().map_err(|why| {
            Error::failed("the description of the product cannot lie there")
                .fact("path", self.shown.display())
                .fact("reason", why)
                .hint("move the stack file to a place with a shorter name")
        })?;
        let shown = self.shown.with_file_name(PRODUCT);
        let id = ArtifactId { name, platform: None };
        found(id, Kind::Product, (&self.path.with_file_name(PRODUCT), &shown), place)
    }

    /// What it says the product is called.
    pub(super) fn product_name(&self) -> Option<&str> {
        self.document.get("name")?.as_str()
    }

    /// What it is called in messages.
    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// What of it a site will not have. The images in `packed` are at hand.
    pub(super) fn notes(&self, packed: &BTreeSet<String>) -> Vec<String> {
        let shown = self.shown.display();
        let mut notes = Vec::new();
        if self.document.get("version").is_none() {
            notes.push(format!(
                "{shown} has no 'version': on site it is taken for 3.7; what needs a newer one says so: version: \"3.8\""
            ));
        }
        let services = self.document.get("services").and_then(Value::as_object).into_iter().flatten();
        for (name, service) in services {
            if let (Some(_), Some(image)) = (service.get("build"), service.get("image").and_then(Value::as_str)) {
                let image = stack::with_defaults(image).unwrap_or_else(|| image.to_owned());
                if !image.parse().is_ok_and(|image: ImageRef| packed.contains(&image.familiar())) {
                    notes.push(format!(
                        "{shown}: '{name}' is built; what is carried is what its registry has as {image}; what the engine \
                         here has: {}:{image} as one more source",
                        EngineRef::SCHEME
                    ));
                }
            }
            for path in relative_paths(service) {
                notes.push(format!(
                    "{shown}: '{name}' uses {path} beside the stack file; on site it has what is below '${{installDir}}'"
                ));
            }
        }
        for key in ["configs", "secrets"] {
            let files = self.document.get(key).and_then(Value::as_object).into_iter().flat_map(Map::values);
            for path in files.filter_map(|file| file.get("file")?.as_str()).filter(|path| is_relative(path)) {
                notes.push(format!(
                    "{shown}: {key} has {path} beside the stack file; on site there is what is below '${{installDir}}'"
                ));
            }
        }
        notes
    }
}

/// What a service mounts or reads beside its stack file.
fn relative_paths(service: &Value) -> Vec<&str> {
    let volumes = service.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let sources = volumes.filter_map(|volume| match volume {
        Value::String(text) => text.split(':').next().filter(|source| source.starts_with('.')),
        other if other.get("type").and_then(Value::as_str) == Some("bind") => other.get("source")?.as_str(),
        _ => None,
    });
    let files = service.get("env_file").into_iter().flat_map(|files| match files {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
        one => one.as_str().into_iter().collect(),
    });
    sources.chain(files).filter(|path| is_relative(path)).collect()
}

fn is_relative(path: &str) -> bool {
    !path.starts_with(['/', '$', '~'])
}

/// The error of an image whose name depends on what is not there.
fn no_default(path: &Path, shown: &Path, service: &str, image: &str) -> Error {
    let error = Error::failed("the name of an image has a variable without a default")
        .fact("path", shown.display())
        .fact("service", service)
        .fact("image", image);
    let text = small_file::read_text(path, stack::LARGEST).unwrap_or_default();
    // Where a merge key or an anchor brings it in, that is its place.
    let line = text.lines().position(|line| line.contains("image") && line.contains(image));
    let error = line.map(|line| line + 1).into_iter().fold(error, |error, line| error.fact("line", line));
    let better = image.replace('}', ":-1.0}");
    if stack::with_defaults(&better).is_some() {
        error.hint(format_args!("write a default into it, such as {better}, or the tag itself"))
    } else {
        error.hint("write the tag itself, or a variable in braces with a default behind ':-'")
    }
}
