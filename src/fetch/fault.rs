//! Everything that can go wrong with one request, and the one place that decides what that means.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use super::seen::Seen;
use crate::digest::Digest;
use crate::error::{Class, Error};

/// Why a request did not bring what was wanted. URLs in it are fit to be shown.
#[derive(Debug)]
pub(super) enum Fault {
    /// The disk or the manifest: no server can help.
    Ours(Error),
    /// No connection, or it broke before an answer came.
    Link {
        /// The URL asked for.
        url: String,
        /// What the network library said.
        cause: String,
        /// The server could not prove who it is.
        untrusted: bool,
    },
    /// The answer's status is no success.
    Status {
        /// Who answered.
        seen: Box<Seen>,
        /// A part of the file was asked for: it may be only that which the server refuses.
        ranged: bool,
    },
    /// Redirects that are not followed.
    Redirect {
        /// The URL first asked for.
        url: String,
        /// Why not.
        why: String,
    },
    /// The body ended before the end that was promised.
    Cut {
        /// Who answered.
        seen: Box<Seen>,
        /// Bytes of this answer that came.
        came: u64,
        /// What the network library said.
        cause: String,
    },
    /// Nothing, or too little, came for too long.
    Stall {
        /// The URL asked for.
        url: String,
        /// For how long.
        waited: Duration,
        /// How many bytes came in that time.
        came: u64,
    },
    /// It asked, perhaps for the sake of another artifact, to be left alone for longer than anybody waits.
    Resting {
        /// The URL that is not asked for.
        url: String,
        /// For how long yet.
        wait: Duration,
    },
    /// The answer does not begin where it was asked to.
    WrongRange(Box<Seen>),
    /// A complete answer that is not what was pinned: stale, or another file altogether.
    Wrong(Box<Wrong>),
    /// An answer whose head says that its body is not the file.
    Unfit(Error),
    /// A local file is not there.
    NotThere {
        /// Its URL.
        url: String,
    },
    /// A local file could not be read to its end.
    Local(Error),
}

/// A complete answer with other bytes than were pinned.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Who answered.
    pub(super) seen: Seen,
    /// How many bytes it has.
    pub(super) size: Came,
    /// Its digest, where all of it was read.
    pub(super) digest: Option<Digest>,
}

/// How many bytes a wrong answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// So many.
    All(u64),
    /// More than that; nobody waited for the end.
    MoreThan(u64),
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Came::All(size) => write!(f, "{size} bytes"),
            Came::MoreThan(size) => write!(f, "more than {size} bytes"),
        }
    }
}

/// What to do after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may pass: ask again, not before so long.
    Transient(Option<Duration>),
    /// Asking the same again is no use; another URL may help.
    Fatal,
    /// The same URL may have the right bytes behind its caches.
    Stale,
    /// Nothing helps.
    Over,
}

impl Fault {
    /// Transient or fatal: the only place that decides.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Fault::Ours(_) => Verdict::Over,
            Fault::Link { untrusted: true, .. } => Verdict::Fatal,
            Fault::Link { .. } | Fault::Cut { .. } | Fault::Stall { .. } => Verdict::Transient(None),
            // Request Timeout, Misdirected Request, Too Early, Too Many Requests (RFC 9110, 8470, 6585)
            // and the server's own troubles; "not implemented" and the like will not pass.
            Fault::Status { seen, .. } => match seen.status {
                408 | 421 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 509 | 520..=599 => {
                    Verdict::Transient(seen.retry_after)
                }
                _ => Verdict::Fatal,
            },
            Fault::WrongRange(_) => Verdict::Transient(None),
            Fault::Redirect { .. }
            | Fault::Resting { .. }
            | Fault::Unfit(_)
            | Fault::NotThere { .. }
            | Fault::Local(_) => Verdict::Fatal,
            Fault::Wrong(_) => Verdict::Stale,
        }
    }

    /// Whether the file is not there, which says nothing against the server.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Fault::NotThere { .. } => true,
            Fault::Status { seen, .. } => matches!(seen.status, 404 | 410),
            _ => false,
        }
    }

    /// Whether the server keeps the file from us, if there is one: some say so of every file that is not there.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Fault::Status { seen, .. } if matches!(seen.status, 401 | 403))
    }

    /// Whether it answers a request for a part of the file, and all of it may be had for all that. A file that is
    /// not there, or a request that came too slowly, has nothing to do with parts.
    pub(super) fn is_refused_range(&self) -> bool {
        match self {
            Fault::Status { seen, ranged } => *ranged && !matches!(seen.status, 404 | 408 | 410 | 451),
            Fault::WrongRange(_) => true,
            _ => false,
        }
    }

    /// Whether it is the bytes that are wrong, rather than the way to them.
    pub(super) fn is_about_bytes(&self) -> bool {
        match self {
            Fault::Wrong(_) => true,
            Fault::Local(error) => error.class() == Class::Integrity,
            _ => false,
        }
    }

    /// One line, for whoever watches.
    pub(super) fn line(&self) -> String {
        let error = self.describe();
        match error.fact_named("cause") {
            Some(cause) => format!("{} ({cause})", error.title()),
            None => error.title().to_owned(),
        }
    }

    /// The error, when nothing else helped.
    pub(super) fn into_error(self) -> Error {
        match self {
            Fault::Ours(error) | Fault::Unfit(error) | Fault::Local(error) => error,
            other => other.describe(),
        }
    }

    fn describe(&self) -> Error {
        const AGAIN: &str = "run the same command again: what came so far is kept and not fetched twice";
        match self {
            Fault::Ours(error) | Fault::Unfit(error) | Fault::Local(error) => Error::failed(error.title()),
            Fault::Link { url, cause, untrusted: true } => Error::failed("the server's certificate is not trusted")
                .fact("url", url)
                .fact("cause", cause)
                .hint("if a proxy or a private authority signs here, give its certificate with --cacert FILE"),
            Fault::Link { url, cause, .. } => Error::failed("the server cannot be reached")
                .fact("url", url)
                .fact("cause", cause)
                .hint("check the network, the proxy variables (https_proxy) and the URL, for example with 'curl -I'"),
            Fault::Status { seen, .. } => {
                let error = seen.add_to(Error::failed(format_args!("the server answered {}", seen.status_line())));
                error.hint(match seen.status {
                    401 | 403 | 407 => "check the credentials: in the URL, in ~/.netrc or in the proxy variables",
                    404 | 410 => "check the URL in the manifest, or give a mirror with --mirror URL",
                    429 | 503 => "the server asks for patience: run the same command again later",
                    _ => AGAIN,
                })
            }
            Fault::Redirect { url, why } => Error::failed("the server redirects to where pack does not follow")
                .fact("url", url)
                .fact("cause", why)
                .hint("check where it leads with 'curl -IL', and put a URL into the manifest that leads to the file"),
            Fault::Cut { seen, came, cause } => seen
                .add_to(Error::failed("the connection ended before the file did"))
                .fact("received", format_args!("{came} bytes of this answer"))
                .fact("cause", cause)
                .hint(AGAIN),
            Fault::Stall { url, waited, came } => Error::failed("the server has gone quiet")
                .fact("url", url)
                .fact("waited", format_args!("{} s, in which {came} bytes came", waited.as_secs_f32()))
                .hint(AGAIN),
            Fault::Resting { url, wait } => Error::failed("the server asked for more patience than pack has")
                .fact("url", url)
                .fact("retry-after", format_args!("{} s more", wait.as_secs()))
                .hint("run the same command again after that time, or give another server with --mirror URL"),
            Fault::WrongRange(seen) => seen
                .add_to(Error::failed("the server sent another part of the file than was asked for"))
                .hint("give another server with --mirror URL"),
            Fault::Wrong(wrong) => {
                let mut error = Error::integrity("the server has other bytes than the manifest pins");
                error = wrong.seen.add_to(error).fact("actual size", wrong.size);
                error = match wrong.digest {
                    Some(digest) => error.fact("actual digest", digest),
                    None => error.fact("actual digest", "not read: the size tells already"),
                };
                error.hint(
                    "what the server holds is stale or not this version: ask its operator to purge it, give a good \
                     copy with --mirror URL, or get the manifest that belongs to it",
                )
            }
            Fault::NotThere { url } => Error::failed("the file is not there")
                .fact("url", url)
                .hint("check the path with 'ls', or mend the URL in the manifest"),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Ours(error)
    }
}

/// What the network library says, down to the first cause, without the URL (it may carry a secret).
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
