//! What a file of unknown content is, as far as archives go.

use std::io::{BufRead, Read, Write};

use super::Image;
use super::archive::ArchiveReader;
use super::content::without_compression;
use super::fault::ArchiveFault;
use super::limits::ImageLimits;
use super::resolve::Resolver;
use crate::digest::{CopyError, copy};
use crate::error::{Error, Result};

/// How much tells a tar archive from anything else, in bytes: the first header.
const HEADER: u64 = 512;
/// Where every tar archive of our century says that it is one (POSIX.1-1988, `ustar`).
const MAGIC: (usize, &[u8]) = (257, b"ustar");
/// What every archive of Docker's engine has.
const ENGINE: &str = "docker/dockerd";

/// What a file turned out to be.
#[derive(Debug)]
pub enum Recognised {
    /// An archive of images, compressed or not: each for whatever platform it is.
    Images(Vec<Image>),
    /// An archive with Docker's engine.
    Engine,
    /// An archive of something else, or one that is damaged: why it is not one of images.
    OtherArchive(String),
    /// No tar archive.
    Other,
}

/// Finds out what a file is. `source` is read from its first byte; to its end only where it is a tar archive, compressed or
/// not. `artifact` is named in what is said of it.
///
/// # Errors
/// The system fails to read it.
pub fn recognise(source: impl BufRead + Send, artifact: &str) -> Result<Recognised> {
    let not_read = |cause| Error::failed("a file cannot be read").fact("artifact", artifact).fact("cause", &cause);
    let mut content = match without_compression(source) {
        Ok(content) => content,
        Err(cause) if cause.raw_os_error().is_some() => {
            return Err(not_read(cause).hint("look at the file with 'ls -l'"));
        }
        Err(_) => return Ok(Recognised::Other),
    };
    let mut head = Vec::new();
    match (&mut content).take(HEADER).read_to_end(&mut head) {
        Err(cause) if cause.raw_os_error().is_some() => {
            return Err(not_read(cause).hint("look at the file with 'ls -l'"));
        }
        Ok(_) if head.get(MAGIC.0..).is_some_and(|field| field.starts_with(MAGIC.1)) => {}
        _ => return Ok(Recognised::Other),
    }
    let limits = ImageLimits::DEFAULT;
    let mut feed = Feed { archive: ArchiveReader::new(limits), fault: None };
    match copy(&mut head.chain(content), &mut feed) {
        Ok(_) => {}
        Err(CopyError::Read(cause)) if cause.raw_os_error().is_some() => {
            return Err(not_read(cause).hint("look at the file with 'ls -l'"));
        }
        Err(CopyError::Read(cause) | CopyError::Write(cause)) => {
            let why = feed.fault.map_or_else(|| cause.to_string(), |fault| fault.reason);
            return Ok(Recognised::OtherArchive(why));
        }
    }
    let members = match feed.archive.finish() {
        Ok((members, _)) => members,
        Err(fault) => return Ok(Recognised::OtherArchive(fault.reason)),
    };
    if members.has(ENGINE) {
        return Ok(Recognised::Engine);
    }
    let resolver = Resolver { artifact, members: &members, platform: None, limits };
    Ok(match resolver.images() {
        Ok((images, _)) => Recognised::Images(images),
        Err(error) => Recognised::OtherArchive(reason(&error)),
    })
}

/// What is wrong with an archive, in one line.
fn reason(error: &Error) -> String {
    let why = error.facts().iter().find(|(name, _)| *name == "reason");
    why.map_or_else(|| error.title().to_owned(), |(_, why)| why.clone())
}

/// Feeds what is written to it to an archive's reader.
struct Feed {
    archive: ArchiveReader,
    fault: Option<ArchiveFault>,
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.archive.feed(bytes).map_err(|fault| {
            self.fault = Some(fault);
            std::io::Error::other("the archive is not whole")
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
