//! Making a bundle: payload on all cores, index, trailer, and only then the final name.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use zstd::zstd_safe::CParameter;

use super::Compression;
use super::format::{TRAILER_LENGTH, Trailer, index_frame};
use super::images::Form;
use super::index::{CarriedArtifact, Frame, IMAGES, Index};
use super::payload::{self, Source};
use super::spare::Spare;
use crate::atomic::WholeFile;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, IoContext, Result};
use crate::image::Image;
use crate::manifest::Manifest;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::workers;

/// Everything a bundle is made of.
pub struct Plan<'a> {
    /// The product.
    pub manifest: &'a Manifest,
    /// The platform it is packed for.
    pub platform: Platform,
    /// Launcher and runtime.
    pub header: Vec<u8>,
    /// The files of the payload, in its order.
    pub sources: Vec<Source>,
    /// The artifacts that the payload's files give back.
    pub artifacts: Vec<CarriedArtifact>,
    /// The container images in them, each once.
    pub images: Vec<Image>,
    /// How hard to compress.
    pub compression: Compression,
    /// On how many cores; the bundle does not depend on it.
    pub cores: usize,
}

/// A bundle that was written.
#[derive(Debug)]
pub struct Written {
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// The file beside it that `sha256sum -c` reads.
    pub checksum_file: PathBuf,
    /// Its index.
    pub index: Index,
}

/// Writes the bundle `target` and `target.sha256` beside it; a signature of an older checksum is removed.
///
/// # Errors
/// A source is not what the plan says, or the disk refuses. After an error before the new bundle has its name,
/// `target` and what lies beside it still have their old content.
pub fn write(plan: Plan<'_>, target: &Path, progress: &dyn Progress) -> Result<Written> {
    progress.plan(plan.sources.len(), Some(plan.sources.iter().map(|source| source.size).sum()));
    let mut whole = WholeFile::create(target)?;
    let mut out = Output { file: whole.file(), hasher: Hasher::new(), target };
    out.write(&plan.header)?;
    let level = plan.compression.level();
    let frame_bytes = plan.compression.frame_bytes();
    let window = frame_bytes.ilog2();
    let spare = Spare::default();
    let mut frames = Vec::new();
    let mut entries = Vec::new();
    workers::ordered(
        plan.cores,
        |emit| {
            entries = payload::stream(&plan.sources, frame_bytes, &spare, progress, emit)?;
            Ok(())
        },
        |raw: Vec<u8>| {
            let mut stored = spare.take(zstd::zstd_safe::compress_bound(raw.len()));
            compress(&raw, &mut stored, level, window)?;
            let mut again = spare.take(raw.len());
            comes_back(&raw, &stored, &mut again)?;
            spare.give(again);
            let digest = Digest::of(&stored);
            let raw_size = raw.len() as u64;
            spare.give(raw);
            Ok((stored, raw_size, digest))
        },
        |(stored, raw_size, digest)| {
            frames.push(Frame { offset: out.position(), size: stored.len() as u64, raw_size, digest });
            out.write(&stored)?;
            spare.give(stored);
            Ok(())
        },
    )?;
    let index = Index {
        requires: if plan.artifacts.iter().all(|artifact| artifact.form == Form::File) {
            Vec::new()
        } else {
            vec![IMAGES.to_owned()]
        },
        packed_by: concat!("pack ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: plan.manifest.name().to_string(),
        version: plan.manifest.version().clone(),
        platform: plan.platform,
        run: plan.manifest.run().cloned(),
        header_size: plan.header.len() as u64,
        header_digest: Digest::of(&plan.header),
        raw_size: frames.iter().map(|frame| frame.raw_size).sum(),
        frames,
        entries,
        artifacts: plan.artifacts,
        images: plan.images,
    };
    let index_offset = out.position();
    let json = serde_json::to_vec(&index)
        .map_err(|cause| Error::failed("cannot write the bundle's index").fact("cause", cause))?;
    let frame = index_frame(&json)?;
    // What no reader accepts must not be written either.
    Index::read(&json, index_offset)?;
    out.write(&frame)?;
    let index_size = frame.len() as u64;
    let total = out.position() + TRAILER_LENGTH;
    let trailer = Trailer { index_offset, index_size, index_digest: Digest::of(&frame), total };
    out.write(&trailer.to_bytes())?;
    let digest = out.hasher.finish();
    let checksum_file = beside(target, ".sha256");
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let mut checksum = WholeFile::create(&checksum_file)?;
    let line = format!("{}  {name}\n", digest.hex());
    checksum.file().write_all(line.as_bytes()).doing("write the checksum", &checksum_file)?;
    whole.place(0o755)?;
    // The old bundle's checksum or signature beside the new one would be worse than none; until the new one
    // has the name, they belong to what is there.
    for old in [&beside(target, ".sha256.minisig"), &checksum_file] {
        match std::fs::remove_file(old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove what belonged to the old bundle", old, error));
            }
            _ => {}
        }
    }
    checksum.place(0o644)?;
    Ok(Written { size: total, digest, checksum_file, index })
}

/// The window's size (a power of two) from which on long distances are searched by themselves.
const LONG: u32 = 24;

/// One independent frame with its content's size and no time or name in it; a match may reach back over
/// all of it.
fn compress(raw: &[u8], stored: &mut Vec<u8>, level: i32, window: u32) -> Result<()> {
    // A context of its own for each frame: what it holds must not depend on what was compressed before.
    let mut compressor = zstd::bulk::Compressor::new(level).map_err(uncompressed)?;
    compressor.set_parameter(CParameter::WindowLog(window)).map_err(uncompressed)?;
    // A small window is searched whole anyway.
    if window > LONG {
        compressor.set_parameter(CParameter::EnableLongDistanceMatching(true)).map_err(uncompressed)?;
    }
    compressor.compress_to_buffer(raw, stored).map(drop).map_err(uncompressed)
}

/// Proves that a frame gives its content back; `again` is a buffer as large as that. What a failing memory or processor
/// spoils is found here and not on site.
fn comes_back(raw: &[u8], stored: &[u8], again: &mut Vec<u8>) -> Result<()> {
    let read =
        zstd::bulk::Decompressor::new().and_then(|mut decompressor| decompressor.decompress_to_buffer(stored, again));
    if read.is_ok() && again == raw {
        return Ok(());
    }
    Err(Error::failed("a frame does not give its content back")
        .fact("size", format_args!("{} bytes", raw.len()))
        .hint("the memory or processor of this machine may be faulty: pack again, best on another machine"))
}

fn uncompressed(cause: std::io::Error) -> Error {
    Error::failed("cannot compress a frame").fact("cause", cause)
}

fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The file, hashed as it is written.
struct Output<'a> {
    file: &'a mut File,
    hasher: Hasher,
    target: &'a Path,
}

impl Output<'_> {
    fn position(&self) -> u64 {
        self.hasher.length()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).doing("write the bundle", self.target)?;
        self.hasher.update(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_gives_something_else_back_is_found() {
        let raw: Vec<u8> = (0..70_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let mut stored = Vec::with_capacity(zstd::zstd_safe::compress_bound(raw.len()));
        compress(&raw, &mut stored, 9, 24).expect("compressed");
        let proof = |raw: &[u8], stored: &[u8]| comes_back(raw, stored, &mut Vec::with_capacity(raw.len()));
        assert!(proof(&raw, &stored).is_ok());
        let mut other = raw.clone();
        other[12_345] ^= 1;
        assert!(proof(&other, &stored).is_err());
        assert!(proof(&raw[1..], &stored).is_err());
        assert!(proof(&raw, &stored[..stored.len() - 1]).is_err());
    }
}
