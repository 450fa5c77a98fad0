//! HTTP requests: the clients, the headers, the redirects.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Proxy, Response};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::cacert;
use super::cache_bypass::CacheBypass;
use super::certificate::Certificate;
use super::credentials::{self, Credentials};
use super::error::{FetchError, causes};
use super::netrc::UserAndPassword;
use super::options::Options;
use super::proxy::Proxies;
use super::redact;
use super::response::HttpResponse;
use super::throttle::Throttle;
use super::tls::TlsProblem;
use super::verifier::Verifier;
use crate::error::{Error, Result};

/// How many redirects are followed; browsers follow 20, curl 50, and no honest server needs ten.
const REDIRECTS: usize = 10;

/// One request.
#[derive(Clone, Default)]
pub(super) struct Request {
    /// The bytes from this offset on, up to the second (exclusive) if there is one; `None` for the whole file.
    pub(super) range: Option<(u64, Option<u64>)>,
    /// The range only if the file is still this version (RFC 9110, section 13.1.5), else all of it: for files that
    /// are not pinned. For those that are, the digest decides.
    pub(super) if_range: Option<String>,
    /// How to get past caches. The URL already has what [`CacheBypass::UniqueUrl`] adds.
    pub(super) bypass: CacheBypass,
    /// Which connection it takes.
    pub(super) link: Link,
    /// The media types that are wanted; any where it is `None`.
    pub(super) accept: Option<&'static str>,
    /// What the first server is told in place of the user's credentials for it. Where it redirects to another, that one is
    /// not told.
    pub(super) authorization: Option<Authorization>,
    /// A form to post: then no redirect is followed, for it may hold a secret.
    pub(super) form: Option<String>,
}

/// Proof of who asks. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    /// A user and a password.
    Basic(UserAndPassword),
    /// A token.
    Bearer(String),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization")
    }
}

/// The connection of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Link {
    /// One that may be shared with other requests.
    #[default]
    Shared,
    /// One of its own: over HTTP/2, parallel requests would share one, and its throttle.
    Separate,
}

/// The clients for all servers, with credentials, throttle and limits.
pub(super) struct Http {
    options: Options,
    shared: OnceLock<Client>,
    separate: OnceLock<Client>,
    credentials: Credentials,
    proxies: Proxies,
    throttle: Throttle,
    extra: Semaphore,
    given: Arc<Vec<Certificate>>,
    verifier: OnceLock<Arc<Verifier>>,
}

impl Http {
    /// # Errors
    /// The `--cacert` file cannot be read or holds no certificate.
    pub(super) fn new(options: Options) -> Result<Self> {
        let given = options.cacert.as_deref().map_or(Ok(Vec::new()), cacert::read)?;
        Ok(Http {
            throttle: Throttle::new(options.limit_rate),
            extra: Semaphore::new(options.extra_connections),
            credentials: Credentials::read(),
            proxies: Proxies::from_environment()?,
            shared: OnceLock::new(),
            separate: OnceLock::new(),
            given: Arc::new(given),
            verifier: OnceLock::new(),
            options,
        })
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// What is wrong with netrc, if anything is.
    pub(super) fn netrc_fault(&self) -> Option<&str> {
        self.credentials.fault()
    }

    /// Waits for a permit for one more connection besides the first of an artifact; never `None`.
    pub(super) async fn extra_connection(&self) -> Option<SemaphorePermit<'_>> {
        self.extra.acquire().await.ok()
    }

    /// Sends the request and follows redirects; returns the response once its head arrived, if it is a success.
    ///
    /// # Errors
    /// No response, or one that is not a success.
    pub(super) async fn get(&self, url: &Url, request: &Request) -> Result<HttpResponse<'_>, FetchError> {
        let mut here = url.clone();
        let mut info = vec![here.clone()];
        loop {
            let authorization = request.authorization.as_ref().filter(|_| here.origin() == url.origin());
            let response = self.send(&here, request, authorization).await?;
            let refuse = |why: String| FetchError::Redirect { url: redact::shown(url), why };
            let location = match response.status().as_u16() {
                300 | 301 | 302 | 303 | 307 | 308 if request.form.is_none() => response.headers().get(header::LOCATION),
                _ => None,
            };
            let Some(location) = location else {
                let first = request.range.map(|range| range.0);
                let read = HttpResponse::new((&self.options, &self.throttle), response, here, first);
                return read.map_err(|error| error.with_netrc_fault(self.netrc_fault()));
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            let next = here.join(&location).map_err(|_| refuse("it leads to a place that is not a URL".into()))?;
            let place = redact::shown_location(&here, &location);
            match (here.scheme(), next.scheme()) {
                ("https", "http") => return Err(refuse(format!("it leads from https down to {place}"))),
                (_, "http" | "https") => {}
                _ => return Err(refuse(format!("it leads to {place}, which is neither http nor https"))),
            }
            let next = credentials::carried(url, next);
            if info.contains(&next) {
                return Err(refuse(format!("it leads in a circle: {place} was requested before")));
            }
            if info.len() > REDIRECTS {
                return Err(refuse(format!("it leads on after {REDIRECTS} redirects, to {place}")));
            }
            info.push(next.clone());
            here = next;
        }
    }

    /// The user's credentials for `url`.
    pub(super) fn basic(&self, url: &Url) -> Option<Authorization> {
        self.credentials.of(url).map(Authorization::Basic)
    }

    async fn send(
        &self,
        url: &Url,
        wanted: &Request,
        authorization: Option<&Authorization>,
    ) -> Result<Response, FetchError> {
        // The library would send the URL's credentials a second time, and two such headers are a bad request.
        let client = self.client(wanted.link)?;
        let mut request = match &wanted.form {
            None => client.get(redact::bare(url)),
            Some(form) => {
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                client.post(redact::bare(url)).header(header::CONTENT_TYPE, kind).body(form.clone())
            }
        };
        match authorization.cloned().or_else(|| self.basic(url)) {
            Some(Authorization::Basic(login)) => request = request.header(header::AUTHORIZATION, login.header()),
            Some(Authorization::Bearer(token)) => request = request.bearer_auth(token),
            None => {}
        }
        if let Some(accept) = wanted.accept {
            request = request.header(header::ACCEPT, accept);
        }
        if let Some((from, to)) = wanted.range {
            let to = to.map_or(String::new(), |to| (to - 1).to_string());
            request = request.header(header::RANGE, format!("bytes={from}-{to}"));
            if let Some(validator) = &wanted.if_range {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        if wanted.bypass.is_active() {
            request = request.header(header::CACHE_CONTROL, "no-cache").header(header::PRAGMA, "no-cache");
        }
        let longest = self.options.stall.saturating_add(self.options.connect);
        match tokio::time::timeout(longest, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let url = redact::shown(url);
                Err(match TlsProblem::behind(&error) {
                    Some(problem) => FetchError::Tls { url, problem },
                    None => FetchError::Connect { url, cause: causes(&error) },
                })
            }
            Err(_) => Err(FetchError::Stall { url: redact::shown(url), waited: longest, received: 0 }),
        }
    }

    /// The client, made when first needed: reading the system's certificates takes time.
    fn client(&self, link: Link) -> Result<&Client> {
        let place = match link {
            Link::Shared => &self.shared,
            Link::Separate => &self.separate,
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let verifier = self.verifier.get_or_init(|| Arc::new(Verifier::new(self.given.clone())));
        let protocols: &[&str] = if link == Link::Separate { &["http/1.1"] } else { &["h2", "http/1.1"] };
        let unusable = |cause: String| {
            Error::failed("the network cannot be used")
                .fact("cause", cause)
                .hint("check the proxy variables (http_proxy, https_proxy, all_proxy) and the --cacert file")
        };
        let tls = verifier.config(protocols).map_err(|error| unusable(error.to_string()))?;
        let proxies = self.proxies.clone();
        let proxy = Proxy::custom(move |url| proxies.of(url).cloned());
        let builder = builder(&self.options).no_proxy().proxy(proxy).tls_backend_preconfigured(tls);
        let builder = if link == Link::Separate { builder.http1_only() } else { builder };
        let client = builder.build().map_err(|error| unusable(causes(&error)))?;
        Ok(place.get_or_init(|| client))
    }
}

fn builder(options: &Options) -> ClientBuilder {
    // Any coding on the way would come between the bytes and their digest.
    let identity = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    Client::builder()
        .user_agent(concat!("pack/", env!("CARGO_PKG_VERSION")))
        .default_headers(identity)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect)
        .tcp_keepalive(Duration::from_secs(30))
        // HTTP/2's own default of 64 KiB in flight is slow on every link with some delay.
        .http2_initial_stream_window_size(2 << 20)
        .http2_initial_connection_window_size(8 << 20)
        .http1_max_headers(1 << 10)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http2_max_header_list_size(64 << 10)
        .http2_keep_alive_interval(Duration::from_secs(15))
}
