//! From what somebody types to the URL of a manifest.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use url::Url;

use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, builtin};

/// Returns the URL of the manifest asked for: a URL, a file, or a folder's manifest; else the one here; else the one
/// built in.
///
/// # Errors
/// There is no such file, or the URL is of a scheme that cannot be fetched. A word that may carry a password is not
/// repeated in the error.
pub fn manifest_url(asked: Option<&OsStr>) -> Result<Url> {
    let Some(asked) = asked else {
        let here = Path::new(FILE_NAME);
        match here.metadata() {
            Ok(found) if found.is_file() => return file_url(here),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).doing("look at the manifest", here);
            }
            _ => {}
        }
        let none = |cause| Error::failed("no manifest is built in").fact("cause", cause);
        return Url::parse(builtin::BASE)
            .map_err(|cause| none(cause).hint("name the manifest or its URL, see: pack download --help"));
    };
    // A URL is text; what is not can only be a path.
    let Some(text) = asked.to_str() else { return file_url(Path::new(asked)) };
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => Ok(url),
        parsed if is_meant_as_url(text) => {
            let reason = match parsed {
                Ok(url) if url.has_host() => format!("its scheme is {}", url.scheme()),
                Err(why) if text.contains("://") => why.to_string(),
                _ => "no file has that name, and a URL begins with https:// or http://".to_owned(),
            };
            Err(Error::usage("a manifest cannot be had from there")
                .fact("reason", reason)
                .hint("use an http, https or file URL, or a path"))
        }
        _ => file_url(Path::new(text)),
    }
}

fn file_url(path: &Path) -> Result<Url> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let absolute = path
        .canonicalize()
        .doing("find the manifest", &path)
        .map_err(|error| error.hint("name a manifest.json or its URL; see 'pack download --help'"))?;
    Url::from_file_path(&absolute)
        .map_err(|()| Error::failed("this path cannot be a URL").fact("path", absolute.display()))
        .map_err(|error| error.hint("copy the manifest to a place with a plain name, and name that"))
}

/// Whether a word is not a path, and not to be shown as one: it may carry a password, or a token for a user.
pub fn is_meant_as_url(text: &str) -> bool {
    text.contains("://") || (text.contains('@') && !Path::new(text).exists())
}
