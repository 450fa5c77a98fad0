//! Which folder and platform are meant where nothing is said.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::manifest::{FILE_NAME, Manifest};
use crate::platform::Platform;
use crate::release::{Folder, read_manifest_text};

/// The platform asked for, else this host's.
pub fn platform(asked: Option<Platform>) -> Result<Platform> {
    asked.or_else(Platform::host).ok_or_else(|| {
        Error::usage(tr!("pack does not know the platform of this machine"))
            .hint(tr!("say for which platform: --platform linux/amd64"))
    })
}

/// The platform asked for, else the one the folder was made for, else this host's.
pub fn platform_of(folder: &Folder, asked: Option<Platform>) -> Result<Platform> {
    platform(asked.map_or_else(|| folder.platform(), |asked| Ok(Some(asked)))?)
}

/// The folder asked for; else `./NAME-portable` of the manifest here; else this one, when it has a
/// manifest; else the only `./*-portable` there is; else this one, when a download into it has begun.
pub fn folder(asked: Option<&Path>) -> Result<Folder> {
    if let Some(asked) = asked {
        return if asked.is_dir() {
            Ok(Folder::at(asked))
        } else {
            Err(Error::failed(tr!("there is no such folder"))
                .fact("path", asked.display())
                .hint(tr!("name the folder that 'pack download' made, or run: pack download")))
        };
    }
    let here = Path::new(FILE_NAME);
    if here.is_file() {
        let text = read_manifest_text(here).doing("read the manifest", here)?;
        let product = folder_name(&Manifest::parse(text, FILE_NAME)?);
        return Ok(Folder::at(if is_product(&product) { product } else { ".".into() }));
    }
    let found = portable_folders()?;
    match found.as_slice() {
        [one] => Ok(Folder::at(one)),
        [] if Folder::at(".").is_begun() => Ok(Folder::at(".")),
        [] => Err(Error::failed(tr!("there is no folder to work on"))
            .fact("expected", "./NAME-portable")
            .hint(tr!("make it with 'pack download', or name another folder"))),
        several => Err(Error::usage(tr!("there are several folders here"))
            .fact("found", several.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(", "))
            .hint(tr!("name the one that is meant"))),
    }
}

/// Where a product is downloaded to when nothing else is asked for.
pub fn folder_name(manifest: &Manifest) -> PathBuf {
    PathBuf::from(format!("{}-portable", manifest.name()))
}

/// Whether a download was made into `path`, or has begun.
fn is_product(path: &Path) -> bool {
    path.join(FILE_NAME).is_file() || Folder::at(path).is_begun()
}

/// The folders here that 'pack download' may have made.
fn portable_folders() -> Result<Vec<PathBuf>> {
    let here = Path::new(".");
    let mut found = Vec::new();
    for entry in fs::read_dir(here).doing("list the folder", here)? {
        let name = PathBuf::from(entry.doing("list the folder", here)?.file_name());
        if name.as_os_str().as_encoded_bytes().ends_with(b"-portable") && is_product(&name) {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}
