//! Whether an image in a registry was signed with a key, by cosign.
//!
//! ```text
//! image's digest ──sha256-HEX.sig──▶ manifest ──▶ payloads, a signature beside each           (until cosign 2)
//!                └─referrers, else sha256-HEX──▶ index ──▶ manifest ──▶ bundle with both       (from cosign 3 on)
//! ```
//! What is signed is the digest of an index or of an image's manifest; each of the two that lead to the image will do.

use super::claim::{BUNDLE, Claim, SIGNATURE, SIMPLE_SIGNING};
use super::session::{Session, document};
use crate::digest::{Descriptor, Digest};
use crate::error::Error;
use crate::fetch::cache_bypass::CacheBypass;
use crate::fetch::cosign_key::CosignKey;
use crate::fetch::error::{ActualSize, FetchError};
use crate::fetch::http::Request;
use crate::fetch::promise::Promise;
use crate::image::{ACCEPTED, AttachedBlob, referrers, referrers_tag};
use crate::manifest::registry_ref::RegistryRef;

/// Checks that one of `digests`, which lead from `named` to an image, was signed with `key`.
///
/// # Errors
/// It was not, or the registry cannot be asked.
pub(super) async fn check(
    session: &Session<'_>,
    key: &CosignKey,
    named: &RegistryRef,
    digests: &[Digest],
) -> Result<(), FetchError> {
    let mut found = 0;
    for &digest in digests {
        let mut claims = payloads(session, digest).await?;
        claims.extend(bundles(session, digest).await?);
        found += claims.len();
        let is_signed = |claim: &Claim| {
            claim.images.contains(&digest)
                && claim.signatures.iter().any(|signature| key.has_signed(&claim.message, signature))
        };
        if claims.iter().any(is_signed) {
            return Ok(());
        }
    }
    let title = match found {
        0 => "the registry has no signature of the image by cosign",
        _ => "no signature of the image in the registry is by the key of --cosign-key",
    };
    let error = Error::integrity(title)
        .fact("url", named)
        .fact("key", format_args!("{} ({})", key.path().display(), key.fingerprint()))
        .fact("signatures", found)
        .hint("ask who publishes the image for their key, and look with: cosign tree");
    Err(FetchError::Local(error))
}

/// What was signed in the older form.
async fn payloads(session: &Session<'_>, image: Digest) -> Result<Vec<Claim>, FetchError> {
    let tag = format!("{}.sig", referrers_tag(&image));
    let Some(manifest) = there(session, &format!("manifests/{tag}"), ACCEPTED).await? else { return Ok(Vec::new()) };
    let mut claims = Vec::new();
    for attached in AttachedBlob::all(&manifest).map_err(|why| unreadable(&image, why))? {
        let signature = attached.annotations.get(SIGNATURE);
        if let Some(signature) = signature.filter(|_| attached.media_type == SIMPLE_SIGNING) {
            let payload = blob(session, attached.blob).await?;
            claims.extend(Claim::of_payload(&payload, signature));
        }
    }
    Ok(claims)
}

/// What was signed in the newer one.
async fn bundles(session: &Session<'_>, image: Digest) -> Result<Vec<Claim>, FetchError> {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let index = match there(session, &format!("referrers/{image}"), INDEX).await? {
        Some(index) => Some(index),
        None => there(session, &format!("manifests/{}", referrers_tag(&image)), INDEX).await?,
    };
    let Some(index) = index else { return Ok(Vec::new()) };
    let mut claims = Vec::new();
    for (manifest, kind) in referrers(&index).map_err(|why| unreadable(&image, why))? {
        if !kind.starts_with(BUNDLE) {
            continue;
        }
        let manifest = named(session, &format!("manifests/{}", manifest.digest), manifest).await?;
        for attached in AttachedBlob::all(&manifest).map_err(|why| unreadable(&image, why))? {
            if attached.media_type.starts_with(BUNDLE) {
                claims.extend(Claim::of_bundle(&blob(session, attached.blob).await?));
            }
        }
    }
    Ok(claims)
}

/// A document; `None` where the registry says that there is none, or that it has no such documents.
async fn there(session: &Session<'_>, path: &str, accept: &'static str) -> Result<Option<Vec<u8>>, FetchError> {
    let request = Request { bypass: CacheBypass::NoCache, accept: Some(accept), ..Request::default() };
    match session.get(path, request).await {
        Ok(response) => Ok(Some(document(response).await?.0)),
        // Before 1.1 of the specification registries had no referrers, and some say so in words of their own.
        Err(FetchError::Status { info, .. }) if matches!(info.status, 400 | 404 | 405 | 410 | 501) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn blob(session: &Session<'_>, blob: Descriptor) -> Result<Vec<u8>, FetchError> {
    named(session, &format!("blobs/{}", blob.digest), blob).await
}

/// A document whose digest another one names.
async fn named(session: &Session<'_>, path: &str, expected: Descriptor) -> Result<Vec<u8>, FetchError> {
    let request = Request { bypass: CacheBypass::NoCache, accept: Some(ACCEPTED), ..Request::default() };
    let (bytes, info) = document(session.get(path, request).await?).await?;
    let found = Descriptor::of(&bytes);
    if found.check(expected).is_err() {
        let size = ActualSize::Exactly(found.size);
        let error = FetchError::broken_promise(&info, Promise::Signature, expected, size);
        return Err(error.with_digest(found.digest));
    }
    Ok(bytes)
}

fn unreadable(image: &Digest, why: String) -> FetchError {
    let error = Error::failed("what the registry has as the image's signature cannot be read")
        .fact("image", image)
        .fact("reason", why)
        .hint("look at it with: cosign tree");
    FetchError::Unusable(error)
}
