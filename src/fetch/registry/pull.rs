//! From a reference to an archive of the image.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream};

use super::blobs::{self, Place, Wanted};
use super::cosign;
use super::logins::Logins;
use super::session::{Session, document};
use super::store::{BlobStore, CachedBlobs, Received};
use crate::cache::Cache;
use crate::digest::{Descriptor, Digest};
use crate::error::{Class, Error};
use crate::fetch::cache_bypass::CacheBypass;
use crate::fetch::counting::Counting;
use crate::fetch::error::{ActualSize, FetchError};
use crate::fetch::http::{Http, Request};
use crate::fetch::promise::Promise;
use crate::fetch::sources::RegistryImageSource;
use crate::image::{ACCEPTED, ArchiveSink, RegistryDocument, RegistryImage};
use crate::manifest::registry_ref::RegistryRef;
use crate::manifest::{Artifact, Limits};
use crate::progress::{Meter, Progress};

/// How many blobs of an image at once, as Docker does by default.
const AT_ONCE: usize = 4;

/// An image to get from a registry.
pub(in crate::fetch) struct Pull<'a> {
    pub(in crate::fetch) access: RegistryAccess<'a>,
    /// Its platform, and the name that its archive gives it.
    pub(in crate::fetch) artifact: &'a Artifact,
    pub(in crate::fetch) image: &'a RegistryImageSource,
    pub(in crate::fetch) bypass: CacheBypass,
    pub(in crate::fetch) meter: &'a dyn Meter,
    /// What came of its blobs.
    pub(in crate::fetch) received: &'a Received,
}

/// What all pulls of a run share.
#[derive(Default)]
pub(in crate::fetch) struct Registries {
    store: BlobStore,
    logins: Logins,
}

/// What a run has for pulls.
#[derive(Clone, Copy)]
pub(in crate::fetch) struct RegistryAccess<'a> {
    pub(in crate::fetch) http: &'a Http,
    pub(in crate::fetch) registries: &'a Registries,
    pub(in crate::fetch) cache: Option<&'a Cache>,
    pub(in crate::fetch) progress: &'a dyn Progress,
}

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fetch) struct Pulled {
    /// The reference, as the artifact has it.
    pub(in crate::fetch) named: RegistryRef,
    /// The digest of the image's manifest.
    pub(in crate::fetch) manifest: Digest,
    /// The digest of what the reference itself names: the same, or that of an index.
    pub(in crate::fetch) tagged: Digest,
    /// The image ID.
    pub(in crate::fetch) id: Digest,
}

impl Pull<'_> {
    /// Writes the image's archive to `out`. Nothing is written before all blobs are there and right.
    ///
    /// # Errors
    /// The image cannot be fetched, or one of its parts is not what the part before it names.
    pub(in crate::fetch) async fn write(&self, out: &mut dyn ArchiveSink) -> Result<Pulled, FetchError> {
        let RegistryAccess { registries, cache, progress, .. } = self.access;
        let session = self.session()?;
        let (pulled, image) = self.document(&session).await?;
        if let Some(key) = &self.access.http.options().cosign_key {
            let mut digests = vec![pulled.tagged, pulled.manifest];
            digests.dedup();
            cosign::check(&session, key, &pulled.named, &digests).await?;
        }
        let cache = registries.store.cache(cache, progress)?;
        let wanted = wanted(&image)?;
        self.meter.expect(wanted.iter().map(|it| it.blob.size).sum());
        let meter = Counting::new(self.meter);
        let (store, received, bypass) = (&registries.store, self.received, self.bypass);
        let place = Place { store, cache: &cache, meter: &meter, received, bypass, progress };
        // After a failure no further blob is begun, and those under way are completed: the next try has them.
        let has_failed = AtomicBool::new(false);
        let fetch = async |wanted| {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let fetched = blobs::fetch(place, &session, wanted).await;
            has_failed.fetch_or(fetched.is_err(), Ordering::Relaxed);
            fetched
        };
        let fetched: Vec<Result<(), FetchError>> =
            stream::iter(wanted).map(fetch).buffer_unordered(AT_ONCE).collect().await;
        // The next try finds what is in the cache; from here on the archive's own bytes count.
        meter.retract_all();
        // Wrong bytes are told before a server that is out of reach.
        let mut errors: Vec<FetchError> = fetched.into_iter().filter_map(Result::err).collect();
        errors.sort_by_key(|error| !error.is_wrong_content());
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        if let Some(size) = self.artifact.pin.and_then(|pin| pin.size) {
            self.meter.expect(size);
        }
        // Every source gives the archive the same name, or its digest would depend on the source.
        let name = self.artifact.registry_refs().next().and_then(|first| first.name());
        let blobs = CachedBlobs { cache };
        image.write(name, self.artifact.id.platform, &blobs, out).map_err(|error| self.failed(error))?;
        Ok(pulled)
    }

    /// Asks what the reference stands for, and for nothing else.
    ///
    /// # Errors
    /// The registry cannot be asked, or has no image for the platform.
    pub(in crate::fetch) async fn resolve(&self) -> Result<Pulled, FetchError> {
        Ok(self.document(&self.session()?).await?.0)
    }

    fn session(&self) -> Result<Session<'_>, FetchError> {
        Session::new(self.access.http, &self.access.registries.logins, &self.image.at)
    }

    /// What the reference stands for, and the image's manifest.
    async fn document(&self, session: &Session<'_>) -> Result<(Pulled, RegistryImage), FetchError> {
        let reference = &self.image.at;
        let mut tagged = None;
        let mut promised = reference.digest().map(|digest| (Promise::Reference, digest));
        loop {
            let name = promised
                .map_or_else(|| reference.tag().unwrap_or_default().to_owned(), |(_, digest)| digest.to_string());
            // No digest tells yesterday's tag from today's.
            let bypass = if promised.is_some() { self.bypass } else { self.bypass.max(CacheBypass::NoCache) };
            let request = Request { bypass, accept: Some(ACCEPTED), ..Request::default() };
            let (bytes, info) = document(session.get(&format!("manifests/{name}"), request).await?).await?;
            let found = Descriptor::of(&bytes);
            // Of a tag nothing names the digest but the answer itself: that finds what was damaged on the way.
            let named = promised.or_else(|| info.content_digest.map(|digest| (Promise::Answer, digest)));
            if let Some((promise, digest)) = named.filter(|(_, digest)| *digest != found.digest) {
                let promised = Descriptor { digest, size: found.size };
                let error = FetchError::broken_promise(&info, promise, promised, ActualSize::Exactly(found.size));
                return Err(error.with_digest(found.digest));
            }
            let unusable = |error: Error| FetchError::Unusable(info.add_to(error.fact("image", &self.image.named)));
            match RegistryDocument::read(&bytes).map_err(unusable)? {
                RegistryDocument::Image(image) => {
                    let (manifest, named, id) = (found.digest, self.image.named.clone(), image.config.digest);
                    return Ok((Pulled { named, manifest, tagged: tagged.unwrap_or(manifest), id }, image));
                }
                RegistryDocument::Index(_) if matches!(promised, Some((Promise::ImageManifest, _))) => {
                    let error = Error::failed("the registry's index names another index for the platform");
                    return Err(unusable(error.hint("give the reference of the image itself")));
                }
                RegistryDocument::Index(index) => {
                    let chosen = index.choose(self.artifact.id.platform).map_err(unusable)?;
                    tagged = Some(found.digest);
                    promised = Some((Promise::ImageManifest, chosen.digest));
                }
            }
        }
    }

    fn failed(&self, error: Error) -> FetchError {
        match (error.class(), error.io_kind()) {
            (Class::Integrity, _) => FetchError::Local(error.fact("url", &self.image.at)),
            (_, Some(_)) => FetchError::Own(error),
            _ => FetchError::Unusable(error.fact("url", &self.image.at)),
        }
    }
}

/// The image's blobs, each once.
fn wanted(image: &RegistryImage) -> Result<Vec<Wanted>, FetchError> {
    let mut wanted = vec![Wanted { blob: image.config, promise: Promise::ImageConfig }];
    for &blob in &image.layers {
        if !wanted.iter().any(|known| known.blob.digest == blob.digest) {
            wanted.push(Wanted { blob, promise: Promise::ImageLayer });
        }
    }
    let total = wanted.iter().fold(0, |sum: u64, it| sum.saturating_add(it.blob.size));
    if total > Limits::DEFAULT.artifact_bytes {
        let error = Error::failed("the image is larger than an artifact may be").fact("size", total);
        return Err(FetchError::Unusable(error.hint("check the reference in the manifest")));
    }
    Ok(wanted)
}
