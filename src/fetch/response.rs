//! One HTTP response: its head, and its body chunk by chunk.

use std::ops::Range;
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, Version};
use url::Url;

use super::error::{FetchError, Requested, causes};
use super::options::Options;
use super::response_head::ResponseInfo;
use super::throttle::Throttle;

/// The bytes of a file that a response's body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// All of them.
    Whole,
    /// These.
    Range(Range<u64>),
}

impl Body {
    /// The offset of its first byte.
    pub(super) fn start(&self) -> u64 {
        match self {
            Body::Whole => 0,
            Body::Range(range) => range.start,
        }
    }

    /// The offset behind its last byte, if the head says it.
    pub(super) fn end(&self) -> Option<u64> {
        match self {
            Body::Whole => None,
            Body::Range(range) => Some(range.end),
        }
    }
}

/// A successful response whose body has not been read yet.
pub(super) struct HttpResponse<'a> {
    options: &'a Options,
    throttle: &'a Throttle,
    response: Response,
    url: Url,
    /// Its head, for diagnostics.
    pub(super) info: ResponseInfo,
    /// The bytes of the file that its body holds.
    pub(super) body: Body,
    /// The size of the whole file, if the head says it.
    pub(super) total: Option<u64>,
    received: u64,
    /// The first chunk, if [`HttpResponse::has_body`] read it and nobody took it yet.
    peeked: Option<bytes::Bytes>,
    window: Window,
}

impl<'a> HttpResponse<'a> {
    /// Reads the head of the response of `url` to a request for the bytes from `first` on (`None`: for all of them).
    ///
    /// # Errors
    /// The status is not a success, or the body is not what was requested.
    pub(super) fn new(
        (options, throttle): (&'a Options, &'a Throttle),
        response: Response,
        url: Url,
        first: Option<u64>,
    ) -> Result<Self, FetchError> {
        let info = ResponseInfo::of(&response);
        let (body, total) = match info.status {
            // Some proxies call a copy non-authoritative (203), and some servers a file made or in use (201, 226): where a
            // digest is pinned, that decides. What is only accepted (202) is looked at by who knows the size; what is empty
            // (204) or to be reset (205) has no file.
            200..=203 | 207..=299 => (Body::Whole, declared_length(&response)),
            206 => match (content_range(response.headers()), first) {
                // A range may start earlier than requested, as of caches that keep files in blocks.
                (Some((range, total)), first) if covers(&range, first.unwrap_or(0)) => (Body::Range(range), total),
                // Some servers call all of a file a part of it.
                (None, None) if info.media_type.as_deref() != Some("multipart/byteranges") => {
                    (Body::Whole, declared_length(&response))
                }
                _ => return Err(FetchError::WrongRange(Box::new(info))),
            },
            _ => {
                let requested = if first.is_some() { Requested::Range } else { Requested::Whole };
                return Err(FetchError::Status { info: Box::new(info), requested });
            }
        };
        let (received, peeked, window) = (0, None, Window::default());
        Ok(HttpResponse { options, throttle, response, url, info, body, total, received, peeked, window })
    }

    /// The URL that responded, after redirects, with the credentials for it.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the server says that it supports ranges of this file.
    pub(super) fn supports_ranges(&self) -> bool {
        let says = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"bytes");
        matches!(self.body, Body::Range(_)) || self.response.headers().get(header::ACCEPT_RANGES).is_some_and(says)
    }

    /// A strong `ETag`, else `Last-Modified`.
    fn validator(&self) -> Option<String> {
        self.strong_tag()
            .or_else(|| self.response.headers().get(header::LAST_MODIFIED)?.to_str().ok())
            .map(str::to_owned)
    }

    /// The version of the file, if the server names one: the strong `ETag`.
    pub(super) fn version(&self) -> Option<String> {
        self.strong_tag().map(str::to_owned)
    }

    /// The `ETag`, where it is a strong one (RFC 9110, section 8.8.3).
    fn strong_tag(&self) -> Option<&str> {
        let tag = self.response.headers().get(header::ETAG)?.to_str().ok()?;
        tag.starts_with('"').then_some(tag)
    }

    /// A validator that no other version of the file has, for `If-Range` (RFC 9110, section 13.1.5): a strong `ETag`, or
    /// a `Last-Modified` that was a minute old when the server responded, so that no second change can have the same
    /// (RFC 9110, section 8.8.2.2; the minute is of RFC 7232).
    pub(super) fn strong_validator(&self) -> Option<String> {
        let date = |name| {
            let value = self.response.headers().get(name)?.to_str().ok()?;
            httpdate::parse_http_date(value).ok()
        };
        let settled = || {
            let age = date(header::DATE)?.duration_since(date(header::LAST_MODIFIED)?).ok()?;
            (age >= Duration::from_secs(60)).then_some(())
        };
        let validator = self.validator()?;
        (validator.starts_with('"') || settled().is_some()).then_some(validator)
    }

    /// Whether the end of the body cannot be a broken connection: HTTP/1 without a length or chunks just closes
    /// (RFC 9112, section 6.3).
    pub(super) fn end_is_certain(&self) -> bool {
        let headers = self.response.headers();
        self.response.version() >= Version::HTTP_2
            || headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING)
    }

    /// Whether the body is in a content coding, although none was requested.
    pub(super) fn is_coded(&self) -> bool {
        self.info.coding.is_some()
    }

    /// Waits for the first chunk of the body and keeps it for [`HttpResponse::chunk`]; `false` if there is none.
    pub(super) async fn has_body(&mut self) -> Result<bool, FetchError> {
        self.peeked = self.chunk().await?;
        Ok(self.peeked.is_some())
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or the server sends too slowly.
    pub(super) async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, FetchError> {
        if let Some(piece) = self.peeked.take() {
            return Ok(Some(piece));
        }
        let options = self.options;
        let start = Instant::now();
        let piece = match tokio::time::timeout(options.stall, self.response.chunk()).await {
            Err(_) => return Err(self.stalled(options.stall)),
            Ok(Err(error)) => {
                let info = Box::new(self.info.clone());
                return Err(FetchError::Cut { info, received: self.received, cause: causes(&error) });
            }
            Ok(Ok(piece)) => piece,
        };
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        self.received += length;
        if !self.window.take(length, start.elapsed(), options.stall, options.slowest) {
            return Err(self.stalled(options.stall));
        }
        self.throttle.pass(length).await;
        Ok(piece)
    }

    /// The bytes of the body that arrived so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    fn stalled(&self, waited: Duration) -> FetchError {
        FetchError::Stall { url: self.info.url.clone(), waited, received: self.window.received }
    }
}

/// The bytes received in a stretch of waiting. Time in which nothing was read does not count.
#[derive(Debug, Default)]
struct Window {
    received: u64,
    waited: Duration,
}

impl Window {
    /// Whether the pace is still fast enough after `bytes` more in `waited` more.
    fn take(&mut self, bytes: u64, waited: Duration, stall: Duration, slowest: u64) -> bool {
        self.received += bytes;
        self.waited += waited;
        if self.waited < stall {
            return true;
        }
        let fast_enough = self.received as f64 >= slowest as f64 * self.waited.as_secs_f64();
        if fast_enough {
            *self = Window::default();
        }
        fast_enough
    }
}

/// Whether `range` has the byte at `first`, and perhaps others before it.
fn covers(range: &Range<u64>, first: u64) -> bool {
    range.start <= first && first < range.end
}

/// `Content-Length`; not `Response::content_length`, which knows only what is left of the body. Where the body comes in
/// chunks it says nothing (RFC 9112, section 6.3).
fn declared_length(response: &Response) -> Option<u64> {
    if response.headers().contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `Content-Range: bytes 0-499/1234` (RFC 9110, section 14.4), also as `Bytes` or with `=` or `:` behind the unit.
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.trim();
    let (unit, rest) = text.split_at_checked(5)?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, total) = rest.trim_start_matches([' ', '\t', '=', ':']).split_once('/')?;
    let (first, last) = range.trim().split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total: Option<u64> = if total.trim() == "*" { None } else { Some(total.trim().parse().ok()?) };
    let end = last.checked_add(1)?;
    let sound = first <= last && total.is_none_or(|total| end <= total);
    sound.then_some((first..end, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a header value"))])
    }

    #[test]
    fn content_ranges_are_read_as_servers_write_them() {
        let read = |text| content_range(&headers(header::CONTENT_RANGE, text));
        assert_eq!(read("bytes 5-9/20"), Some((5..10, Some(20))));
        assert_eq!(read("bytes 5-9/*"), Some((5..10, None)));
        for lax in ["Bytes 5-9/20", "bytes=5-9/20", "bytes: 5-9/20", "bytes 5-9 / 20"] {
            assert_eq!(read(lax), Some((5..10, Some(20))), "{lax}");
        }
        let overflowing = format!("bytes 5-{}/*", u64::MAX);
        for bad in
            [&overflowing, "bytes 9-5/20", "bytes 5-20/20", "items 5-9/20", "bytes */20", "bytes -5/20", "bytes 5-9"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_drip_is_a_stall_and_a_pause_of_ours_is_not() {
        let (stall, slowest) = (Duration::from_secs(10), 100);
        let mut drip = Window::default();
        assert!((0..9).all(|_| drip.take(1, Duration::from_secs(1), stall, slowest)));
        assert!(!drip.take(1, Duration::from_secs(1), stall, slowest));
        let mut steady = Window::default();
        assert!((0..100).all(|_| steady.take(200, Duration::from_secs(1), stall, slowest)));
    }
}
