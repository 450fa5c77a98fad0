//! `pack bundle`: a folder into one self-extracting file.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::network::NetworkArgs;
use super::sign::sign_file;
use super::terminal::{Terminal, bytes, counted};
use super::trust::{KeyArgs, Trust};
use super::{download, locate, password};
use crate::bundle::{self, BundleSpec, Contents, Preset, Runtime, Written, check_stacks, write};
use crate::error::{Error, IoContext, Result};
use crate::image::AnalysisOptions;
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::release::Folder;
use crate::signature::SecretKey;
use crate::workers;

/// Pack a folder into one self-extracting file
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack bundle                                          the folder that 'pack download' made here
  pack bundle --manifest examples/hello/manifest.json  download first, then pack
  pack bundle --sign release.key                       signs the .sha256 file
  pack bundle -o /media/stick/ --compression max       smaller, and straight to the stick

Writes NAME-VERSION-ARCH.run and NAME-VERSION-ARCH.run.sha256, which 'sha256sum -c' reads. The same
folder and the same pack give the same bundle, bit for bit.")]
pub(super) struct BundleArgs {
    /// The folder [default: the folder of the manifest here]
    dir: Option<PathBuf>,
    /// Download what this manifest or URL pins first
    #[arg(long, value_name = "MANIFEST|URL")]
    manifest: Option<String>,
    /// Let an older version, or other content of the same version, replace what is in the folder
    #[arg(long, requires = "manifest")]
    allow_downgrade: bool,
    /// The file to write, or a folder to write it into [default: NAME-VERSION-ARCH.run here, or beside the folder
    /// when that is here]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// How hard to compress
    #[arg(long, value_enum, default_value_t)]
    compression: CompressionArg,
    /// Leave out what gives the original image archives back bit for bit: faster; images come back as plain
    /// docker archives
    #[arg(long)]
    no_originals: bool,
    /// The pack-site to carry [default: the one for the platform, beside this pack or in ~/.local/share/pack/runtimes]
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Pack the artifacts of this platform [default: the folder's]
    #[arg(long)]
    platform: Option<Platform>,
    /// On how many cores; the bundle does not depend on it [default: all]
    #[arg(long, value_name = "N", value_parser = cores)]
    threads: Option<usize>,
    /// Sign the .sha256 file with this secret key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

/// More threads than this need more memory than they save time.
const MOST_CORES: usize = 256;

fn cores(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MOST_CORES).contains(count));
    count.ok_or_else(|| format!("give a number from 1 to {MOST_CORES}"))
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum CompressionArg {
    /// About as fast as the disk
    Fast,
    /// Small, in reasonable time
    #[default]
    Balanced,
    /// As small as it gets, however long it takes
    Max,
}

impl CompressionArg {
    /// How hard to pack the runtime, which the launcher unpacks with gzip.
    fn gzip_level(self) -> u32 {
        match self {
            CompressionArg::Fast => 1,
            CompressionArg::Balanced => 6,
            CompressionArg::Max => 9,
        }
    }
}

impl From<CompressionArg> for Preset {
    fn from(asked: CompressionArg) -> Self {
        match asked {
            CompressionArg::Fast => Preset::Fast,
            CompressionArg::Balanced => Preset::Balanced,
            CompressionArg::Max => Preset::Max,
        }
    }
}

pub(super) fn run(args: &BundleArgs, terminal: &Terminal) -> Result<u8> {
    let trust = args.key.read()?;
    // Packing may take long: a wrong key or password is told before.
    let signer = args.sign.as_deref().map(|key| SecretKey::read(key, password::ask)).transpose()?;
    let signer = signer.as_ref();
    match &args.manifest {
        Some(manifest) => {
            let dir = args.dir.as_deref();
            let plan = download::Plan { dir, platform: args.platform, allow_downgrade: args.allow_downgrade };
            let folder = download::for_bundle(manifest, &plan, &trust, &args.network, terminal)?;
            pack(args, &folder, &trust, signer, terminal)
        }
        None => {
            let folder = locate::folder(args.dir.as_deref())?;
            let _held = folder.lock_for_reading()?;
            pack(args, &folder, &trust, signer, terminal)
        }
    }
}

/// Packs the folder, which nobody changes meanwhile.
fn pack(
    args: &BundleArgs,
    folder: &Folder,
    trust: &Trust,
    signer: Option<&SecretKey>,
    terminal: &Terminal,
) -> Result<u8> {
    let manifest = folder.expect_manifest()?;
    trust.check_folder(folder, &manifest, terminal)?;
    let platform = locate::platform_of(folder, args.platform)?;
    let target = outside(folder, args.output.as_deref(), target(args.output.as_deref(), &manifest, platform))?;
    let selection = manifest.select(platform)?;
    let runtime = match &args.runtime {
        Some(path) => Runtime::from_file(path, platform)?,
        None => Runtime::find(platform)?,
    };
    let preset: Preset = args.compression.into();
    let cores = args.threads.unwrap_or_else(workers::cores);
    let options = AnalysisOptions {
        platform: Some(platform),
        originals: !args.no_originals,
        keep_compressed: preset.keeps_compressed(),
        cores,
        ..AnalysisOptions::default()
    };
    let contents = Contents::read(folder, &manifest, &selection, &options, terminal.progress("reading").as_ref())?;
    check_stacks(folder, &contents)?;
    let spec = BundleSpec {
        manifest: &manifest,
        platform,
        header: bundle::header(&manifest, platform, &runtime, args.compression.gzip_level())?,
        files: contents.files,
        artifacts: contents.artifacts,
        images: contents.images,
        preset,
        cores,
    };
    let written = {
        let progress = terminal.progress("packing");
        write(spec, &target, progress.as_ref())?
    };
    let signature = signer.map(|key| sign(&written, key)).transpose()?;
    let carried: u64 = written.index.artifacts.iter().map(|artifact| artifact.size).sum();
    terminal.document(&json!({
        "bundle": target,
        "size": written.descriptor.size,
        "digest": written.descriptor.digest,
        "checksumFile": written.checksum_file,
        "signature": signature,
        "name": written.index.name,
        "version": written.index.version,
        "platform": platform,
        "carried": carried,
        "artifacts": written.index.artifacts.len(),
    }))?;
    terminal.text(&format!(
        "{}: {}, {} in {} ({} for the runtime)\n{}",
        target.display(),
        counted(written.index.artifacts.len() as u64, "artifact"),
        bytes(carried),
        bytes(written.descriptor.size),
        bytes(written.index.header_size),
        written.descriptor.digest
    ))?;
    terminal.text(&match manifest.run() {
        Some(_) => format!("run it on site with: sh {}", target.display()),
        None => format!("it runs nothing; take the files out on site with: sh {} pack extract DIR", target.display()),
    })?;
    Ok(0)
}

/// Signs the checksum beside the bundle; the signature's path.
fn sign(written: &Written, key: &SecretKey) -> Result<PathBuf> {
    let content = fs::read(&written.checksum_file).doing("read the checksum", &written.checksum_file)?;
    let comment = format!("{} {} {}", written.index.name, written.index.version, written.index.platform);
    sign_file(&written.checksum_file, &content, key, &comment)
}

/// The file asked for, or the bundle's own name in the folder asked for.
fn target(asked: Option<&Path>, manifest: &Manifest, platform: Platform) -> PathBuf {
    let name = format!("{}-{}-{}.run", manifest.name(), manifest.version(), platform.machine());
    match asked {
        None => PathBuf::from(name),
        Some(path) if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') => path.join(name),
        Some(path) => path.to_owned(),
    }
}

/// `target`, unless it would land inside the folder that is packed, where it would be an unexpected file: then
/// beside the folder, or nowhere when that very place was asked for.
fn outside(folder: &Folder, asked: Option<&Path>, target: PathBuf) -> Result<PathBuf> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Packing may take long: that there is no such place is told before.
    if !parent.is_dir() {
        return Err(Error::failed("the folder for the bundle is not there")
            .fact("output", target.display())
            .hint(format_args!("make it: mkdir -p {}; or name another place with -o", parent.display())));
    }
    let parent = parent.canonicalize().doing("find the folder", parent)?;
    let root = folder.root().canonicalize().doing("find the folder", folder.root())?;
    if !parent.starts_with(&root) {
        return Ok(target);
    }
    match (asked, root.parent(), target.file_name()) {
        (None, Some(beside), Some(name)) => Ok(beside.join(name)),
        _ => Err(Error::usage("the bundle would lie in the folder that is packed")
            .fact("output", target.display())
            .fact("folder", folder.root().display())
            .hint("name a place outside of the folder with -o, or leave -o out to write beside it")),
    }
}
