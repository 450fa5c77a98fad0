//! Bundling: a folder into one self-extracting file.

use std::fs;
use std::path::{Path, PathBuf};

use super::commands::manifest_of;
use super::sign::sign_file;
use super::signed::Signed;
use super::trust::Trust;
use super::volumes::{self, VolumeFile};
use super::{bundle_room, download, locate, parity};
use crate::bundle::{
    self, BundleSpec, CarriedArtifact, Contents, Preset, Runtime, Written, check_product, check_scripts, check_stacks,
    write,
};
use crate::error::{Error, IoContext, Result};
use crate::image;
use crate::manifest::FILE_NAME;
use crate::own_file;
use crate::parity::layout::Amount;
use crate::parity::sidecar;
use crate::path::{RelPath, shell_word};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::Folder;
use crate::signature::SecretKey;
use crate::workers;

/// Where the content of a bundle comes from.
#[derive(Debug, Clone)]
pub enum BundleSource {
    /// A folder that was downloaded before.
    Folder(Folder),
    /// Downloads first.
    Download(Box<download::Options>),
}

/// What to bundle, and how.
pub struct Options {
    /// The content.
    pub source: BundleSource,
    /// The file to write, or a folder to write it into; `None` is `NAME-VERSION-ARCH.run`, of one that is detached
    /// `NAME-VERSION-ARCH-detached.run`, here, or beside the folder when that is here.
    pub output: Option<PathBuf>,
    /// The platform whose artifacts are packed; `None` is the folder's, else this machine's.
    pub platform: Option<Platform>,
    /// How hard to compress.
    pub preset: Preset,
    /// Whether images come back bit for bit; without, they come back as plain docker archives.
    pub originals: bool,
    /// Whether everything large stays out of the bundle, which takes it on site from the folder where it lies.
    pub detached: bool,
    /// The `pack-site` to carry; `None` is the one that [`Runtime::find`] finds for the platform.
    pub runtime: Option<PathBuf>,
    /// On how many cores, at least 1; `None` is all. The bundle does not depend on it.
    pub cores: Option<usize>,
    /// Signs the checksum beside the bundle.
    pub signer: Option<SecretKey>,
    /// How much parity to write beside the bundle; `None` is none.
    pub parity: Option<Amount>,
    /// The longest file to write, in bytes: the bundle is divided into volumes; `None` is one file. Parity covers one file
    /// only, and is not made with it.
    pub volume_size: Option<u64>,
    /// What the folder's manifest must stand up to.
    pub trust: Trust,
}

/// A bundle that was written.
#[derive(Debug)]
pub struct Report {
    /// The bundle's path.
    pub path: PathBuf,
    /// The bundle.
    pub written: Written,
    /// The platform it is for.
    pub platform: Platform,
    /// The artifact that it runs on site.
    pub run: Option<RelPath>,
    /// The product that `pack site` installs on site, as people call it.
    pub product: Option<String>,
    /// The size of all artifacts in it in bytes, as they lie in the folder.
    pub carried: u64,
    /// The names of those that it takes on site from the folder where it lies.
    pub detached: Vec<RelPath>,
    /// Who signed its manifest.
    pub signed: Signed,
    /// The signature of its checksum.
    pub signature: Option<PathBuf>,
    /// The parity beside it.
    pub parity: Option<parity::Report>,
    /// The files that it lies in, that of its path first; none where it is one file.
    pub volumes: Vec<VolumeFile>,
}

/// Packs a folder. The same folder and the same `pack` give the same bundle, bit for bit.
///
/// # Errors
/// The download fails; the manifest is refused; an artifact is not what the manifest pins; a stack file asks for an
/// image that is not there; the runtime is not for the platform; or the disk refuses. What had the bundle's name
/// before is then still there.
pub fn run(options: &Options, progress: &dyn Progress) -> Result<Report> {
    match &options.source {
        BundleSource::Download(download) => {
            let downloaded = download::run(download, progress)?;
            let report = pack(&downloaded.folder, options, progress)?;
            // What the server has sent in a signature's place is not in the folder, and no absence.
            let signed = if report.signed == Signed::No { downloaded.signed } else { report.signed };
            Ok(Report { signed, ..report })
        }
        BundleSource::Folder(folder) => {
            manifest_of(folder)?;
            let _held = folder.lock_for_reading()?;
            pack(folder, options, progress)
        }
    }
}

/// Packs the folder, which nobody changes meanwhile.
fn pack(folder: &Folder, options: &Options, progress: &dyn Progress) -> Result<Report> {
    let manifest = folder.expect_manifest()?;
    let signed = options.trust.check_folder(folder, &manifest, progress)?;
    signed.check_fits(&manifest, &folder.root().join(FILE_NAME))?;
    let platform = locate::platform_of(folder, options.platform)?;
    let ending = if options.detached { "-detached" } else { "" };
    let name = format!("{}-{}-{}{ending}.run", manifest.name(), manifest.version(), platform.machine());
    let path = output_path(folder, options.output.as_deref(), name)?;
    let selection = manifest.select(platform)?;
    let runtime = match &options.runtime {
        Some(path) => Runtime::from_file(path, platform)?,
        None => Runtime::find(platform)?,
    };
    let cores = options.cores.unwrap_or_else(workers::cores);
    let reading = image::AnalysisOptions {
        platform: Some(platform),
        // What stays out is only looked into.
        originals: options.originals && !options.detached,
        keep_compressed: options.preset.keeps_compressed() || options.detached,
        cores,
        ..image::AnalysisOptions::default()
    };
    progress.phase("reading");
    let mut contents = Contents::read(folder, &manifest, &selection, &reading, progress)?;
    check_stacks(folder, &contents)?;
    check_scripts(folder, &manifest, &contents, platform, progress)?;
    let product = check_product(folder, &contents, platform)?;
    if options.detached {
        contents.detach(folder, &manifest, &selection);
    }
    let header = bundle::header(&manifest, platform, &runtime, gzip_level(options.preset))?;
    bundle_room::check(folder, &contents, header.len() as u64, &path, progress)?;
    let Contents { files, artifacts, images } = contents;
    // On site somebody is asked whether it is the publisher's: without --pubkey the one that the download was checked with.
    let publisher = options.trust.key.as_ref().map(ToString::to_string).or_else(|| folder.publisher());
    let preset = options.preset;
    let spec = BundleSpec { manifest: &manifest, platform, publisher, header, files, artifacts, images, preset, cores };
    progress.phase("packing");
    let written = write(spec, &path, progress)?;
    // An old bundle's parity would be worse than none.
    own_file::remove(&sidecar::beside(&path))?;
    let lay_out = |longest: u64| volumes::lay_out(&path, longest, &written.checksum_file, progress);
    let volumes = options.volume_size.map(lay_out).transpose()?.unwrap_or_default();
    let signature = options.signer.as_ref().map(|key| sign(&written, key)).transpose()?;
    let parity = options
        .parity
        .filter(|_| volumes.is_empty())
        .map(|amount| parity::of_whole(&path, amount, progress))
        .transpose()?;
    let (detached, carried): (Vec<&CarriedArtifact>, Vec<&CarriedArtifact>) =
        written.index.artifacts.iter().partition(|artifact| artifact.carried.is_detached());
    let detached = detached.into_iter().map(|artifact| artifact.name.clone()).collect();
    let carried = carried.into_iter().map(|artifact| artifact.size).sum();
    let run = manifest.run().cloned();
    Ok(Report { path, written, platform, run, product, carried, detached, signed, signature, parity, volumes })
}

/// How hard to pack the runtime, which the launcher unpacks with gzip.
fn gzip_level(preset: Preset) -> u32 {
    match preset {
        Preset::Fast => 1,
        // A fraction of a second, and every bundle carries it.
        Preset::Balanced | Preset::Max => 9,
    }
}

/// Signs the checksum beside the bundle; the signature's path.
fn sign(written: &Written, key: &SecretKey) -> Result<PathBuf> {
    let content = fs::read(&written.checksum_file).doing("read the checksum", &written.checksum_file)?;
    let comment = format!("{} {} {}", written.index.name, written.index.version, written.index.platform);
    sign_file(&written.checksum_file, &content, key, &comment)
}

/// The file asked for, or the bundle's own name in the folder asked for; never inside the folder that is packed, where
/// it would be an unexpected file: then beside that folder, where nothing else was asked for.
fn output_path(folder: &Folder, asked: Option<&Path>, name: String) -> Result<PathBuf> {
    let path = match asked {
        None => PathBuf::from(name),
        Some(path) if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") => path.join(name),
        Some(path) => path.to_owned(),
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Packing may take long: a missing folder is found before.
    if !parent.is_dir() {
        return Err(Error::failed("the folder for the bundle is not there")
            .fact("output", path.display())
            .hint(format_args!("make it: mkdir -p {}; or name another place with -o", shell_word(parent))));
    }
    let parent = parent.canonicalize().doing("find the folder", parent)?;
    let root = folder.root().canonicalize().doing("find the folder", folder.root())?;
    if !parent.starts_with(&root) {
        return Ok(path);
    }
    match (asked, root.parent(), path.file_name()) {
        (None, Some(beside), Some(name)) => Ok(beside.join(name)),
        _ => Err(Error::usage("the bundle would lie in the folder that is packed")
            .fact("output", path.display())
            .fact("folder", folder.root().display())
            .hint("name a place outside of the folder with -o, or leave -o out to write beside it")),
    }
}
