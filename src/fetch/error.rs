//! Everything that can go wrong with one request, and the one place that decides what to do about it.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use super::promise::Promise;
use super::response_head::ResponseInfo;
use super::tls::TlsProblem;
use crate::digest::{Descriptor, Digest};
use crate::error::{Class, Error, printable};

/// Why a request failed. Its URLs carry no secrets and may be shown.
#[derive(Debug)]
pub(super) enum FetchError {
    /// A fault of the disk or the manifest: no server can help.
    Own(Error),
    /// No connection, or it broke before a response arrived.
    Connect {
        /// The requested URL.
        url: String,
        /// What the network library said.
        cause: String,
    },
    /// The server's certificate was refused.
    Tls {
        /// The requested URL.
        url: String,
        /// Why.
        problem: TlsProblem,
    },
    /// The response's status is not a success.
    Status {
        /// Who answered.
        info: Box<ResponseInfo>,
        /// What was requested: the server may refuse only a part of the file.
        requested: Requested,
    },
    /// Redirects that are not followed.
    Redirect {
        /// The URL first requested.
        url: String,
        /// Why not.
        why: String,
    },
    /// The body ended before the file did.
    Cut {
        /// Who answered.
        info: Box<ResponseInfo>,
        /// The bytes of this response that arrived.
        received: u64,
        /// What the network library said.
        cause: String,
    },
    /// The server sent nothing, or too little, for too long.
    Stall {
        /// The requested URL.
        url: String,
        /// For how long.
        waited: Duration,
        /// The bytes that arrived in that time.
        received: u64,
    },
    /// The server's `Retry-After`, perhaps of another artifact's request, is beyond the longest pause.
    BackOff {
        /// The URL that is not requested.
        url: String,
        /// The time left.
        wait: Duration,
    },
    /// The response is not the range that was requested.
    WrongRange(Box<ResponseInfo>),
    /// A complete response that is not what was pinned: stale, or another file.
    WrongContent(Box<WrongContent>),
    /// A response whose head says that its body is not the file.
    Unusable(Error),
    /// A local file is not there.
    Absent {
        /// Its URL.
        url: String,
    },
    /// A local file could not be read to its end.
    Local(Error),
}

/// A complete response with other bytes than were pinned.
#[derive(Debug)]
pub(super) struct WrongContent {
    /// Who answered.
    pub(super) info: ResponseInfo,
    /// Its size.
    pub(super) size: ActualSize,
    /// Its digest; `None` if it was not read to its end.
    pub(super) digest: Option<Digest>,
    /// Who promised other bytes, and which; `None` for the manifest's pin, which whoever fetches adds.
    promise: Option<(Promise, Descriptor)>,
}

/// The size of a response with wrong content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActualSize {
    /// This many bytes.
    Exactly(u64),
    /// More bytes than that; the rest was not read.
    MoreThan(u64),
}

impl FetchError {
    /// A complete response whose bytes are not those that were pinned.
    pub(super) fn wrong_content(info: &ResponseInfo, size: ActualSize, digest: Option<Digest>) -> Self {
        FetchError::WrongContent(Box::new(WrongContent { info: info.clone(), size, digest, promise: None }))
    }

    /// A complete response whose bytes are not those that another part of the image names.
    pub(super) fn broken_promise(
        info: &ResponseInfo,
        promise: Promise,
        promised: Descriptor,
        size: ActualSize,
    ) -> Self {
        let promise = Some((promise, promised));
        FetchError::WrongContent(Box::new(WrongContent { info: info.clone(), size, digest: None, promise }))
    }

    /// Notes the digest of a wrong response.
    pub(super) fn with_digest(mut self, digest: Digest) -> Self {
        if let FetchError::WrongContent(wrong) = &mut self {
            wrong.digest = Some(digest);
        }
        self
    }

    /// Notes that it was `registry` that was asked, and what is wrong with this user's logins.
    pub(super) fn of_registry(mut self, registry: &str, fault: Option<&str>) -> Self {
        if let FetchError::Status { info, .. } = &mut self {
            info.registry = Some(registry.to_owned());
            if let Some(fault) = fault {
                info.add_fact("login", fault);
            }
        }
        self
    }
}

impl WrongContent {
    /// Notes what all of it is.
    pub(super) fn was_read(&mut self, actual: Descriptor) {
        self.size = ActualSize::Exactly(actual.size);
        self.digest = Some(actual.digest);
    }
}

impl fmt::Display for ActualSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActualSize::Exactly(size) => write!(f, "{size} bytes"),
            ActualSize::MoreThan(size) => write!(f, "more than {size} bytes"),
        }
    }
}

/// What part of a file a request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requested {
    /// All of it.
    Whole,
    /// A range.
    Range,
}

/// What to do after a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// It may pass: retry, not before this time.
    RetryAfter(Option<Duration>),
    /// A retry is no use; another URL may help.
    TryOther,
    /// The origin server may have the right bytes: retry past the caches.
    BypassCaches,
    /// Nothing helps.
    Abort,
}

impl FetchError {
    /// Where access is denied, tells what is wrong with netrc.
    pub(super) fn with_netrc_fault(mut self, fault: Option<&str>) -> Self {
        if let (FetchError::Status { info, .. }, Some(fault)) = (&mut self, fault)
            && matches!(info.status, 401 | 403)
        {
            info.add_fact("netrc", fault);
        }
        self
    }

    /// The only place that tells transient from fatal.
    pub(super) fn decision(&self) -> RetryDecision {
        match self {
            FetchError::Own(_) => RetryDecision::Abort,
            FetchError::Tls { .. } => RetryDecision::TryOther,
            FetchError::Connect { .. } | FetchError::Cut { .. } | FetchError::Stall { .. } => {
                RetryDecision::RetryAfter(None)
            }
            // Request Timeout, Misdirected Request, Too Early, Too Many Requests (RFC 9110, 8470, 6585)
            // and the server's own troubles; "not implemented" and the like will not pass.
            FetchError::Status { info, .. } => match info.status {
                408 | 421 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 509 | 520..=599 => {
                    RetryDecision::RetryAfter(info.retry_after)
                }
                _ => RetryDecision::TryOther,
            },
            FetchError::WrongRange(_) => RetryDecision::RetryAfter(None),
            FetchError::Redirect { .. }
            | FetchError::BackOff { .. }
            | FetchError::Unusable(_)
            | FetchError::Absent { .. }
            | FetchError::Local(_) => RetryDecision::TryOther,
            FetchError::WrongContent(_) => RetryDecision::BypassCaches,
        }
    }

    /// Whether the server says that the file does not exist. It counts as healthy.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            FetchError::Absent { .. } => true,
            FetchError::Status { info, .. } => matches!(info.status, 404 | 410),
            _ => false,
        }
    }

    /// Whether the server denies access. Some servers answer so for files that do not exist.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, FetchError::Status { info, .. } if matches!(info.status, 401 | 403))
    }

    /// Whether it answers a request for a range, and a request for the whole file may succeed. A file that does
    /// not exist, or a request that was sent too slowly, has nothing to do with ranges.
    pub(super) fn is_refused_range(&self) -> bool {
        match self {
            FetchError::Status { info, requested: Requested::Range } => !matches!(info.status, 404 | 408 | 410 | 451),
            FetchError::WrongRange(_) => true,
            _ => false,
        }
    }

    /// Whether the content is wrong, rather than out of reach.
    pub(super) fn is_wrong_content(&self) -> bool {
        match self {
            FetchError::WrongContent(_) => true,
            FetchError::Local(error) => error.class() == Class::Integrity,
            _ => false,
        }
    }

    /// One line for the progress notes: the title, and the cause where there is one.
    pub(super) fn line(&self) -> String {
        let title = self.describe().title().to_owned();
        match self.cause() {
            Some(cause) => format!("{title} ({})", printable(cause)),
            None => title,
        }
    }

    fn cause(&self) -> Option<&str> {
        match self {
            FetchError::Connect { cause, .. }
            | FetchError::Cut { cause, .. }
            | FetchError::Redirect { why: cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// The error to report when no source helped.
    pub(super) fn into_error(self) -> Error {
        match self {
            FetchError::Own(error) | FetchError::Unusable(error) | FetchError::Local(error) => error,
            other => other.describe(),
        }
    }

    fn describe(&self) -> Error {
        const AGAIN: &str = "run the same command again: the bytes received are kept and not fetched twice";
        match self {
            FetchError::Own(error) | FetchError::Unusable(error) | FetchError::Local(error) => {
                Error::failed(error.title())
            }
            FetchError::Tls { url, problem } => problem.error(url),
            FetchError::Connect { url, cause } => Error::failed("the server cannot be reached")
                .fact("url", url)
                .fact("cause", cause)
                .hint("check the network, the proxy variables (https_proxy) and the URL, for example with 'curl -I'"),
            FetchError::Status { info, .. } if info.registry.is_some() => info.refused_by_registry(),
            FetchError::Status { info, .. } => {
                let error = info.add_to(Error::failed(format_args!("the server answered {}", info.status_line())));
                error.hint(match info.status {
                    401 | 403 | 407 => "check the credentials: in the URL, in ~/.netrc or in the proxy variables",
                    404 | 410 => "check the URL in the manifest, or give a mirror with --mirror URL",
                    429 | 503 => "the server asks to wait: run the same command again later",
                    _ => AGAIN,
                })
            }
            FetchError::Redirect { url, why } => Error::failed("the server redirects to where pack does not follow")
                .fact("url", url)
                .fact("cause", why)
                .hint("check where it leads with 'curl -IL', and put a URL into the manifest that leads to the file"),
            FetchError::Cut { info, received, cause } => info
                .add_to(Error::failed("the connection ended before the file did"))
                .fact("received", format_args!("{received} bytes of this response"))
                .fact("cause", cause)
                .hint(AGAIN),
            FetchError::Stall { url, waited, received } => Error::failed("the server stopped sending data")
                .fact("url", url)
                .fact("waited", format_args!("{} s, in which {received} bytes arrived", waited.as_secs_f32()))
                .hint(AGAIN),
            FetchError::BackOff { url, wait } => Error::failed("the server asks to wait longer than pack does")
                .fact("url", url)
                .fact("retry-after", format_args!("{} s more", wait.as_secs()))
                .hint("run the same command again after that time, or give another server with --mirror URL"),
            FetchError::WrongRange(info) => info
                .add_to(Error::failed("the server sent another part of the file than was requested"))
                .hint("give another server with --mirror URL"),
            FetchError::WrongContent(wrong) => {
                let title = "the server has other bytes than the manifest pins";
                let mut error = Error::integrity(wrong.promise.map_or(title, |(promise, _)| promise.broken()));
                error = wrong.info.add_to(error);
                if let Some((_, promised)) = wrong.promise {
                    error = error.fact("expected digest", promised.digest);
                }
                error = error.fact("actual size", wrong.size);
                error = match wrong.digest {
                    Some(digest) => error.fact("actual digest", digest),
                    None => error.fact("actual digest", "not read: the size differs already"),
                };
                if wrong.promise.is_some() {
                    return error.hint(
                        "the registry's copy is damaged, or a proxy changed it: ask the registry's operator, or give the \
                         image from another registry in the manifest",
                    );
                }
                error.hint(
                    "the server's copy is stale or another version: ask its operator to purge it, give a good copy with \
                     --mirror URL, or get the manifest that belongs to it",
                )
            }
            FetchError::Absent { url } => Error::failed("the file does not exist")
                .fact("url", url)
                .hint("check the path with 'ls', or correct the URL in the manifest"),
        }
    }
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        FetchError::Own(error)
    }
}

/// What the network library reports, down to the first cause, without the URL (it may carry a secret).
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    if said.is_empty() {
        return if error.is_timeout() { "it took too long".into() } else { "the request failed".into() };
    }
    said.join(": ")
}
