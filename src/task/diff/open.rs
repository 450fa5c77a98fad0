//! What a path leads to: a manifest, a folder or a bundle.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::bundle::Bundle;
use crate::error::{Error, IoContext, Result};
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::release::{Folder, read_manifest_text};
use crate::small_file;
use crate::task::commands::manifest_of;
use crate::task::locate;

/// How much of a file's beginning tells a text from something else, in bytes.
const HEAD: u64 = 4096;

/// One of the two, opened.
#[derive(Debug)]
pub(super) enum Opened {
    /// A manifest alone, and its path.
    Manifest(Box<Manifest>, PathBuf),
    /// A folder that a download made, and its manifest.
    Folder(Folder, Box<Manifest>),
    /// A bundle, and its manifest.
    Bundle(Box<Bundle>, Box<Manifest>),
}

impl Opened {
    /// Opens what is at `path`.
    ///
    /// # Errors
    /// There is nothing, or it is none of the three, or a damaged one.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let folder = Folder::at(path);
            let manifest = Box::new(manifest_of(&folder)?);
            return Ok(Opened::Folder(folder, manifest));
        }
        if is_text(path)? {
            let text = read_manifest_text(path).doing("read the manifest", path)?;
            let manifest = Manifest::parse(text, &path.display().to_string())?;
            return Ok(Opened::Manifest(Box::new(manifest), path.to_owned()));
        }
        let bundle = Box::new(Bundle::open(path)?);
        let manifest = Box::new(bundle.manifest()?);
        Ok(Opened::Bundle(bundle, manifest))
    }

    /// The platform whose artifacts are in it, where `asked` is what was asked for; `None` is all of them.
    ///
    /// # Errors
    /// It is a bundle for another platform than was asked for, or nobody knows which platform a folder is for.
    pub(super) fn platform(&self, asked: Option<Platform>) -> Result<Option<Platform>> {
        match self {
            Opened::Manifest(..) => Ok(asked),
            Opened::Folder(folder, _) => locate::platform_of(folder, asked).map(Some),
            Opened::Bundle(bundle, _) => {
                let own = bundle.index().platform;
                match asked.filter(|asked| *asked != own) {
                    None => Ok(Some(own)),
                    Some(asked) => Err(Error::usage("the bundle is for another platform than the one asked for")
                        .fact("path", bundle.path().display())
                        .fact("expected", asked)
                        .fact("actual", own)
                        .hint(format_args!("leave --platform out, or name a bundle for {asked}"))),
                }
            }
        }
    }
}

/// Whether the file at `path` may be a manifest, which has no zero byte and does not begin as a script does.
fn is_text(path: &Path) -> Result<bool> {
    let opened = small_file::open_regular(path);
    let file = match opened {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(Error::failed("there is no such file or folder")
                .fact("path", path.display())
                .hint("name a manifest, a folder that 'pack download' made, or a bundle"));
        }
        other => other.doing("open", path)?,
    };
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).doing("read", path)?;
    Ok(!head.starts_with(b"#!") && !head.contains(&0))
}
