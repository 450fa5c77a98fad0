//! Making a bundle: payload on all cores, index, trailer, and only then the final name.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::buffer_pool::BufferPool;
use super::carried::CarriedArtifact;
use super::checksum_file::checksum_line;
use super::format::{TRAILER_LENGTH, Trailer, index_frame};
use super::index::{Index, required_by};
use super::layout::Frame;
use super::lookup::IndexMaps;
use super::payload::{self, PayloadFile};
use super::preset::Preset;
use super::proved_frame::ProvedFrame;
use crate::digest::{Descriptor, Digest, HashingWriter};
use crate::error::{Error, IoContext, Result};
use crate::image::Image;
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::BackgroundSync;
use crate::staged_file::StagedFile;
use crate::workers;

/// Everything a bundle is made of.
pub struct BundleSpec<'a> {
    /// The product.
    pub manifest: &'a Manifest,
    /// The platform it is packed for.
    pub platform: Platform,
    /// The publisher's key, to be shown on site.
    pub publisher: Option<String>,
    /// Launcher and runtime.
    pub header: Vec<u8>,
    /// The files of the payload, in its order.
    pub files: Vec<PayloadFile>,
    /// The artifacts, as they are carried.
    pub artifacts: Vec<CarriedArtifact>,
    /// The container images in them, each once.
    pub images: Vec<Image>,
    /// How hard to compress.
    pub preset: Preset,
    /// On how many cores; the bundle does not depend on it.
    pub cores: usize,
}

/// A bundle that was written.
#[derive(Debug)]
pub struct Written {
    /// Its size and digest.
    pub descriptor: Descriptor,
    /// The file beside it that `sha256sum -c` reads.
    pub checksum_file: PathBuf,
    /// Its index.
    pub index: Index,
}

/// Writes the bundle `target` and `target.sha256` beside it; a signature of an older checksum is removed.
///
/// # Errors
/// A file is not what the spec says, or an I/O error. After an error before the new bundle has its name,
/// `target` and what lies beside it still have their old content.
pub fn write(spec: BundleSpec<'_>, target: &Path, progress: &dyn Progress) -> Result<Written> {
    progress.plan(spec.files.len(), Some(spec.files.iter().map(|file| file.descriptor.size).sum()));
    let mut whole = StagedFile::create(target)?;
    // The disk takes what is written while more is compressed: little is left to wait for at the end.
    let disk = whole.file().try_clone().doing("write the bundle", target)?;
    let mut sync = BackgroundSync::default();
    let mut out = HashingWriter::new(whole.file());
    out.write_all(&spec.header).doing("write the bundle", target)?;
    let BundleSpec { files, preset, .. } = spec;
    let frame_bytes = preset.frame_bytes();
    let pool = BufferPool::default();
    let mut frames = Vec::new();
    let mut entries = Vec::new();
    workers::ordered(
        spec.cores,
        |emit| {
            entries = payload::stream(files, frame_bytes, &pool, progress, emit)?;
            Ok(())
        },
        |raw: Vec<u8>| {
            let frame = ProvedFrame::compress(&raw, preset, &pool)?;
            pool.give(raw);
            Ok((Descriptor::of(frame.stored()), frame))
        },
        |(Descriptor { digest, size }, frame): (Descriptor, ProvedFrame)| {
            frames.push(Frame { offset: out.position(), size, raw_size: frame.raw_size(), digest });
            out.write_all(frame.stored()).doing("write the bundle", target)?;
            sync.wrote(&disk, frame.stored().len() as u64).doing("write the bundle", target)?;
            pool.give(frame.into_stored());
            Ok(())
        },
    )?;
    let index = Index {
        requires: required_by(&spec.artifacts).into_iter().map(str::to_owned).collect(),
        packed_by: concat!("pack ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: spec.manifest.name().to_string(),
        version: spec.manifest.version().clone(),
        platform: spec.platform,
        run: spec.manifest.run().cloned(),
        publisher: spec.publisher,
        header_size: spec.header.len() as u64,
        header_digest: Digest::of(&spec.header),
        raw_size: frames.iter().map(|frame| frame.raw_size).sum(),
        frames,
        entries,
        artifacts: spec.artifacts,
        images: spec.images,
        lookup: IndexMaps::default(),
    };
    let index_offset = out.position();
    let json = serde_json::to_vec(&index)
        .map_err(|cause| Error::failed("cannot write the bundle's index").fact("cause", cause))?;
    let frame = index_frame(&json)?;
    // What no reader accepts must not be written either.
    let index = Index::read(&json, index_offset)?;
    out.write_all(&frame).doing("write the bundle", target)?;
    let index_size = frame.len() as u64;
    let total = out.position() + TRAILER_LENGTH;
    let trailer = Trailer { index_offset, index_size, index_digest: Digest::of(&frame), total };
    out.write_all(&trailer.to_bytes()).doing("write the bundle", target)?;
    let (_, descriptor) = out.finish();
    let checksum_file = beside(target, ".sha256");
    let name = target.file_name().unwrap_or_default();
    let mut checksum = StagedFile::create(&checksum_file)?;
    let line = checksum_line(&descriptor.digest, name);
    checksum.file().write_all(&line).doing("write the checksum", &checksum_file)?;
    progress.phase("syncing");
    sync.finish().doing("write the bundle", target)?;
    whole.place(0o755)?;
    // The old bundle's checksum or signature beside the new one would be worse than none. Until the new one
    // has the name, they belong to the old one.
    for old in [&beside(target, ".sha256.minisig"), &checksum_file] {
        match std::fs::remove_file(old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove what belonged to the old bundle", old, error));
            }
            _ => {}
        }
    }
    checksum.place(0o644)?;
    Ok(Written { descriptor, checksum_file, index })
}

fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
