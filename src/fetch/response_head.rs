//! The head of a response, for diagnostics: its source, its age, and when to retry.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{self, HeaderMap, HeaderName};
use url::{Origin, Url};

use super::redact;
use crate::digest::Digest;
use crate::error::Error;

/// The parts of a response's head that a reader of an error needs. They carry no secrets.
#[derive(Debug, Clone)]
pub(super) struct ResponseInfo {
    /// The URL that responded, after redirects.
    pub(super) url: String,
    /// The status code.
    pub(super) status: u16,
    /// How long to wait before a retry.
    pub(super) retry_after: Option<Duration>,
    /// The media type, without parameters, in lower case.
    pub(super) media_type: Option<String>,
    /// The content coding, unless it is `identity`.
    pub(super) coding: Option<String>,
    /// What it asks the client to prove itself with.
    pub(super) challenges: Vec<String>,
    /// The registry that was asked for an image, where it is the server, or names it.
    pub(super) registry: Option<String>,
    origin: Origin,
    /// What a registry says is the digest of its answer, where it is SHA-256 (distribution specification 1.1).
    pub(super) content_digest: Option<Digest>,
    /// Headers that tell the response's source and age, and the server's address.
    facts: Vec<(&'static str, String)>,
}

/// The headers that are shown, in the order in which they are.
const SHOWN: [(&str, HeaderName); 9] = [
    ("server", header::SERVER),
    ("etag", header::ETAG),
    ("last-modified", header::LAST_MODIFIED),
    ("age", header::AGE),
    ("via", header::VIA),
    ("x-cache", HeaderName::from_static("x-cache")),
    ("content-type", header::CONTENT_TYPE),
    ("content-encoding", header::CONTENT_ENCODING),
    ("retry-after", header::RETRY_AFTER),
];

impl ResponseInfo {
    /// Reads the head of a response.
    pub(super) fn of(response: &Response) -> Self {
        let headers = response.headers();
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        if let Some(address) = response.remote_addr() {
            facts.push(("address", address.to_string()));
        }
        for (name, header) in &SHOWN {
            // Every proxy on the way adds a header of its own.
            let values: Vec<_> =
                headers.get_all(header).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            if !values.is_empty() {
                facts.push((name, values.join(", ")));
            }
        }
        ResponseInfo {
            url: redact::shown(response.url()),
            status: response.status().as_u16(),
            retry_after: retry_after(headers, SystemTime::now()),
            media_type: first(headers, &header::CONTENT_TYPE)
                .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()),
            coding: first(headers, &header::CONTENT_ENCODING)
                .map(|coding| coding.trim().to_ascii_lowercase())
                .filter(|coding| coding != "identity"),
            registry: None,
            origin: response.url().origin(),
            content_digest: headers
                .get("docker-content-digest")
                .and_then(|value| value.to_str().ok()?.trim().parse().ok()),
            challenges: headers
                .get_all(header::WWW_AUTHENTICATE)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect(),
            facts,
        }
    }

    /// Whether it is the server of `url` that responded, and not one to which that redirected.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        self.origin == url.origin()
    }

    /// The error for a status of a registry or of its token server.
    pub(super) fn refused_by_registry(&self) -> Error {
        let registry = self.registry.as_deref().unwrap_or_default();
        let said = self.status_line();
        let title = match self.status {
            401 | 403 => format!("the registry denies access to the image: it answered {said}"),
            404 | 410 => format!("the registry does not have the image, or not all of it: it answered {said}"),
            429 => format!("the registry's rate limit is reached: it answered {said}"),
            _ => format!("the registry answered {said}"),
        };
        let error = self.add_to(Error::failed(title));
        match self.status {
            401 | 403 => error.hint(format_args!("log in, then run the same command again: docker login {registry}")),
            404 | 410 => error.hint(format_args!(
                "check the URL in the manifest; where the image is not public, log in first: docker login {registry}"
            )),
            429 => error.hint(format_args!(
                "run the same command again later, or ask a mirror with --registry-mirror; whoever is logged in may often \
                 fetch more: docker login {registry}"
            )),
            _ => error.hint("run the same command again: the bytes received are kept and not fetched twice"),
        }
    }

    /// Adds what its reader should know besides.
    pub(super) fn add_fact(&mut self, name: &'static str, value: &str) {
        self.facts.push((name, value.to_owned()));
    }

    /// `404 Not Found`.
    pub(super) fn status_line(&self) -> String {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        reason.map_or_else(|| self.status.to_string(), |reason| format!("{} {reason}", self.status))
    }

    /// Adds the URL and the headers to an error.
    pub(super) fn add_to(&self, error: Error) -> Error {
        self.facts.iter().fold(error.fact("url", &self.url), |error, (name, value)| error.fact(name, value))
    }
}

fn first(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let read = |text: &str| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().expect("a header value"))]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Sun, 06 Nov 1994 08:40:37 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }
}
