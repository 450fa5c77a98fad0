//! `pack bundle`: a folder into one self-extracting file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::network::NetworkArgs;
use super::sign::sign_file;
use super::terminal::{Terminal, bytes};
use super::trust::KeyArgs;
use super::{download, locate};
use crate::bundle::{CarriedArtifact, Compression, Content, Plan, Source, Written, write};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::folder::Folder;
use crate::manifest::{FILE_NAME, Kind, Manifest, Pinned, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::platform::Platform;
use crate::site::{self, Runtime};
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
    /// The file to write, or a folder to write it into [default: ./NAME-VERSION-ARCH.run]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// How hard to compress
    #[arg(long, value_enum, default_value_t)]
    compression: CompressionArg,
    /// The pack to carry for the site [default: this one]
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Pack the artifacts of this platform [default: the folder's]
    #[arg(long)]
    platform: Option<Platform>,
    /// On how many cores; the bundle does not depend on it [default: all]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Sign the .sha256 file with this secret key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    network: NetworkArgs,
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

impl From<CompressionArg> for Compression {
    fn from(asked: CompressionArg) -> Self {
        match asked {
            CompressionArg::Fast => Compression::Fast,
            CompressionArg::Balanced => Compression::Balanced,
            CompressionArg::Max => Compression::Max,
        }
    }
}

pub(super) fn run(args: &BundleArgs, terminal: &Terminal) -> Result<u8> {
    let folder = match &args.manifest {
        Some(manifest) => {
            download::for_bundle(manifest, args.dir.as_deref(), args.platform, &args.key, &args.network, terminal)?
        }
        None => locate::folder(args.dir.as_deref())?,
    };
    pack(args, &folder, terminal)
}

fn pack(args: &BundleArgs, folder: &Folder, terminal: &Terminal) -> Result<u8> {
    let manifest = folder.expect_manifest()?;
    args.key.check_folder(folder, &manifest, terminal)?;
    let platform = locate::platform_of(folder, args.platform)?;
    let selection = manifest.select(platform)?;
    let runtime = match &args.runtime {
        Some(path) => Runtime::from_file(path, platform)?,
        None => Runtime::current(platform)?,
    };
    let artifacts = selection.iter().map(|pinned| carried(folder, pinned)).collect::<Result<Vec<_>>>()?;
    let plan = Plan {
        manifest: &manifest,
        platform,
        header: site::header(&manifest, platform, &runtime, args.compression.gzip_level())?,
        sources: sources(folder, &artifacts)?,
        artifacts,
        compression: args.compression.into(),
        cores: args.threads.unwrap_or_else(workers::cores),
    };
    let target = target(args.output.as_deref(), &manifest, platform);
    let written = {
        let progress = terminal.progress("packing");
        write(plan, &target, progress.as_ref())?
    };
    let signature = args.sign.as_deref().map(|key| sign(&written, key)).transpose()?;
    let carried: u64 = written.index.artifacts.iter().map(|artifact| artifact.size).sum();
    terminal.document(&json!({
        "bundle": target,
        "size": written.size,
        "digest": written.digest,
        "checksumFile": written.checksum_file,
        "signature": signature,
        "name": written.index.name,
        "version": written.index.version,
        "platform": platform,
        "carried": carried,
        "artifacts": written.index.artifacts.len(),
    }))?;
    terminal.text(&format!(
        "{}: {} artifacts, {} in {} ({} for the runtime)\n{}",
        target.display(),
        written.index.artifacts.len(),
        bytes(carried),
        bytes(written.size),
        bytes(written.index.header_size),
        written.digest
    ))?;
    terminal.text(&format!("run it on site with: sh {}", target.display()))?;
    Ok(0)
}

/// Signs the checksum beside the bundle; the signature's path.
fn sign(written: &Written, key: &Path) -> Result<PathBuf> {
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

/// The artifact as it lies in the folder now. Its content is compared with the pin while it is packed.
fn carried(folder: &Folder, pinned: &Pinned<'_>) -> Result<CarriedArtifact> {
    let path = folder.path_of(pinned.name());
    let hint = "get what is missing or wrong with 'pack download', then pack again";
    let metadata = fs::metadata(&path).doing("read the artifact", &path).map_err(|error| error.hint(hint))?;
    if !metadata.is_file() || pinned.pin.size.is_some_and(|size| size != metadata.len()) {
        return Err(Error::integrity("an artifact in the folder is not what the manifest pins")
            .fact("path", path.display())
            .fact("expected", pinned.pin.size.map_or("a file".to_owned(), |size| format!("{size} bytes")))
            .fact("actual", format_args!("{} bytes", metadata.len()))
            .hint(hint));
    }
    Ok(CarriedArtifact {
        name: pinned.name().clone(),
        kind: pinned.artifact.kind,
        size: metadata.len(),
        mode: metadata.permissions().mode() & 0o777,
        digest: pinned.pin.digest,
    })
}

/// Everything of the folder in the order in which a site needs it: first what is small and read at once.
fn sources(folder: &Folder, artifacts: &[CarriedArtifact]) -> Result<Vec<Source>> {
    let mut sources = Vec::with_capacity(artifacts.len() + 2);
    for name in [FILE_NAME, SIGNATURE_NAME] {
        let path = folder.root().join(name);
        if name == SIGNATURE_NAME && !path.exists() {
            continue;
        }
        let content = fs::read(&path).doing("read", &path)?;
        let path: RelPath = name.parse().map_err(Error::failed)?;
        let (size, digest) = (content.len() as u64, Digest::of(&content));
        sources.push(Source { path, mode: 0o644, size, digest, content: Content::Bytes(content) });
    }
    let mut order: Vec<&CarriedArtifact> = artifacts.iter().collect();
    order.sort_by_key(|artifact| match artifact.kind {
        Kind::Script | Kind::Unit | Kind::Stack | Kind::File => 0,
        Kind::Engine => 1,
        Kind::Image => 2,
    });
    sources.extend(order.into_iter().map(|artifact| Source {
        path: artifact.name.clone(),
        mode: artifact.mode,
        size: artifact.size,
        digest: artifact.digest,
        content: Content::File(folder.path_of(&artifact.name)),
    }));
    Ok(sources)
}
