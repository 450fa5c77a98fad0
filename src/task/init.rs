//! Beginning: a new manifest out of what a publisher has.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use semver::Version;

use super::gather::{self, Found, Gathered, Place};
use super::locate;
use crate::error::{Error, IoContext, Result};
use crate::manifest::append::new_text;
use crate::manifest::{FILE_NAME, Kind, Manifest, ProductName};
use crate::path::{RelPath, shell_word};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::staged_file::StagedFile;

/// Where the manifest is to be.
#[derive(Debug, Clone)]
pub enum Target {
    /// `manifest.json` in this folder, which is made where it is not there.
    Folder(PathBuf),
    /// This file.
    File(PathBuf),
}

/// What to make a manifest of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stack files, folders, files, URLs and images.
    pub sources: Vec<OsString>,
    /// The product's name; else a stack file's, else the folder's.
    pub name: Option<ProductName>,
    /// The product's version.
    pub version: Version,
    /// For which platform images are taken from registries; else this machine's.
    pub platform: Option<Platform>,
    /// Where the manifest is to be.
    pub target: Target,
}

/// What was written.
#[derive(Debug)]
pub struct Report {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// The product's name.
    pub name: ProductName,
    /// The artifact that a bundle runs on site.
    pub run: Option<RelPath>,
    /// The artifacts, in the manifest's order.
    pub found: Vec<Found>,
    /// The description of the product, where one was written.
    pub product: Option<PathBuf>,
    /// What is worth a line.
    pub notes: Vec<String>,
}

/// Writes a new manifest, and beside a stack file the beginning of a description of the product.
///
/// # Errors
/// There is a manifest, a source cannot be used, or the disk refuses; then nothing is written.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    let platform = locate::platform(options.platform)?;
    let shown = match &options.target {
        Target::Folder(folder) => folder.join(FILE_NAME),
        Target::File(file) => file.clone(),
    };
    let shown = shown.strip_prefix(".").map(Path::to_owned).unwrap_or(shown);
    let file_name = shown.file_name().ok_or_else(|| {
        Error::usage("the manifest has no file name").fact("path", shown.display()).hint("give the name of a file")
    })?;
    check_new(&shown)?;
    let folder = shown.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Target::Folder(_) = options.target {
        fs::create_dir_all(folder).doing("create the folder", folder)?;
    }
    let manifest = folder.canonicalize().doing("find the folder", folder)?.join(file_name);
    let place = Place {
        manifest: &manifest,
        shown: &shown,
        there: &[],
        name: options.name.as_ref(),
        version: &options.version,
        platform,
    };
    let mut gathered = gather::gather(&options.sources, &place, progress)?;
    let artifacts: Vec<_> = gathered.found.iter().map(|found| found.artifact.clone()).collect();
    let of_kind =
        |kind| artifacts.iter().filter(move |artifact| artifact.kind == kind).map(|artifact| &artifact.id.name);
    let scripts: Vec<&RelPath> = of_kind(Kind::Script).collect();
    // A product is installed by 'pack site'.
    let run = match scripts[..] {
        [only] if of_kind(Kind::Product).next().is_none() => Some(only.clone()),
        _ => None,
    };
    if run.is_none() && of_kind(Kind::Product).next().is_none() {
        gathered
            .notes
            .push("a bundle of it runs nothing on site: \"run\" in the manifest names the script to run".to_owned());
    }
    let text = new_text(&gathered.name, &options.version, run.as_ref(), &artifacts);
    Manifest::parse(text.clone(), &shown.display().to_string())
        .map_err(|error| error.hint("nothing was written; leave out or rename what it names"))?;
    let product = gathered.product.as_ref().map(gather::NewProduct::write).transpose()?;
    check_new(&shown)?;
    StagedFile::write(&manifest, text.as_bytes(), 0o644)?;
    let Gathered { found, name, notes, .. } = gathered;
    Ok(Report { manifest: shown, name, run, found, product, notes })
}

/// Checks that nothing has that name.
fn check_new(manifest: &Path) -> Result<()> {
    if manifest.symlink_metadata().is_err() {
        return Ok(());
    }
    let word = shell_word(manifest);
    Err(Error::failed("there is a manifest already").fact("manifest", manifest.display()).hint(format_args!(
        "to put more into it: pack add {word} redis:6.2, for example; for a new one give another name with --manifest"
    )))
}
