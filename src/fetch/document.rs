//! Documents: small files, read into memory. The manifest, and what lies beside it.

use std::io::Read;

use url::Url;

use super::cache_bypass::CacheBypass;
use super::error::{FetchError, Requested};
use super::host_state::HostStates;
use super::http::{Http, Request};
use super::local::{self, Local};
use super::redact;
use super::response_head::ResponseInfo;
use super::schedule::{SourceQueue, Target, Try, TryReport};
use super::sources::Source;
use crate::digest::BoundedReader;
use crate::error::{Error, Result};

/// Which document to fetch, and how.
#[derive(Clone, Copy)]
pub struct DocumentRequest<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// The most bytes that it may have.
    pub limit: u64,
    /// How to get past caches. Requests always say `no-cache`, for no digest tells yesterday's document.
    pub bypass: CacheBypass,
    /// Gets a line for each try that failed.
    pub notes: &'a (dyn Fn(String) + Sync),
}

/// A document and where it came from.
#[derive(Debug, Clone)]
pub struct Document {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Its source.
    pub source: DocumentSource,
}

/// The result of a request for a document that need not exist.
#[derive(Debug)]
pub enum Lookup {
    /// It exists.
    Found(Box<Document>),
    /// Its host says that it does not exist.
    Absent,
    /// Its host denies access, as some do for files that do not exist: nobody can say whether this one does.
    Denied(Error),
}

/// Where a document came from.
#[derive(Debug, Clone)]
pub struct DocumentSource {
    /// Its URL, after redirects.
    pub url: Url,
    /// The head of the response, if it came over the network.
    info: Option<Box<ResponseInfo>>,
}

impl DocumentSource {
    /// On this machine.
    pub(super) fn local(url: &Url) -> Self {
        DocumentSource { url: url.clone(), info: None }
    }

    /// Whether it came over the network.
    pub fn is_remote(&self) -> bool {
        self.info.is_some()
    }

    /// Its URL, without secrets.
    pub fn shown(&self) -> String {
        redact::shown(&self.url)
    }

    /// Its media type, as the server told it: without parameters, in lower case.
    pub fn media_type(&self) -> Option<&str> {
        self.info.as_ref()?.media_type.as_deref()
    }

    /// Adds to an error which server sent it, and what that says of its age.
    pub fn add_to(&self, error: Error) -> Error {
        match &self.info {
            Some(info) => info.add_to(error),
            None => error,
        }
    }
}

/// Fetches a document.
///
/// # Errors
/// It cannot be fetched, or has more than [`DocumentRequest::limit`] bytes.
pub(super) async fn get(http: &Http, request: DocumentRequest<'_>) -> Result<Lookup> {
    if let Some(local) = local::at(request.url) {
        return read(&local, request);
    }
    if !matches!(request.url.scheme(), "http" | "https") {
        return Err(Error::usage("the URL cannot be used")
            .fact("url", redact::shown(request.url))
            .hint("use an http, https or file URL, or a path"));
    }
    let hosts = HostStates::default();
    let host = request.url.origin().ascii_serialization();
    let source = Source { url: request.url.clone(), host, image: None, is_saved: false };
    let mut queue = SourceQueue::new(vec![source], &hosts, http.options(), 0);
    match queue.drive(&mut DocumentTarget { http, request }, request.notes).await? {
        Some(lookup) => Ok(lookup),
        None => Err(queue.into_error()),
    }
}

fn read(local: &Local, request: DocumentRequest<'_>) -> Result<Lookup> {
    let shown = redact::shown(request.url);
    let reader = match local.open(&shown) {
        Err(error) if error.is_absence() => return Ok(Lookup::Absent),
        other => other.map_err(FetchError::into_error)?,
    };
    let mut bytes = Vec::new();
    match BoundedReader::new(reader, request.limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(Lookup::Found(Box::new(Document { bytes, source: DocumentSource::local(request.url) }))),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(too_large(request)),
        Err(cause) => Err(local.unreadable(&shown, cause)),
    }
}

struct DocumentTarget<'a> {
    http: &'a Http,
    request: DocumentRequest<'a>,
}

impl Target for DocumentTarget<'_> {
    type Output = Lookup;

    async fn attempt(&mut self, _: &Try) -> TryReport<Lookup> {
        TryReport::of(match self.fetch().await {
            Ok(document) => Ok(Lookup::Found(Box::new(document))),
            Err(error) if error.is_absence() => Ok(Lookup::Absent),
            Err(error) if error.is_refusal() => Ok(Lookup::Denied(error.into_error())),
            Err(error) => Err(error),
        })
    }

    fn kept(&self) -> u64 {
        0
    }
}

impl DocumentTarget<'_> {
    async fn fetch(&self) -> Result<Document, FetchError> {
        let DocumentRequest { url, limit, bypass, .. } = self.request;
        // With no bypass, too: see DocumentRequest.
        let headers = Request { bypass: bypass.max(CacheBypass::NoCache), ..Request::default() };
        let mut response = self.http.get(&bypass.url(url), &headers).await?;
        if !matches!(response.info.status, 200 | 203 | 206) {
            return Err(FetchError::Status { info: Box::new(response.info), requested: Requested::Whole });
        }
        if let Some(coding) = &response.info.coding {
            let error = Error::failed("the server sent the file in a coding that was not requested")
                .fact("content-encoding", coding)
                .hint("turn that off on the server for this file, or give another URL");
            return Err(FetchError::Own(response.info.add_to(error)));
        }
        if response.total.is_some_and(|total| total > limit) {
            return Err(FetchError::Own(too_large(self.request)));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(FetchError::Own(too_large(self.request)));
            }
            bytes.extend_from_slice(&chunk);
        }
        if response.total.is_some_and(|total| total != bytes.len() as u64) {
            let cause = "the server sent only a part of the file".to_owned();
            let received = bytes.len() as u64;
            return Err(FetchError::Cut { info: Box::new(response.info), received, cause });
        }
        let url = CacheBypass::stripped(response.url().clone());
        Ok(Document { bytes, source: DocumentSource { url, info: Some(Box::new(response.info)) } })
    }
}

fn too_large(request: DocumentRequest<'_>) -> Error {
    Error::failed("the file is too large for what it should be")
        .fact("url", redact::shown(request.url))
        .fact("limit", format_args!("{} bytes", request.limit))
        .hint("check that the URL is right")
}
