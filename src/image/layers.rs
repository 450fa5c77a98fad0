//! Layers that are compressed inside their archive: the compression is taken off where it can be put on again.

use std::collections::HashMap;
use std::io;

use super::blob::{Blob, BlobLocation, add};
use super::content::Codec;
use super::gzip::{self, Records};
use super::options::AnalysisOptions;
use super::prove::Gzips;
use super::recipe::{Part, Record};
use super::{Image, Layer};
use crate::digest::{Digest, HashingWriter};
use crate::error::{Error, Result};

/// Corrections may take one byte for this many of the stream they are for: with more, nothing is gained.
pub(super) const AT_MOST_PART: u64 = 50;

/// Carries layers without their compression where that can be put on again exactly, or where that is not asked for.
/// Returns the gzip files that `parts` now has instead of blobs. `fault` makes an error of what reading fails with.
pub(super) fn take_off_compression(
    images: &mut [Image],
    parts: &mut [Part],
    blobs: &mut Vec<Blob>,
    options: &AnalysisOptions,
    fault: &(dyn Fn(io::Error) -> Error + Sync),
) -> Result<Gzips> {
    let mut gzips = Gzips::new();
    // Whether the compression of a blob goes.
    let mut goes: HashMap<Digest, bool> = HashMap::new();
    for layer in images.iter_mut().flat_map(|image| &mut image.layers) {
        let Some(packed) = layer.packed else { continue };
        if let Some(goes) = goes.get(&packed.digest) {
            layer.packed = layer.packed.filter(|_| !goes);
            continue;
        }
        let blob = blobs.iter().find(|blob| blob.descriptor.digest == packed.digest).cloned();
        let records = match &blob {
            Some(blob) => records_of(layer, packed.codec, blob, options, fault)?,
            None => None,
        };
        let goes_off = records.is_some() || !options.originals;
        goes.insert(packed.digest, goes_off);
        if !goes_off {
            continue;
        }
        layer.packed = None;
        let Some(blob) = blob else { continue };
        let location = BlobLocation { packed: Some((packed.codec, packed.size)), ..blob.location };
        add(blobs, Blob { descriptor: layer.content(), location });
        blobs.retain(|blob| blob.descriptor.digest != packed.digest);
        if let Some(records) = records {
            let gzip = Part::Gzip { content: vec![Part::Blob(layer.content())], records };
            gzips.insert(gzip.digest(), blob.descriptor);
            for part in parts.iter_mut().filter(|part| **part == Part::Blob(blob.descriptor)) {
                *part = gzip.clone();
            }
        }
    }
    Ok(gzips)
}

/// The records from which the layer's gzip file is written again; `None` where there are none.
fn records_of(
    layer: &Layer,
    codec: Codec,
    blob: &Blob,
    options: &AnalysisOptions,
    fault: &(dyn Fn(io::Error) -> Error + Sync),
) -> Result<Option<Vec<Record>>> {
    if codec != Codec::Gzip || !options.wants_records() {
        return Ok(None);
    }
    let wanted = Records::AtMost(blob.descriptor.size / AT_MOST_PART);
    let mut content = HashingWriter::new(io::sink());
    let scan = gzip::scan(blob.open()?, options.cores, wanted, fault, &mut |piece| {
        io::Write::write_all(&mut content, piece).map_err(fault)
    })?;
    let is_the_layer = scan.file == blob.descriptor && content.finish().1 == layer.content();
    Ok(scan.records.ok().filter(|_| is_the_layer))
}
