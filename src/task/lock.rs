//! Locking: the publisher pins what a manifest lists, in place.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use url::Url;

use super::manifest_url::{is_meant_as_url, manifest_url};
use super::sign_again::sign_again;
use super::signed::Signed;
use super::trust::Trust;
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::fetch::{self, Fetcher};
use crate::manifest::edit::with_pins;
use crate::manifest::{Artifact, ArtifactId, FILE_NAME, Manifest};
use crate::path::shell_word;
use crate::progress::{Progress, Silent};
use crate::release::{pin_again, read_manifest_text};
use crate::signature::{EXTENSION, PublicKey};
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
    /// The publisher's key: a signature beside the manifest must be this one's.
    pub trust: Trust,
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
    if let Some(text) = options.manifest.to_str().filter(|text| is_meant_as_url(text)) {
        let pin = Url::parse(text).map_or_else(|_| format!("pack lock {FILE_NAME}"), |url| pin_again(&url));
        return Err(Error::usage("a manifest is pinned in place, and a URL is no place to write to")
            .hint(format_args!("download the manifest, and pin it there: {pin}")));
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
    check_unsigned(options, &path, &manifest, !open.is_empty())?;
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
fn check_unsigned(options: &Options, path: &Path, manifest: &Manifest, changes: bool) -> Result<()> {
    let shown = &options.manifest;
    // A manifest that nobody has signed yet is no fault here, whatever key there is: signing comes next.
    let claimed = Trust::default().check_file(path, manifest, &Silent)?;
    if claimed == Signed::No {
        return Ok(());
    }
    let mut signature = shown.as_os_str().to_owned();
    signature.push(format!(".{EXTENSION}"));
    let signature = Path::new(&signature);
    let key = options.trust.key.as_ref().map(PublicKey::id);
    let again = sign_again(shown, key.as_deref().or(claimed.key_id()));
    // What is not pinned cannot be signed: then pinning comes first, and before that the old signature goes.
    let hint = if changes {
        let update = if options.update { " --update" } else { "" };
        format!("rm {} && pack lock{update} {} && {again}", shell_word(signature), shell_word(shown))
    } else {
        again
    };
    let hint = format!("to sign it again: {hint}");
    claimed.check_fits(manifest, shown).map_err(|error| error.hint(&hint))?;
    options.trust.check_file(path, manifest, &Silent).map_err(|error| error.hint(&hint))?;
    if !changes {
        return Ok(());
    }
    Err(Error::failed("the manifest is signed, and to pin it is to change what was signed")
        .fact("manifest", shown.display())
        .fact("signature", signature.display())
        .hint(hint))
}

/// Replaces the manifest at `path`, which must still have the text `old`: somebody may have edited it while
/// its artifacts were fetched.
fn replace(path: &Path, old: &str, new: &str) -> Result<()> {
    // Two runs of this command do not get past here at once.
    let mut whole = StagedFile::create(path)?;
    if read_manifest_text(path).doing("read the manifest", path)? != old {
        return Err(Error::failed("the manifest has changed while its artifacts were fetched")
            .fact("manifest", path.display())
            .hint(format_args!("nothing was written; run it again: pack lock {}", shell_word(path))));
    }
    let mode = fs::metadata(path).doing("look at the manifest", path)?.permissions().mode() & 0o777;
    whole.file().write_all(new.as_bytes()).doing("write", path)?;
    whole.place(mode)
}
