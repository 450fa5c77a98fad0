//! Downloading: a folder with exactly the bytes that a manifest pins.
//!
//! The order of the steps is what makes an interrupted download harmless: signature, expiry and upgrade are checked
//! before the folder is touched, artifacts get their final names one by one as they are verified, what the old
//! version had and the new one has not goes after that, and the manifest is written last.

use std::fs;
use std::io;
use std::path::PathBuf;

use url::Url;

use super::download_room;
use super::locate;
use super::signed::Signed;
use super::trust::Trust;
use super::trusted_manifest::TrustedManifest;
use super::upgrade::check_upgrade;
use crate::bundle::Runtime;
use crate::cache::Cache;
use crate::error::{IoContext, Result};
use crate::fetch::{self, Fetcher, Outcome};
use crate::manifest::{Artifact, Kind, Manifest, Pinned, SIGNATURE_NAME};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::{Folder, LockedFolder, SITE_PROGRAM, SITE_PROGRAM_SUM};
use crate::signature::{self, PublicKey};

/// What to download, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the manifest is: an `http`, `https` or `file` URL, or the one built in. See
    /// [`manifest_url`](super::manifest_url).
    pub manifest: Url,
    /// The folder; `None` is `./NAME-portable`.
    pub dir: Option<PathBuf>,
    /// The platform whose artifacts are fetched; `None` is the folder's, else this machine's.
    pub platform: Option<Platform>,
    /// Whether an older version, or other content of the same version, may replace what is in the folder.
    pub allow_downgrade: bool,
    /// What the manifest must stand up to.
    pub trust: Trust,
    /// How to fetch.
    pub network: fetch::Options,
}

impl Options {
    fn folder(&self, manifest: &Manifest) -> Folder {
        Folder::at(self.dir.clone().unwrap_or_else(|| locate::folder_name(manifest)))
    }
}

/// A folder that holds what its manifest pins. Nobody else writes into it as long as this lives.
#[derive(Debug)]
pub struct Report {
    /// The folder.
    pub folder: LockedFolder,
    /// Its manifest.
    pub manifest: Manifest,
    /// The platform whose artifacts it holds.
    pub platform: Platform,
    /// Who signed the manifest.
    pub signed: Signed,
    /// Whether the program for the site lies beside the artifacts.
    pub has_program: bool,
    /// What became of each artifact, in the manifest's order.
    pub artifacts: Vec<Outcome>,
}

/// Downloads what a manifest pins. What is right already stays, and no request is sent for it.
///
/// # Errors
/// The manifest cannot be had or is refused, an artifact cannot be had, or the disk refuses. What was fetched stays,
/// and the next run goes on with it.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let fetcher = Fetcher::new(options.network.clone())?;
    let accept =
        |manifest: &Manifest| check_upgrade(&options.folder(manifest), manifest, options.allow_downgrade).map(drop);
    let trusted = TrustedManifest::fetch(&options.trust, &fetcher, &options.manifest, &accept, progress)?;
    let folder = options.folder(&trusted.manifest);
    let manifest = &trusted.manifest;
    let platform = locate::platform_of(&folder, options.platform)?;
    let selection = manifest.select(platform)?;
    let folder = folder.lock()?;
    let cache = options.network.cache.as_deref().map(Cache::at);
    download_room::check(&folder, &selection, cache.as_ref(), &trusted.shown)?;
    folder.write_origin(&options.manifest)?;
    // Another run may have been here since the manifest was accepted.
    let old = check_upgrade(&folder, manifest, options.allow_downgrade)?;
    if let Some(old) = &old {
        for name in folder.remove_conflicting(old, &selection)? {
            progress.note(&format!("removed {name}: it is in the way of version {}", manifest.version()));
        }
    }
    let signature = match (trusted.signature.clone(), &old) {
        (None, Some(old)) if old.text() == manifest.text() => {
            let kept = kept_signature(&folder)?;
            if kept.is_some() {
                progress.note(
                    "the server has sent no signature; the one in the folder stays, for the manifest is the same",
                );
            }
            kept
        }
        (signature, _) => signature,
    };
    // What is beside the manifest from now on is what is reported.
    let signed = match (&trusted.signature, &signature) {
        (None, Some(kept)) => {
            options.trust.check_signature(manifest.text().as_bytes(), Some(kept), options.manifest.path())?
        }
        _ => trusted.signed,
    };
    let old_text = old.as_ref().map(|old| old.text().to_owned());
    progress.phase("fetching");
    let artifacts = fetcher.download(&selection, &trusted.base, &folder, progress)?;
    if let Some(old) = old {
        for name in folder.remove_left_over(&old, &selection)? {
            progress.note(&format!("removed {name}: version {} does not have it", manifest.version()));
        }
    }
    let has_program = bring_site_program(&folder, &selection, platform, progress)?;
    folder.write_platform(platform)?;
    let publisher = options.trust.key.as_ref().map(PublicKey::file_text).or_else(|| {
        let kept = old_text.as_deref() == Some(manifest.text());
        folder.publisher().filter(|_| kept).and_then(|key| PublicKey::from_base64(&key)).map(|key| key.file_text())
    });
    folder.write_publisher(publisher.as_deref())?;
    folder.write_manifest(manifest, signature.as_deref())?;
    Ok(Report { has_program, folder, manifest: trusted.manifest, platform, signed, artifacts })
}

/// Puts `pack-site` beside the files of a product that it installs on site. Returns whether it lies there.
fn bring_site_program(
    folder: &LockedFolder,
    selection: &[Pinned<'_>],
    platform: Platform,
    progress: &dyn Progress,
) -> Result<bool> {
    let is_taken = |pinned: &Pinned<'_>| [SITE_PROGRAM, SITE_PROGRAM_SUM].contains(&pinned.name().as_str());
    let is_product = selection.iter().any(|pinned| pinned.artifact.kind == Kind::Product);
    if !is_product || selection.iter().any(is_taken) {
        return Ok(false);
    }
    match Runtime::find(platform) {
        Ok(program) => folder.write_site_program(program.bytes()).map(|()| true),
        Err(error) => {
            progress.note(&format!(
                "{SITE_PROGRAM} is not put beside the files, so they install themselves from a bundle only: {}",
                error.title()
            ));
            Ok(false)
        }
    }
}

/// The signature in the folder, if a file there is one.
///
/// # Errors
/// There is one that cannot be read: it must not be taken for none, and removed.
fn kept_signature(folder: &LockedFolder) -> Result<Option<String>> {
    let path = folder.root().join(SIGNATURE_NAME);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.doing("look at the signature", &path)?,
    };
    if !found.is_file() || found.len() > signature::LIMIT {
        return Ok(None);
    }
    let text = fs::read(&path).doing("read the signature", &path)?;
    Ok(String::from_utf8(text).ok().filter(|text| signature::is_signature(text)))
}

/// What would be fetched, to get it by other means.
#[derive(Debug)]
pub struct Listing {
    /// The manifest.
    pub manifest: Manifest,
    /// Where the manifest itself is.
    pub url: String,
    /// The platform whose artifacts are listed.
    pub platform: Platform,
    /// The artifacts, in the manifest's order; those that are not pinned too.
    pub artifacts: Vec<Listed>,
}

/// An artifact and where it is.
#[derive(Debug)]
pub struct Listed {
    /// The artifact.
    pub artifact: Artifact,
    /// Absolute URLs, best first.
    pub urls: Vec<String>,
}

/// Lists what [`run`] would fetch; the folder is not touched. Without `credentials` the URLs have no user, no
/// password, and no values in their queries.
///
/// # Errors
/// The manifest cannot be had or is refused.
pub fn list(options: &Options, credentials: bool, progress: &dyn Progress) -> Result<Listing> {
    let fetcher = Fetcher::new(options.network.clone())?;
    let trusted = TrustedManifest::fetch(&options.trust, &fetcher, &options.manifest, &|_| Ok(()), progress)?;
    let platform = locate::platform_of(&options.folder(&trusted.manifest), options.platform)?;
    let wanted = trusted.manifest.artifacts().iter().filter(|artifact| artifact.id.is_for(platform));
    let listed = |artifact: &Artifact| {
        let urls = fetcher.urls(artifact, &trusted.base, credentials)?;
        Ok(Listed { artifact: artifact.clone(), urls })
    };
    let artifacts = wanted.map(listed).collect::<Result<_>>()?;
    let url = if credentials { options.manifest.to_string() } else { trusted.shown };
    Ok(Listing { url, manifest: trusted.manifest, platform, artifacts })
}
