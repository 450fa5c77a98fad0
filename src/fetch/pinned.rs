//! A pinned artifact that is fetched: the tries of its sources fill a partial, and the pinned digest decides.

use std::io::{self, Write};

use url::Url;

use super::counting::Counting;
use super::error::{ActualSize, FetchError};
use super::local::{self, Local, LocalCopyError};
use super::redact;
use super::registry::{Pull, Received};
use super::response_head::ResponseInfo;
use super::run::DownloadRun;
use super::schedule::{Assembly, Target, Try, TryReport};
use super::sources::RegistryImageSource;
use super::transfer::{Transfer, TransferReport};
use crate::digest::Descriptor;
use crate::error::{Error, Result};
use crate::image::ArchiveSink;
use crate::manifest::{Artifact, Pin};
use crate::progress::Meter;
use crate::release::{Partial, Verified, pin_again};

/// An artifact under way.
pub(super) struct PinnedTarget<'a> {
    pub(super) download: &'a DownloadRun<'a>,
    pub(super) pin: Pin,
    /// The bytes so far; `None` between one partial and the next.
    pub(super) partial: Option<Partial>,
    pub(super) meter: &'a Counting<'a>,
    /// Bytes of bodies that arrived over the network.
    pub(super) wire: u64,
    /// What came of an image's blobs.
    pub(super) pulled: Received,
    /// The artifact that `pin` is of.
    pub(super) artifact: &'a Artifact,
}

impl Target for PinnedTarget<'_> {
    /// The verified file, and its source without secrets.
    type Output = (Verified, String);

    async fn attempt(&mut self, this: &Try) -> TryReport<Self::Output> {
        if let Some(image) = &this.image {
            let pulled = self.pull(this, image).await;
            return TryReport::of(pulled.and_then(|()| self.judge(this, None)));
        }
        match local::at(&this.url) {
            Some(local) => {
                let copied = self.copy(this, &local);
                TryReport::of(copied.and_then(|()| self.judge(this, None)))
            }
            None => self.transfer(this).await,
        }
    }

    fn kept(&self) -> u64 {
        self.present() + self.pulled.kept()
    }
}

impl PinnedTarget<'_> {
    /// The partial, opened again if the one before was finished.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn partial(&mut self) -> Result<&mut Partial> {
        let partial = match self.partial.take() {
            Some(partial) => partial,
            None => Partial::open(self.download.folder, self.pin)?,
        };
        Ok(self.partial.insert(partial))
    }

    /// Verifies the partial; one that is wrong is removed.
    ///
    /// # Errors
    /// An I/O error.
    pub(super) fn finish(&mut self) -> Result<std::result::Result<Verified, Descriptor>> {
        self.partial()?;
        match self.partial.take() {
            Some(partial) => partial.finish(),
            None => Err(Error::failed("the partial was not opened").hint("run the same command again")),
        }
    }

    async fn transfer(&mut self, this: &Try) -> TryReport<(Verified, String)> {
        let (http, meter, size) = (self.download.run.http, self.meter, self.pin.size);
        let partial = match self.partial() {
            Ok(partial) => partial,
            Err(error) => return TryReport::of(Err(error.into())),
        };
        let TransferReport { wire, assembly, ranges, connections, head, result } =
            Transfer::new(http, this, partial, size, meter).run().await;
        self.wire += wire;
        let completed = match result {
            // However the connection ended: the digest decides whether the end of the file was there.
            Err(error @ (FetchError::Cut { .. } | FetchError::Stall { .. })) => match self.is_pinned() {
                Ok(true) => Ok(()),
                Ok(false) => Err(error),
                Err(own) => Err(own.into()),
            },
            Err(error) => self.rejected(error, wire),
            Ok(()) => Ok(()),
        };
        // Only a digest that is wrong can be due to responses that do not fit together.
        let (assembly, result) = match completed {
            Ok(()) => (assembly, self.judge(this, head.as_ref())),
            Err(error) => (Assembly::OneVersion, Err(error)),
        };
        TryReport { ranges, connections, assembly, result }
    }

    fn is_pinned(&mut self) -> Result<bool> {
        let partial = self.partial()?;
        Ok(partial.length() > 0 && partial.is_pinned()?)
    }

    /// A failed transfer. Bytes of a file that is wrong are removed; a head that tells of another file says nothing
    /// against the bytes present.
    fn rejected(&mut self, error: FetchError, wire: u64) -> Result<(), FetchError> {
        if matches!(error, FetchError::WrongContent(_)) && wire > 0 {
            self.restart()?;
        }
        Err(error)
    }

    /// Verifies what a source completed.
    fn judge(&mut self, this: &Try, head: Option<&ResponseInfo>) -> Result<(Verified, String), FetchError> {
        let received = self.present();
        match self.finish()? {
            Ok(verified) => Ok((verified, redact::shown(&this.url))),
            Err(actual) => {
                self.meter.retract(received);
                let size = ActualSize::Exactly(actual.size);
                Err(match head {
                    Some(head) => FetchError::wrong_content(head, size, Some(actual.digest)),
                    // There was no request, and yet no byte is missing.
                    None => FetchError::Unusable(impossible_pin(size, self.download.run.base)),
                })
            }
        }
    }

    fn restart(&mut self) -> Result<()> {
        let received = self.present();
        self.meter.retract(received);
        self.partial()?.restart()
    }

    fn present(&self) -> u64 {
        self.partial.as_ref().map_or(0, Partial::length)
    }

    /// Writes the archive of an image in a registry into the partial; its digest must be the pinned one.
    async fn pull(&mut self, this: &Try, image: &RegistryImageSource) -> Result<(), FetchError> {
        self.partial()?;
        let Some(partial) = self.partial.take() else { return Ok(()) };
        let (run, artifact, meter) = (&self.download.run, self.artifact, self.meter);
        let before = self.pulled.wire();
        let mut writer = ArchiveWriter { partial, meter, state: Written::Nothing };
        let pull =
            Pull { access: run.registry_access(), artifact, image, bypass: this.bypass, meter, received: &self.pulled };
        let written = pull.write(&mut writer).await;
        let ArchiveWriter { partial, state, .. } = writer;
        self.partial = Some(partial);
        self.wire += self.pulled.wire() - before;
        let actual = match (state, written) {
            // The bytes that another source sent stay until an archive is written in their place.
            (Written::Nothing, Err(error)) => return Err(error),
            (Written::TooMuch, _) => ActualSize::MoreThan(self.partial()?.limit()),
            (_, Err(error)) => {
                self.restart()?;
                return Err(error);
            }
            (_, Ok(_)) if self.is_pinned()? => return Ok(()),
            (_, Ok(_)) => ActualSize::Exactly(self.present()),
        };
        let digest = self.partial()?.descriptor()?.digest;
        self.restart()?;
        let error = Error::integrity("the archive of the registry's image is not the one the manifest pins")
            .fact("url", redact::shown(&this.url))
            .fact("actual size", actual)
            .hint(format_args!(
                "the URL names another image than the one that was pinned; if it is meant, pin it: {}",
                pin_again(run.base)
            ));
        Err(FetchError::Local(if state == Written::TooMuch { error } else { error.fact("actual digest", digest) }))
    }

    /// Copies a source on this machine, on this very thread.
    fn copy(&mut self, this: &Try, local: &Local) -> Result<(), FetchError> {
        let url = redact::shown(&this.url);
        let (kept, limit) = (self.present(), self.partial()?.limit());
        if kept > 0 && matches!(local, Local::File(_)) {
            // The bytes received before are given up only for a file that is certainly right.
            let found = local.descriptor(&url, limit)?;
            if self.pin.check(found).is_err() {
                let size = ActualSize::Exactly(found.size);
                return Err(FetchError::Local(local::other_bytes(&url, size, Some(found.digest))));
            }
        }
        let reader = local.open(&url)?;
        self.restart()?;
        let meter = self.meter;
        let is_whole = match local::copy(reader, self.partial()?, meter) {
            Ok(is_whole) => is_whole,
            Err(LocalCopyError::Write(error)) => return Err(FetchError::Own(error)),
            Err(LocalCopyError::Read(cause)) => return Err(FetchError::Local(local.unreadable(&url, cause))),
        };
        let partial = self.partial()?;
        if is_whole && partial.is_pinned()? {
            return Ok(());
        }
        let (size, digest) = (partial.length(), partial.descriptor()?.digest);
        // No other source may continue after bytes of another file.
        self.restart()?;
        let actual = if is_whole { ActualSize::Exactly(size) } else { ActualSize::MoreThan(limit) };
        Err(FetchError::Local(local::other_bytes(&url, actual, is_whole.then_some(digest))))
    }
}

/// Takes the bytes of an archive, as far as the pin allows.
struct ArchiveWriter<'a> {
    partial: Partial,
    meter: &'a Counting<'a>,
    state: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Some,
    TooMuch,
}

impl Write for ArchiveWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.state == Written::Nothing {
            self.meter.retract(self.partial.length());
            self.partial.restart().map_err(io::Error::other)?;
            self.state = Written::Some;
        }
        if !self.partial.append(bytes).map_err(io::Error::other)? {
            self.state = Written::TooMuch;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.meter.add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ArchiveSink for ArchiveWriter<'_> {
    fn start_over(&mut self) -> Result<()> {
        self.meter.retract(self.partial.length());
        self.partial.restart()
    }
}

/// The error for a size that no bytes with the pinned digest have.
fn impossible_pin(size: ActualSize, manifest: &Url) -> Error {
    Error::integrity("the manifest pins a size and a digest that do not belong together")
        .fact("actual size", size)
        .hint(format_args!("get the manifest again; its publisher pins it with: {}", pin_again(manifest)))
}
