//! How one artifact gets into the folder: present already, else from the cache, else from a source.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use url::Url;

use super::counting::Counting;
use super::local::{LocalCopyError, copy};
use super::pinned::PinnedTarget;
use super::run::DownloadRun;
use super::schedule::SourceQueue;
use super::{How, Outcome, diagnose, sources};
use crate::digest::VerifyingReader;
use crate::error::{Class, Error, Result};
use crate::manifest::{Artifact, Pinned};
use crate::path::shell_word;
use crate::progress::Meter;
use crate::release::{self, Partial, State, Verified, WrittenBy, pin_again};
use crate::small_file;

/// Where verified bytes came from.
struct BytesOrigin {
    from_cache: bool,
    wire: u64,
    url: Option<String>,
}

impl DownloadRun<'_> {
    /// Puts `pinned` into the folder unless it is there. `twin` is a file in it with the same digest.
    ///
    /// # Errors
    /// No source has the right bytes, or an I/O error. The bytes received stay as a partial.
    pub(super) fn provide(&self, pinned: &Pinned<'_>, twin: Option<&Path>) -> Result<Outcome> {
        let meter = self.run.progress.start(pinned.name().as_str(), pinned.pin.size);
        let meter = Counting::new(meter.as_ref());
        let row = release::check(self.folder, pinned, &meter);
        let outcome = |how, size, origin: BytesOrigin| {
            meter.done(match (how, origin.from_cache) {
                (How::Kept, _) => "kept",
                (How::Fetched, false) => "fetched",
                (How::Fetched, true) => "from the cache",
                (How::Replaced, false) => "replaced",
                (How::Replaced, true) => "replaced from the cache",
            });
            Outcome {
                name: pinned.name().to_string(),
                how,
                size,
                from_cache: origin.from_cache,
                wire_bytes: origin.wire,
                url: origin.url,
            }
        };
        let (own, mut twin) = (self.folder.path_of(pinned.name()), twin);
        if row.state == State::Ok {
            // It may have been put there by hand after a part was downloaded.
            self.folder.drop_partial(&pinned.pin.digest);
            let Some(others) = self.folder.written_by_others(pinned.name())? else {
                self.keep(pinned);
                let origin = BytesOrigin { from_cache: false, wire: 0, url: None };
                return Ok(outcome(How::Kept, row.actual_size.unwrap_or_default(), origin));
            };
            self.note(pinned, made_anew(others));
            twin = Some(&own);
        }
        meter.retract_all();
        let how = if row.state == State::Missing { How::Fetched } else { How::Replaced };
        let here = BytesOrigin { from_cache: false, wire: 0, url: None };
        let (verified, origin) = if let Some(verified) = self.copy_of_twin(pinned, twin, &meter)? {
            (verified, here)
        } else if let Some(verified) = self.copy_from_cache(pinned, &meter)? {
            (verified, BytesOrigin { from_cache: true, ..here })
        } else {
            self.run.runtime.block_on(self.fetch(pinned, &meter)).map_err(|error| {
                let error = from_engine(error, pinned.artifact, self.run.base).fact("artifact", pinned.name());
                match pinned.pin.size {
                    Some(size) => error.fact("expected size", format_args!("{size} bytes")),
                    None => error,
                }
                .fact("expected digest", pinned.pin.digest)
            })?
        };
        let size = verified.descriptor().size;
        verified.place(self.folder, pinned.name(), pinned.artifact.kind.mode())?;
        // What was received before is of no use beside a file of the cache.
        self.folder.drop_partial(&pinned.pin.digest);
        if !origin.from_cache {
            self.keep(pinned);
        }
        Ok(outcome(how, size, origin))
    }

    /// Puts the artifact into the cache. A cache that is full or broken is noted and is not a failure.
    fn keep(&self, pinned: &Pinned<'_>) {
        if let Some(cache) = self.run.cache
            && let Err(error) =
                cache.keep(&pinned.pin.digest, &self.folder.path_of(pinned.name()), pinned.artifact.kind)
        {
            self.note(pinned, format!("not kept in the cache: {error}"));
        }
    }

    fn copy_of_twin(&self, pinned: &Pinned<'_>, twin: Option<&Path>, meter: &dyn Meter) -> Result<Option<Verified>> {
        let Some(file) = twin.and_then(|twin| small_file::open_regular(twin).ok()) else { return Ok(None) };
        match self.shared_blocks(pinned, &file, meter)? {
            None => self.verified_copy(pinned, file, meter),
            verified => Ok(verified),
        }
    }

    fn copy_from_cache(&self, pinned: &Pinned<'_>, meter: &dyn Meter) -> Result<Option<Verified>> {
        let Some(cache) = self.run.cache else { return Ok(None) };
        let digest = pinned.pin.digest;
        let entry = match cache.open(&digest) {
            Ok(entry) => entry,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => {
                self.note(pinned, format!("its entry in the cache cannot be used, and is fetched again: {error}"));
                return Ok(None);
            }
        };
        let mut copy = self.shared_blocks(pinned, &entry, meter)?;
        if copy.is_none() {
            let link = |path: &Path| cache.link(&digest, pinned.artifact.kind, path);
            copy = self.folder.verify_linked(pinned.pin, link, meter)?;
        }
        if copy.is_none() {
            copy = self.verified_copy(pinned, entry, meter)?;
        }
        if copy.is_none() {
            let what = match cache.discard(&digest) {
                Ok(()) => "removed, and fetched again".to_owned(),
                Err(error) => format!("fetched again, for it cannot be removed: {error}"),
            };
            self.note(pinned, format!("its entry in the cache is damaged: {what}"));
        }
        Ok(copy)
    }

    /// `file` with the digest of `pinned`, sharing its blocks; `None` if the file system has no such thing, `file` has
    /// another digest, or there are bytes already, which are not given up for it.
    fn shared_blocks(&self, pinned: &Pinned<'_>, file: &File, meter: &dyn Meter) -> Result<Option<Verified>> {
        let mut partial = Partial::open(self.folder, pinned.pin)?;
        if partial.length() > 0 || !partial.share_blocks(file)? {
            return Ok(None);
        }
        let size = partial.length();
        meter.add(size);
        let verified = partial.finish()?.ok();
        if verified.is_none() {
            meter.retract(size);
        }
        Ok(verified)
    }

    /// A copy of `file` with the digest of `pinned`; `None` if `file` has another one.
    fn verified_copy(&self, pinned: &Pinned<'_>, mut file: File, meter: &dyn Meter) -> Result<Option<Verified>> {
        let mut partial = Partial::open(self.folder, pinned.pin)?;
        if partial.length() > 0 {
            // The bytes received before are given up only for a file that is certainly right.
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            let matches = VerifyingReader::new(&file, pinned.pin.for_size(size)).matches();
            if !matches.is_ok_and(|matches| matches) || file.rewind().is_err() {
                return Ok(None);
            }
            partial.restart()?;
        }
        let fits = match copy(file, &mut partial, meter) {
            Ok(fits) => fits,
            Err(LocalCopyError::Read(_)) => false,
            Err(LocalCopyError::Write(error)) => return Err(error),
        };
        let received = partial.length();
        match partial.finish()? {
            Ok(verified) if fits => Ok(Some(verified)),
            _ => {
                meter.retract(received);
                Ok(None)
            }
        }
    }

    async fn fetch(&self, pinned: &Pinned<'_>, meter: &Counting<'_>) -> Result<(Verified, BytesOrigin)> {
        let options = self.run.http.options();
        let list = sources::sources(pinned.artifact, self.run.base, options)?;
        let partial = Partial::open(self.folder, pinned.pin)?;
        let kept = partial.length();
        meter.add(kept);
        let mut target = PinnedTarget {
            download: self,
            pin: pinned.pin,
            partial: Some(partial),
            meter,
            wire: 0,
            pulled: Default::default(),
            artifact: pinned.artifact,
        };
        // All of it may be present: set aside from the version before, or a kill came just before the last step.
        let all = pinned.pin.size.unwrap_or(kept);
        if all > 0
            && target.partial()?.gaps(all).is_empty()
            && target.partial()?.is_pinned()?
            && let Ok(verified) = target.finish()?
        {
            return Ok((verified, BytesOrigin { from_cache: false, wire: 0, url: None }));
        }
        let mut queue = SourceQueue::new(list, &self.run.hosts, options, kept);
        let note = |line| self.note(pinned, line);
        if let Some((verified, url)) = queue.drive(&mut target, &note).await? {
            return Ok((verified, BytesOrigin { from_cache: false, wire: target.wire, url: Some(url) }));
        }
        if let (Some((url, size)), Some(expected)) = (queue.unread(), pinned.pin.size)
            && diagnose::is_worth(size, expected)
        {
            let most = options.stall.as_secs();
            note(format!("no source has it: reading what the server has, for {most} s at most, to tell its digest"));
            if let Some(actual) = diagnose::descriptor(self.run.http, &url, expected).await {
                queue.was_read(actual);
            }
        }
        let error = queue.into_error();
        if error.class() != Class::Integrity {
            return Err(error);
        }
        let again = pin_again(self.run.base);
        Err(error.hint_where_none(format_args!("get the file that belongs to this manifest, or pin this one: {again}")))
    }

    fn note(&self, pinned: &Pinned<'_>, line: String) {
        self.run.progress.note(&format!("{}: {line}", pinned.name()));
    }
}

/// Says of an artifact that was saved from an engine where its file has to lie.
fn from_engine(error: Error, artifact: &Artifact, manifest: &Url) -> Error {
    let Some(reference) = artifact.engine_ref() else { return error };
    let error = error.fact("source", format_args!("{reference}, which only the publisher's machine has"));
    let name = &artifact.id.name;
    match manifest.to_file_path() {
        _ if error.class() == Class::Integrity || artifact.urls.len() > 1 => error,
        Ok(manifest) => error.hint(format_args!(
            "on the machine that has the image: pack lock {}; anywhere else, put {name} beside the manifest",
            shell_word(&manifest)
        )),
        Err(()) => error.hint(format_args!("the publisher has to put {name} beside the manifest on the server")),
    }
}

/// Why a file with the right bytes does not stay as it is.
fn made_anew(others: WrittenBy) -> String {
    match others {
        WrittenBy::Owner(user) => {
            format!("it belongs to another user ({user}), who could change it afterwards: it is made anew")
        }
        WrittenBy::Mode(mode) => format!("others may write to it (mode {mode:o}), also afterwards: it is made anew"),
    }
}
