//! Locking: the publisher pins what a manifest lists, in place.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::commands::word;
use super::manifest_url::{is_meant_as_url, manifest_url};
use super::signed::Signed;
use super::trust::Trust;
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::fetch::{self, Fetcher};
use crate::manifest::edit::with_pins;
use crate::manifest::{Artifact, ArtifactId, Manifest};
use crate::progress::{Progress, Silent};
use crate::release::read_manifest_text;
use crate::signature::EXTENSION;
use crate::staged_file::StagedFile;

/// What to pin.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// Whether what is pinned already is fetched too, and pinned to what it is now.
    pub update: bool,
    /// How to fetch.
    pub network: fetch::Options,
}

/// What was pinned.
#[derive(Debug)]
pub struct Report {
    /// Whether the file has changed.
    pub changed: bool,
    /// The artifacts that were fetched, in the manifest's order.
    pub pinned: Vec<NewPin>,
}

/// An artifact's new pin.
#[derive(Debug)]
pub struct NewPin {
    /// The artifact.
    pub id: ArtifactId,
    /// Its size and digest.
    pub descriptor: Descriptor,
}

/// Fetches what is not pinned, and writes its size and digest into the manifest. Nothing else in the file changes.
///
/// # Errors
/// The manifest is not valid, has changed meanwhile, or an artifact cannot be had; those that could are pinned.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    if options.manifest.to_str().is_some_and(is_meant_as_url) {
        return Err(Error::usage("a manifest is pinned in place, and a URL is no place to write to")
            .hint("download the manifest, then: pack lock manifest.json"));
    }
    // The file itself, not a link to it, is what gets new content.
    let path = options.manifest.canonicalize().doing("find the manifest", &options.manifest)?;
    let text = read_manifest_text(&path).doing("read the manifest", &path)?;
    let manifest = Manifest::parse(text, &options.manifest.display().to_string())?;
    let open: Vec<Artifact> = manifest
        .artifacts()
        .iter()
        .filter(|artifact| options.update || artifact.pin.is_none_or(|pin| pin.size.is_none()))
        // To update is to fetch as if there was no pin.
        .map(|artifact| Artifact { pin: artifact.pin.filter(|_| !options.update), ..artifact.clone() })
        .collect();
    check_unsigned(&options.manifest, &path, &manifest, !open.is_empty())?;
    let (pins, failure) = if open.is_empty() {
        (Vec::new(), None)
    } else {
        let base = manifest_url(Some(path.as_os_str()))?;
        progress.phase("pinning");
        Fetcher::new(options.network.clone())?.pin(&open, &base, progress)
    };
    let text = with_pins(&manifest, &pins)?;
    let changed = text != manifest.text();
    if changed {
        replace(&path, manifest.text(), &text)?;
    }
    let pinned: Vec<NewPin> = pins.into_iter().map(|(id, descriptor)| NewPin { id, descriptor }).collect();
    match failure {
        None => Ok(Report { changed, pinned }),
        Some(error) if pinned.is_empty() => Err(error),
        // What was pinned is right whatever became of the others, and stays.
        Some(error) => {
            let ids: Vec<String> = pinned.iter().map(|pin| pin.id.to_string()).collect();
            Err(error.fact("pinned all the same", ids.join(", ")))
        }
    }
}

/// Checks that no signature lies beside the manifest that is not of it, or would not be once it is pinned.
fn check_unsigned(shown: &Path, path: &Path, manifest: &Manifest, changes: bool) -> Result<()> {
    let signed = Trust::default().check_file(path, manifest, &Silent)?;
    signed.check_fits(manifest, shown)?;
    if signed == Signed::No || !changes {
        return Ok(());
    }
    let mut beside = shown.as_os_str().to_owned();
    beside.push(format!(".{EXTENSION}"));
    let (manifest, signature) = (word(shown), word(Path::new(&beside)));
    Err(Error::failed("the manifest is signed, and to pin it is to change what was signed")
        .fact("manifest", shown.display())
        .fact("signature", Path::new(&beside).display())
        .hint(format_args!(
            "rm {signature}; pack lock {manifest}; then sign it again, with the key's own file: pack sign {manifest} --key \
             pack.key"
        )))
}

/// Replaces the manifest at `path`, which must still have the text `old`: somebody may have edited it while
/// its artifacts were fetched.
fn replace(path: &Path, old: &str, new: &str) -> Result<()> {
    // Two runs of this command do not get past here at once.
    let mut whole = StagedFile::create(path)?;
    if read_manifest_text(path).doing("read the manifest", path)? != old {
        return Err(Error::failed("the manifest has changed while its artifacts were fetched")
            .fact("manifest", path.display())
            .hint("nothing was written: run 'pack lock' again"));
    }
    let mode = fs::metadata(path).doing("look at the manifest", path)?.permissions().mode() & 0o777;
    whole.file().write_all(new.as_bytes()).doing("write", path)?;
    whole.place(mode)
}
