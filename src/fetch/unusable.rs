//! Responses with a status of success that are not the file, of which no digest is known.

use super::response::{Body, HttpResponse};
use crate::error::Error;
use crate::manifest::Artifact;

/// Why this response's body cannot be the file that the publisher means.
pub(super) fn unusable(artifact: &Artifact, response: &HttpResponse<'_>) -> Option<Error> {
    let kind = response.info.media_type.as_deref().unwrap_or_default();
    let name = artifact.id.name.as_str().to_ascii_lowercase();
    let is_page = matches!(kind, "text/html" | "application/xhtml+xml");
    let (error, hint) = if is_page && !name.ends_with(".html") && !name.ends_with(".htm") {
        let title = "the server sent a web page in place of the file";
        (Error::failed(title), "check the URL in a browser, and any login it asks for")
    } else if !matches!(response.info.status, 200 | 203 | 206) && artifact.pin.is_none() {
        let title = "the server does not say that this is the file";
        (
            Error::failed(title).fact("status", response.info.status_line()),
            "check the URL in a browser, or give another",
        )
    } else if response.info.status == 203 && artifact.pin.is_none() {
        let title = "a proxy says that it changed the file (203)";
        (Error::failed(title), "ask for it past the proxy (no_proxy), or give another URL")
    } else if response.info.status == 206 && response.body == Body::Whole && artifact.pin.is_none() {
        let title = "the server sent a part of the file and does not say which";
        (Error::failed(title), "turn that off on the server for this file, or give another URL")
    } else if response.is_coded() && artifact.pin.is_none() {
        // A pinned digest says which bytes are meant; else these would be pinned, and a server that sends the file as
        // it is has other ones.
        let title = "the server sent the file in a coding that was not requested";
        (Error::failed(title), "turn that off on the server for this file, or give another URL")
    } else {
        return None;
    };
    Some(response.info.add_to(error).hint(hint))
}
