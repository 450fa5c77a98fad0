//! Adding: more artifacts in a manifest that is there, of which everything else stays as it was.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::gather::{self, Found, Gathered, Place};
use super::locate;
use super::replace_manifest::replace;
use super::sign_again::sign_again;
use crate::error::{Error, IoContext, Result};
use crate::manifest::append::with_artifacts;
use crate::manifest::{FILE_NAME, Manifest};
use crate::path::shell_word;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::read_manifest_text;
use crate::signature::EXTENSION;

/// What to add.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file; else the first of the words where that is one, else the one here.
    pub manifest: Option<PathBuf>,
    /// Stack files, folders, files, URLs and images.
    pub words: Vec<OsString>,
    /// For which platform images are taken from registries; else this machine's.
    pub platform: Option<Platform>,
}

/// What was added.
#[derive(Debug)]
pub struct Report {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// Whether something is new in it.
    pub changed: bool,
    /// The new artifacts, in their order.
    pub found: Vec<Found>,
    /// The description of the product, where one was written.
    pub product: Option<PathBuf>,
    /// What is worth a line.
    pub notes: Vec<String>,
}

/// Adds what the sources have to the manifest.
///
/// # Errors
/// The manifest is not valid, signed, or has an artifact of such a name; a source cannot be used, or the disk refuses. Then
/// nothing is written.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let platform = locate::platform(options.platform)?;
    let (shown, sources) = match (&options.manifest, &options.words[..]) {
        (Some(manifest), words) => (manifest.clone(), words),
        (None, [first, rest @ ..]) if !rest.is_empty() && is_manifest(first) => (PathBuf::from(first), rest),
        (None, words) => (PathBuf::from(FILE_NAME), words),
    };
    // The file itself, not a link to it, is what gets new content.
    let path = shown.canonicalize().doing("find the manifest", &shown).map_err(|error| {
        let words: Vec<String> = sources.iter().map(|word| shell_word(Path::new(word))).collect();
        error.hint(format_args!("to begin one: pack init --manifest {} {}", shell_word(&shown), words.join(" ")))
    })?;
    let text = read_manifest_text(&path).doing("read the manifest", &path)?;
    let before = Manifest::parse(text, &shown.display().to_string())?;
    check_unsigned(&path, &shown)?;
    let place = Place {
        manifest: &path,
        shown: &shown,
        there: before.artifacts(),
        name: Some(before.name()),
        version: before.version(),
        platform,
    };
    let Gathered { found, product, notes, .. } = gather::gather(sources, &place, progress)?;
    if found.is_empty() {
        return Ok(Report { manifest: shown, changed: false, found, product: None, notes });
    }
    let artifacts: Vec<_> = found.iter().map(|found| found.artifact.clone()).collect();
    let text = with_artifacts(&before, &artifacts)
        .map_err(|error| error.hint("nothing was written; leave out or rename what it names"))?;
    let product = product.map(|product| product.write()).transpose()?;
    let again = format!("pack add {}", shell_word(&shown));
    replace(&path, (before.text(), &text), &again)?;
    Ok(Report { manifest: shown, changed: true, found, product, notes })
}

/// Whether a word names a manifest and not a source: it is called as one, or is one.
fn is_manifest(word: &OsStr) -> bool {
    let path = Path::new(word);
    let is_one = || {
        let text = read_manifest_text(path).unwrap_or_default();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        document.get("schemaVersion").is_some() && document.get("artifacts").is_some()
    };
    path.file_name() == Some(OsStr::new(FILE_NAME)) || path.extension() == Some(OsStr::new("json")) && is_one()
}

/// Checks that nobody has signed the manifest: what is added to it nobody has.
fn check_unsigned(path: &Path, shown: &Path) -> Result<()> {
    let signature_of = |manifest: &Path| {
        let mut name = manifest.as_os_str().to_owned();
        name.push(format!(".{EXTENSION}"));
        PathBuf::from(name)
    };
    if signature_of(path).symlink_metadata().is_err() {
        return Ok(());
    }
    let signature = signature_of(shown);
    Err(Error::failed("the manifest is signed, and to add to it is to change what was signed")
        .fact("manifest", shown.display())
        .fact("signature", signature.display())
        .hint(format_args!(
            "remove the signature, add, pin and sign again: rm {}, then at the end pack lock {word} && {}",
            shell_word(&signature),
            sign_again(shown, None),
            word = shell_word(shown)
        )))
}
