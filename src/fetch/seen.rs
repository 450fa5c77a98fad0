//! What the head of an answer tells people: where it comes from, how old it is, when to ask again.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{self, HeaderMap, HeaderName};

use super::redact;
use crate::error::Error;

/// What an answer's head says that a person may need to see, fit to be shown.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The URL that answered, after redirects.
    pub(super) url: String,
    /// The status code.
    pub(super) status: u16,
    /// How long to wait before asking again.
    pub(super) retry_after: Option<Duration>,
    /// Headers that tell where the answer comes from and how old it is, and the server's address.
    facts: Vec<(&'static str, String)>,
}

/// The headers that are told, in the order in which they are.
const TOLD: [(&str, HeaderName); 9] = [
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

impl Seen {
    /// Reads the head of an answer.
    pub(super) fn of(response: &Response) -> Self {
        let headers = response.headers();
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        if let Some(address) = response.remote_addr() {
            facts.push(("address", address.to_string()));
        }
        for (name, header) in &TOLD {
            // Every proxy on the way adds a line of its own.
            let values: Vec<_> =
                headers.get_all(header).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            if !values.is_empty() {
                facts.push((name, values.join(", ")));
            }
        }
        Seen {
            url: redact::shown(response.url()),
            status: response.status().as_u16(),
            retry_after: retry_after(headers, SystemTime::now()),
            facts,
        }
    }

    /// `404 Not Found`.
    pub(super) fn status_line(&self) -> String {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        reason.map_or_else(|| self.status.to_string(), |reason| format!("{} {reason}", self.status))
    }

    /// The value of a told header.
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Adds the URL and the headers to an error.
    pub(super) fn add_to(&self, error: Error) -> Error {
        self.facts.iter().fold(error.fact("url", &self.url), |error, (name, value)| error.fact(name, value))
    }
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
