//! `pack bundle`: a folder into one self-extracting file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::network::NetworkArgs;
use super::parity::{self, amount};
use super::password;
use super::platform::platform;
use super::terminal::{Terminal, bytes, counted, shown};
use super::trust::{KeyArgs, signed_document};
use super::volumes::volume_size;
use crate::bundle::Preset;
use crate::error::Result;
use crate::parity::layout::Amount;
use crate::path::{RelPath, shell_word};
use crate::platform::Platform;
use crate::signature::SecretKey;
use crate::task::bundle::{self, BundleSource, Options, Report};
use crate::task::download;
use crate::task::locate;
use crate::task::manifest_url::manifest_url;

/// Pack a folder into one self-extracting file
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack bundle                                          the folder that 'pack download' made here
  pack bundle --manifest examples/hello/manifest.json  download first, then pack
  pack bundle --sign release.key                       signs the .sha256 file
  pack bundle -o /media/stick/ --compression max       smaller, and straight to the stick
  pack bundle --parity 5%                              and x.run.parity, by which 'pack repair' repairs it
  pack bundle --volume-size 4G                         in files of at most 4 GB, as FAT32 takes them
  pack bundle --detached -o run-portable.sh            small: the large files lie beside it on site

Writes NAME-VERSION-ARCH.run and NAME-VERSION-ARCH.run.sha256, which 'sha256sum -c' reads. The same
folder and the same pack give the same bundle, bit for bit.")]
pub(super) struct BundleArgs {
    /// The folder [default: the folder of the manifest here]
    dir: Option<PathBuf>,
    /// Download what this manifest or URL pins first
    #[arg(long, value_name = "MANIFEST|URL")]
    manifest: Option<OsString>,
    /// Let an older version, or other content of the same version, replace what is in the folder
    #[arg(long, requires = "manifest")]
    allow_downgrade: bool,
    /// The file to write, or a folder to write it into [default: NAME-VERSION-ARCH.run here, or beside the folder
    /// when that is here; with --detached NAME-VERSION-ARCH-detached.run]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// How hard to compress
    #[arg(long, value_enum, default_value_t)]
    compression: CompressionArg,
    /// Leave out what gives the original image archives back bit for bit: faster; images come back as plain
    /// docker archives
    #[arg(long)]
    no_originals: bool,
    /// Leave out images, engines and everything large: on site they are taken from the folder where the bundle lies, each
    /// only with its pinned digest
    #[arg(long, conflicts_with = "no_originals")]
    detached: bool,
    /// The pack-site to carry [default: the one for the platform, beside this pack or in ~/.local/share/pack/runtimes]
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Pack the artifacts of this platform [default: the folder's]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    /// On how many cores; the bundle does not depend on it [default: all]
    #[arg(long, value_name = "N", value_parser = cores)]
    threads: Option<usize>,
    /// Write parity beside the bundle, so much of it in percent: so much may be lost on the way
    #[arg(long, value_name = "PERCENT", value_parser = amount)]
    parity: Option<Amount>,
    /// Divide the bundle: x.run, and x.run.001, x.run.002, … beside it, none larger than this; K, M and G are understood
    #[arg(long, value_name = "SIZE", value_parser = volume_size, conflicts_with = "parity")]
    volume_size: Option<u64>,
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
    // Packing may take long: a wrong key or password fails before that.
    let signer = args.sign.as_deref().map(|key| SecretKey::read(key, password::ask)).transpose()?;
    let source = match &args.manifest {
        Some(manifest) => BundleSource::Download(Box::new(download::Options {
            manifest: manifest_url(Some(manifest))?,
            dir: args.dir.clone(),
            platform: args.platform,
            allow_downgrade: args.allow_downgrade,
            trust: trust.clone(),
            network: args.network.options()?,
        })),
        None => BundleSource::Folder(locate::folder(args.dir.as_deref())?),
    };
    let options = Options {
        source,
        output: args.output.clone(),
        platform: args.platform,
        preset: args.compression.into(),
        originals: !args.no_originals,
        detached: args.detached,
        runtime: args.runtime.clone(),
        cores: args.threads,
        signer,
        parity: args.parity,
        volume_size: args.volume_size,
        trust,
    };
    let progress = terminal.progress();
    let report = bundle::run(&options, progress.as_ref())?;
    drop(progress);
    show(&report, terminal)?;
    Ok(0)
}

fn show(report: &Report, terminal: &Terminal) -> Result<()> {
    let (written, index) = (&report.written, &report.written.index);
    terminal.document(&json!({
        "bundle": shown::path(&report.path),
        "size": written.descriptor.size,
        "digest": written.descriptor.digest,
        "checksumFile": shown::path(&written.checksum_file),
        "manifestSignature": signed_document(&report.signed),
        "signature": report.signature.as_deref().map(shown::path),
        "name": index.name,
        "version": index.version,
        "platform": report.platform,
        "carried": report.carried,
        "detached": report.detached,
        "artifacts": index.artifacts.len(),
        "product": report.product,
        "parity": report.parity.as_ref().map(parity::document),
        "volumes": report.volumes.iter().map(|file| json!({
            "path": shown::path(&file.path), "size": file.descriptor.size, "digest": file.descriptor.digest,
        })).collect::<Vec<_>>(),
    }))?;
    let (path, word) = (report.path.display(), shell_word(&report.path));
    terminal.text(&format!(
        "{path}: {}, {} ({} for the runtime) of {}\n{}\nmanifest: {}",
        counted((index.artifacts.len() - report.detached.len()) as u64, "artifact"),
        bytes(written.descriptor.size),
        bytes(index.header_size),
        terminal.throughput(report.carried),
        written.descriptor.digest,
        report.signed
    ))?;
    if !report.detached.is_empty() {
        let names: Vec<&str> = report.detached.iter().map(RelPath::as_str).collect();
        terminal.text(&format!("on site it takes these from the folder where it lies: {}", names.join(", ")))?;
    }
    if let [_, first, ..] = &report.volumes[..] {
        let count = counted(report.volumes.len() as u64 - 1, "volume");
        let largest = report.volumes.iter().map(|file| file.descriptor.size).max().unwrap_or(0);
        terminal.text(&format!(
            "in {count} beside it, {} and so on: no file has more than {}",
            first.path.display(),
            bytes(largest)
        ))?;
    }
    if let Some(made) = &report.parity {
        terminal.text(&parity::line(made))?;
    }
    terminal.text(&match (&report.product, &report.run) {
        (Some(title), _) => format!("install {title} on site with: sh {word}"),
        (None, Some(_)) => format!("run it on site with: sh {word}"),
        (None, None) => {
            format!("it runs nothing; take the files out on site with: sh {word} pack extract {}", index.name)
        }
    })
}
