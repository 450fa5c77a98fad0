//! From what somebody types to the URL of a manifest.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use url::Url;

use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, builtin};
use crate::release::Folder;

/// Which manifest to download, and where to.
#[derive(Debug)]
pub struct Wanted {
    /// The manifest.
    pub manifest: Url,
    /// The folder; `None` is `./NAME-portable`.
    pub dir: Option<PathBuf>,
    /// Whether the folder knew the manifest, and nobody named it.
    pub is_remembered: bool,
}

/// Returns what to download where this manifest and this folder are asked for. Without a manifest it is the one that the
/// folder came from, and the folder one stands in counts as asked for if a download made it; else that of
/// [`manifest_url`].
///
/// # Errors
/// As [`manifest_url`]; or the folder came from a file that is no longer there.
pub fn wanted(asked: Option<&OsStr>, dir: Option<&Path>) -> Result<Wanted> {
    let root = dir.unwrap_or(Path::new("."));
    let folder = Folder::at(root);
    let remembered = if asked.is_none() { folder.origin_url() } else { None };
    let Some(manifest) = remembered else {
        return Ok(Wanted { manifest: manifest_url(asked)?, dir: dir.map(Path::to_owned), is_remembered: false });
    };
    if manifest.scheme() == "file" && !manifest.to_file_path().is_ok_and(|path| path.is_file()) {
        return Err(Error::failed("the manifest that this folder came from is not there any more")
            .fact("folder", root.display())
            .fact("manifest", &manifest)
            .hint("name the manifest or its URL; see 'pack download --help'"));
    }
    Ok(Wanted { manifest, dir: Some(root.to_owned()), is_remembered: true })
}

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
