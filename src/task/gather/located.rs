//! The artifact of a file: its URL leads from the manifest to where the file lies.

use std::path::Path;

use url::Url;

use super::{Found, Place};
use crate::error::{Error, Result};
use crate::manifest::{Artifact, ArtifactId, Kind};

/// The artifact of the file at `at`: where it lies, and what it is called.
pub(super) fn found(id: ArtifactId, kind: Kind, at: (&Path, &Path), place: &Place<'_>) -> Result<Found> {
    let (path, shown) = at;
    let relative = Url::from_file_path(place.manifest).ok().zip(Url::from_file_path(path).ok());
    let url = relative.and_then(|(base, file)| base.make_relative(&file)).ok_or_else(|| {
        Error::failed("a file has no URL").fact("path", shown.display()).hint("copy it to a place with a plain name")
    })?;
    // What has a colon in its first part would be read as a scheme.
    let is_scheme = url.split('/').next().is_some_and(|first| first.contains(':'));
    let url = if is_scheme { format!("./{url}") } else { url };
    Ok(Found {
        artifact: Artifact { id, kind, urls: vec![url], pin: None, cosign_key: None },
        source: shown.display().to_string(),
    })
}
