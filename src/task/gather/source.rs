//! What a word on the command line names.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use url::Url;

use super::{Found, Place};
use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::manifest::engine_ref::EngineRef;
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, ArtifactId, guess};
use crate::task::manifest_url::is_meant_as_url;

/// What a word names.
#[derive(Debug)]
pub(super) enum Source {
    Folder(PathBuf),
    File(PathBuf),
    /// An http or https URL as it was typed, perhaps with the version's placeholder.
    Url(String),
    Image(RegistryRef),
    /// An image of an engine of this machine.
    Saved(EngineRef),
}

impl Source {
    /// Reads a word. What exists as a file or folder is one.
    ///
    /// # Errors
    /// It names nothing. What may carry a password is not repeated.
    pub(super) fn of(word: &OsStr) -> Result<Self> {
        let path = Path::new(word);
        if path.is_dir() {
            return Ok(Source::Folder(path.to_owned()));
        }
        if path.exists() {
            return Ok(Source::File(path.to_owned()));
        }
        let text = word.to_str().unwrap_or_default();
        if EngineRef::reference_in(text).is_some() {
            return EngineRef::parse(text).map(Source::Saved).map_err(|why| not_a_source(text, &why));
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => return Ok(Source::Url(text.to_owned())),
            Some(RegistryRef::SCHEME) => {
                return RegistryRef::parse(text).map_err(|why| not_a_source(text, &why)).and_then(|it| canonical(&it));
            }
            Some(_) => return Err(not_a_source(text, "its scheme is none of http, https and oci")),
            None => {}
        }
        let is_file_name =
            [".yaml", ".yml", ".json", ".sh", ".tar", ".gz", ".tgz"].iter().any(|end| text.ends_with(end));
        match text.parse::<ImageRef>() {
            _ if is_file_name => Err(not_a_source(text, "there is no such file")),
            Ok(reference) if reference.tag().is_some() || reference.digest().is_some() => {
                image(&reference).map(Source::Image).map_err(|why| not_a_source(text, &why))
            }
            Ok(_) => Err(not_a_source(text, "there is no such file or folder, and an image needs a tag")
                .hint(format_args!("check the path with 'ls'; if it is an image, write a tag: {text}:latest"))),
            Err(_) => Err(not_a_source(text, "there is no such file or folder, and it is no URL and no image")),
        }
    }
}

fn not_a_source(text: &str, why: &str) -> Error {
    let error = Error::usage("this is nothing that a manifest can be made of");
    let error = if is_meant_as_url(text) { error } else { error.fact("source", text) };
    error
        .fact("reason", why)
        .hint("name a stack file, a folder, a file, an http or https URL, or an image such as redis:6.2")
}

/// The reference of a registry's URL with Docker Hub's `library/` in it.
fn canonical(reference: &RegistryRef) -> Result<Source> {
    let text = reference.to_string();
    let bare = text.trim_start_matches("oci://");
    let read = bare.parse::<ImageRef>().map_err(|why| why.reason().to_owned());
    read.and_then(|read| image(&read)).map(Source::Image).map_err(|why| not_a_source(&text, &why))
}

/// Where an engine would pull the image from.
pub(super) fn image(reference: &ImageRef) -> Result<RegistryRef, String> {
    RegistryRef::parse(&format!("{}://{}", RegistryRef::SCHEME, reference.canonical()))
}

/// The artifact that a web server has: its name is the last part of the URL's path.
pub(super) fn of_url(typed: &str, place: &Place<'_>) -> Result<Found> {
    let whole = typed.replace("${version}", &place.version.to_string());
    let wrong = |why: String| {
        Error::usage("a URL names no file")
            .fact("reason", why)
            .hint("give the whole URL of the file, for example https://downloads.example.com/1.0.0/tool.tar.gz")
    };
    let url = Url::parse(&whole).map_err(|why| wrong(why.to_string()))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    // As the URL of a file, its escapes are read.
    let path = Url::parse(&format!("file:///{last}")).ok().and_then(|file| file.to_file_path().ok());
    let name = path.as_deref().and_then(Path::file_name).and_then(OsStr::to_str).unwrap_or_default();
    if name.is_empty() {
        return Err(wrong(format!("the path of the URL at {host} ends in no name")));
    }
    let kind = guess::kind_of_name(name);
    let name = name.parse().map_err(|why| wrong(format!("{why}")))?;
    let id = ArtifactId { name, platform: None };
    Ok(Found {
        artifact: Artifact { id, kind, urls: vec![typed.to_owned()], pin: None, cosign_key: None },
        source: format!("{}://{host}", url.scheme()),
    })
}
