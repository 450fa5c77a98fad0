//! The images of an archive that is read once, from a stream.

use std::io::{self, Read, Write};

use super::Image;
use super::archive::ArchiveReader;
use super::fault::ArchiveFault;
use super::limits::ImageLimits;
use super::resolve::Resolver;
use crate::digest::{CopyError, copy};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// Reads the decompressed `content` of an archive of images to its end and returns its images, in its order, with
/// their layers as the archive has them; where it has an image for several platforms, that for `platform`. `artifact` is
/// named in errors.
///
/// # Errors
/// The content cannot be read, is not a whole archive whose images' layers are what their configs say, or an image is
/// for another platform.
pub fn images_in(content: &mut dyn Read, artifact: &str, platform: Platform) -> Result<Vec<Image>> {
    let limits = ImageLimits::DEFAULT;
    let mut archive = ArchiveFeed { archive: ArchiveReader::new(limits), artifact };
    copy(content, &mut archive).map_err(|error| match error {
        CopyError::Read(cause) | CopyError::Write(cause) => match cause.downcast::<Error>() {
            Ok(ours) => ours,
            Err(cause) => {
                Error::integrity("an archive of images cannot be read").fact("artifact", artifact).fact("cause", cause)
            }
        },
    })?;
    let explain = |fault: ArchiveFault| fault.error(artifact);
    let (members, _) = archive.archive.finish().map_err(explain)?;
    Resolver { artifact, members: &members, platform: Some(platform), limits }.images().map(|found| found.images)
}

/// Feeds what is written to it to an archive's reader.
struct ArchiveFeed<'a> {
    archive: ArchiveReader,
    artifact: &'a str,
}

impl Write for ArchiveFeed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.archive.feed(bytes).map_err(|fault| io::Error::other(fault.error(self.artifact)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
