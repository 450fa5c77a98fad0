//! Which manifest, folder or bundle a command means when the words leave it open.

use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::folder::{Folder, read_manifest_text};
use crate::manifest::{FILE_NAME, Manifest, builtin};
use crate::platform::Platform;

/// The platform asked for, else this host's.
pub(super) fn platform(asked: Option<Platform>) -> Result<Platform> {
    asked.or_else(Platform::host).ok_or_else(|| {
        Error::usage("pack does not know the platform of this machine")
            .hint("say for which platform: --platform linux/amd64")
    })
}

/// The platform asked for, else the one the folder was made for, else this host's.
pub(super) fn platform_of(folder: &Folder, asked: Option<Platform>) -> Result<Platform> {
    platform(asked.or_else(|| folder.platform()))
}

/// The folder asked for; else `./NAME-portable` of the manifest at hand; else this one, when it has a
/// manifest.
pub(super) fn folder(asked: Option<&Path>) -> Result<Folder> {
    if let Some(asked) = asked {
        return if asked.is_dir() {
            Ok(Folder::at(asked))
        } else {
            Err(Error::failed("there is no such folder")
                .fact("path", asked.display())
                .hint("name the folder that 'pack download' made, or run: pack download"))
        };
    }
    let here = Path::new(FILE_NAME);
    let product = folder_name(&local_manifest()?);
    if product.join(FILE_NAME).is_file() {
        Ok(Folder::at(product))
    } else if here.is_file() {
        Ok(Folder::at("."))
    } else {
        Err(Error::failed("there is no folder to work on")
            .fact("path", product.display())
            .hint("make it with 'pack download', or name another folder"))
    }
}

/// Where a product is downloaded to when nothing else is asked for.
pub(super) fn folder_name(manifest: &Manifest) -> PathBuf {
    PathBuf::from(format!("{}-portable", manifest.name()))
}

/// `./manifest.json`, else the manifest built into this program.
fn local_manifest() -> Result<Manifest> {
    let here = Path::new(FILE_NAME);
    if here.is_file() {
        let text = read_manifest_text(here).doing("read the manifest", here)?;
        Manifest::parse(text, FILE_NAME)
    } else {
        Manifest::parse(builtin::text().to_owned(), "the manifest built into pack")
    }
}
