//! Blobs of registries, each in the cache under its digest.

use std::time::Duration;

use super::session::Session;
use super::store::{BlobStore, Received};
use crate::cache::{Cache, Edition, Incoming};
use crate::digest::{Descriptor, Digest, VerifyingReader};
use crate::error::Result;
use crate::fetch::cache_bypass::CacheBypass;
use crate::fetch::error::{ActualSize, FetchError};
use crate::fetch::http::Request;
use crate::fetch::promise::Promise;
use crate::fetch::response::HttpResponse;
use crate::progress::{Meter, Progress};

/// How often it is looked whether another run has done with a blob.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often at most: after ten minutes the other run is told of.
const LOOKS: usize = 6_000;
/// How often before the user is told what is waited for.
const LOOKS_UNTOLD: usize = 20;

/// A blob that a document of the registry names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) blob: Descriptor,
    /// Which document promises it, and as what.
    pub(super) promise: Promise,
}

/// Where blobs go, and who is told of them.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) store: &'a BlobStore,
    pub(super) cache: &'a Cache,
    /// All bytes of the blobs that are there.
    pub(super) meter: &'a dyn Meter,
    pub(super) received: &'a Received,
    pub(super) bypass: CacheBypass,
    pub(super) progress: &'a dyn Progress,
}

/// Fetches one blob, unless the cache has it. What came before of it is continued.
///
/// # Errors
/// It cannot be fetched, or has another digest; then nothing of it is kept.
pub(super) async fn fetch(place: Place<'_>, session: &Session<'_>, wanted: Wanted) -> Result<(), FetchError> {
    let blob = wanted.blob;
    let turn = place.store.turn(blob.digest);
    let _turn = turn.lock().await;
    let Some(mut incoming) = begin(place, blob).await? else {
        place.meter.add(blob.size);
        place.received.has(blob.digest, blob.size);
        return Ok(());
    };
    let result = receive(place, session, wanted, &mut incoming).await;
    place.received.has(blob.digest, incoming.length());
    match result {
        Ok(()) => {
            place.cache.take(incoming)?;
            place.store.found_right(blob.digest);
            Ok(())
        }
        Err(error) => {
            if error.is_wrong_content() {
                place.received.has(blob.digest, 0);
                incoming.discard();
            }
            Err(error)
        }
    }
}

/// What there is of a blob; `None` where it is in the cache.
async fn begin(place: Place<'_>, blob: Descriptor) -> Result<Option<Incoming>> {
    for look in 0.. {
        if is_cached(place, blob)? {
            return Ok(None);
        }
        // The digest at the end decides, so bytes of every registry and mirror continue one another.
        match place.cache.incoming(&partial_of(blob)) {
            Ok(incoming) => return Ok(Some(incoming)),
            // Another process fetches it, and will leave it in the cache.
            Err(error) if error.io_kind().is_none() && look < LOOKS => {
                if look == LOOKS_UNTOLD {
                    place.progress.note(&format!("another pack is fetching {}: waiting for that", blob.digest));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn partial_of(blob: Descriptor) -> Digest {
    Digest::of(format!("blob {}", blob.digest).as_bytes())
}

fn is_cached(place: Place<'_>, blob: Descriptor) -> Result<bool> {
    let Ok(file) = place.cache.open(&blob.digest) else { return Ok(false) };
    if place.store.is_right(&blob.digest) || VerifyingReader::new(file, blob).matches().is_ok_and(|matches| matches) {
        place.store.found_right(blob.digest);
        return Ok(true);
    }
    place.cache.discard(&blob.digest)?;
    Ok(false)
}

/// Completes `incoming`.
async fn receive(
    place: Place<'_>,
    session: &Session<'_>,
    Wanted { blob, promise }: Wanted,
    incoming: &mut Incoming,
) -> Result<(), FetchError> {
    let present = incoming.length();
    let range = (present > 0).then_some((present, None));
    let request = Request { range, bypass: place.bypass, ..Request::default() };
    let mut response = session.get(&format!("blobs/{}", blob.digest), request).await?;
    if let Some(error) = unusable(&response) {
        return Err(error);
    }
    if present == 0 {
        let edition = Edition { place: partial_of(blob), size: Some(blob.size), validator: blob.digest.to_string() };
        incoming.restart(Some(edition))?;
    }
    place.meter.add(present);
    // A server without ranges sends from its beginning what is present: the digest says whether it is the same.
    let mut known = present.saturating_sub(response.body.start());
    while let Some(chunk) = response.chunk().await? {
        place.received.arrived(chunk.len() as u64);
        let skipped = known.min(chunk.len() as u64);
        known -= skipped;
        let new = &chunk[skipped as usize..];
        if incoming.length() + new.len() as u64 > blob.size {
            return Err(FetchError::broken_promise(&response.info, promise, blob, ActualSize::MoreThan(blob.size)));
        }
        incoming.append(new)?;
        place.meter.add(new.len() as u64);
    }
    let found = incoming.descriptor();
    if found.size < blob.size && !(response.end_is_certain() && response.total == Some(found.size)) {
        let cause = "the server sent only a part of the blob".to_owned();
        let received = response.received();
        // What came stays, and the next request continues from there.
        return Err(FetchError::Cut { info: Box::new(response.info), received, cause });
    }
    match found.check(blob) {
        Ok(()) => Ok(()),
        Err(_) => {
            let error = FetchError::broken_promise(&response.info, promise, blob, ActualSize::Exactly(found.size));
            Err(error.with_digest(found.digest))
        }
    }
}

/// Why the body cannot be the blob.
fn unusable(response: &HttpResponse<'_>) -> Option<FetchError> {
    let coding = response.info.coding.as_ref()?;
    let error = crate::error::Error::failed("the registry sent a blob in a coding that was not requested")
        .fact("content-encoding", coding)
        .hint("turn that off on the server, or on the proxy before it");
    Some(FetchError::Unusable(response.info.add_to(error)))
}
