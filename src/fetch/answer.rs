//! One HTTP answer: what its head says, and its body piece by piece.

use std::ops::Range;
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, Version};
use url::Url;

use super::fault::{Fault, causes};
use super::options::Options;
use super::seen::Seen;
use super::throttle::Throttle;

/// An answer with a status of success whose body has not been read yet.
pub(super) struct Answer<'a> {
    options: &'a Options,
    throttle: &'a Throttle,
    response: Response,
    url: Url,
    /// What its head says.
    pub(super) seen: Seen,
    /// The whole file's size, where the head tells it.
    pub(super) total: Option<u64>,
    came: u64,
    /// What [`Answer::begins`] waited for, until it is taken.
    ahead: Option<bytes::Bytes>,
    window: Window,
}

impl<'a> Answer<'a> {
    /// Reads the head of what `url` answered. `asked` is where the range asked for begins, if one was.
    pub(super) fn new(
        options: &'a Options,
        throttle: &'a Throttle,
        response: Response,
        url: Url,
        asked: Option<u64>,
    ) -> Result<Self, Fault> {
        let seen = Seen::of(&response);
        let total = match seen.status {
            206 => {
                let (range, total) = match content_range(response.headers()) {
                    Some(range) => range,
                    None => return Err(Fault::WrongRange(Box::new(seen))),
                };
                if asked != Some(range.start) {
                    return Err(Fault::WrongRange(Box::new(seen)));
                }
                total
            }
            200 => declared_length(&response),
            _ => return Err(Fault::Status { seen: Box::new(seen), ranged: asked.is_some() }),
        };
        Ok(Answer { options, throttle, response, url, seen, total, came: 0, ahead: None, window: Window::default() })
    }

    /// The URL that answered, after redirects, with the credentials that were for it.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the server says that it can send ranges of this file.
    pub(super) fn takes_ranges(&self) -> bool {
        let says = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"bytes");
        self.seen.status == 206 || self.response.headers().get(header::ACCEPT_RANGES).is_some_and(says)
    }

    /// What to send as `If-Range` (RFC 9110, section 13.1.5): a strong `ETag`, else `Last-Modified`.
    pub(super) fn validator(&self) -> Option<String> {
        self.strong_tag()
            .or_else(|| self.response.headers().get(header::LAST_MODIFIED)?.to_str().ok())
            .map(str::to_owned)
    }

    /// The `ETag`, where it is a strong one (RFC 9110, section 8.8.3).
    pub(super) fn strong_tag(&self) -> Option<&str> {
        let tag = self.response.headers().get(header::ETAG)?.to_str().ok()?;
        tag.starts_with('"').then_some(tag)
    }

    /// A validator that no other state of the file has: a strong `ETag`, or a `Last-Modified` that was a minute
    /// old when the server answered, so that no second change can have had the same (RFC 9110, section 8.8.2.2,
    /// and RFC 7232, which said how long).
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

    /// Whether the end of the body is the server's word rather than perhaps a broken connection: HTTP/1
    /// without a length or chunks just closes (RFC 9112, section 6.3).
    pub(super) fn end_is_certain(&self) -> bool {
        let headers = self.response.headers();
        self.response.version() >= Version::HTTP_2
            || headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING)
    }

    /// A coding other than the one asked for, which was none.
    pub(super) fn coding(&self) -> Option<&str> {
        self.seen.fact("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"))
    }

    /// Waits for the first bytes of the body, which stay to be taken; `false` when there are none.
    pub(super) async fn begins(&mut self) -> Result<bool, Fault> {
        self.ahead = self.piece().await?;
        Ok(self.ahead.is_some())
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<bytes::Bytes>, Fault> {
        if let Some(piece) = self.ahead.take() {
            return Ok(Some(piece));
        }
        let options = self.options;
        let began = Instant::now();
        let piece = match tokio::time::timeout(options.stall, self.response.chunk()).await {
            Err(_) => return Err(self.stalled(options.stall)),
            Ok(Err(error)) => {
                let seen = Box::new(self.seen.clone());
                return Err(Fault::Cut { seen, came: self.came, cause: causes(&error) });
            }
            Ok(Ok(piece)) => piece,
        };
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        self.came += length;
        if !self.window.take(length, began.elapsed(), options.stall, options.slowest) {
            return Err(self.stalled(options.stall));
        }
        self.throttle.pass(length).await;
        Ok(piece)
    }

    /// How many bytes of the body came.
    pub(super) fn came(&self) -> u64 {
        self.came
    }

    fn stalled(&self, waited: Duration) -> Fault {
        Fault::Stall { url: self.seen.url.clone(), waited, came: self.window.came }
    }
}

/// How much came in a stretch of waiting; time in which we did not listen does not count.
#[derive(Debug, Default)]
struct Window {
    came: u64,
    waited: Duration,
}

impl Window {
    /// Whether the pace is still bearable after `bytes` more in `waited` more.
    fn take(&mut self, bytes: u64, waited: Duration, stall: Duration, slowest: u64) -> bool {
        self.came += bytes;
        self.waited += waited;
        if self.waited < stall {
            return true;
        }
        let bearable = self.came as f64 >= slowest as f64 * self.waited.as_secs_f64();
        if bearable {
            *self = Window::default();
        }
        bearable
    }
}

/// `Content-Length`; not `Response::content_length`, which knows only what is left of the body.
fn declared_length(response: &Response) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `Content-Range: bytes 0-499/1234` (RFC 9110, section 14.4).
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.trim().split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total: Option<u64> = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
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
    fn content_ranges_are_read_strictly() {
        let read = |text| content_range(&headers(header::CONTENT_RANGE, text));
        assert_eq!(read("bytes 5-9/20"), Some((5..10, Some(20))));
        assert_eq!(read("bytes 5-9/*"), Some((5..10, None)));
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
